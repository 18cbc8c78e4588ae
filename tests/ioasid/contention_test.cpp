// Threads that wait for one another: every call gets its own answer, and nobody waits for ever.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backend.hpp"
#include "ioasid/space.hpp"
#include "tests/ioasid/crew.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <barrier>
#include <functional>
#include <utility>

using fakes::data;
using ioasid::Error;
using ioasid::Found;
using ioasid::invalid_ioasid;
using ioasid::Ioasid;
using ioasid::Space;
using ioasid::UsageError;

namespace {

using Task = std::function<void(unsigned)>;

// What this thread's call was told of. Not atomic: the listener and the caller must be one thread.
thread_local unsigned heard = 0;

class Counting : public ioasid::Listener {
 public:
  void message(ioasid::Message, Ioasid) noexcept override {
    ++heard;
    ++messages;
  }
  unsigned messages = 0;  // plain, too: only one thread at a time may be here
};

// Calls back what it must not, and counts how often it was refused.
class Nested : public ioasid::Listener, public ioasid::Backend {
 public:
  void message(ioasid::Message, Ioasid) noexcept override { call_back(); }
  Ioasid alloc(ioasid::Range, void*) override {
    call_back();
    return invalid_ioasid;
  }
  void free(Ioasid, void*) override {}

  Space* space = nullptr;
  unsigned calls = 0;
  unsigned refused = 0;

 private:
  void call_back() noexcept {
    ++calls;
    try {
      static_cast<void>(space->alloc(nullptr, {}, nullptr));
    } catch (const UsageError&) {
      ++refused;
    }
    space->find(nullptr, 1);
  }
};

// Allocates, looks and frees; false if anything was not as it must be.
bool use(Space& space, ioasid::SetToken mine, unsigned round) {
  void* const stored = data(round + 1);
  const Ioasid id = space.alloc(mine, {1, 20}, stored);
  return id != invalid_ioasid && space.find(mine, id) == Found{Error::ok, stored} &&
         space.free(id) == Error::ok;
}

}  // namespace

TEST_CASE("under contention each failure is told to the thread that it happened to", "[threads]") {
  Counting listener;
  Space space({.listener = &listener});
  std::atomic<unsigned> expected{0};
  std::atomic<bool> wrong{false};
  const Task worker = [&](unsigned) {
    const unsigned before = heard;
    unsigned failures = 0;
    // Three ids for twice as many requests of each of four threads.
    std::array<Ioasid, 6> ids{};
    for (Ioasid& id : ids) id = space.alloc(nullptr, {1, 3}, nullptr);
    for (const Ioasid id : ids) {
      if (id == invalid_ioasid)
        failures += 2;  // err:range and err:alloc
      else if (space.free(id) != Error::ok)
        wrong = true;
    }
    if (space.free(4) != Error::enoent) wrong = true;
    ++failures;
    if (heard - before != failures) wrong = true;
    expected += failures;
  };
  crew::work({worker, worker, worker, worker});
  CHECK_FALSE(wrong);
  CHECK(listener.messages == expected);
  CHECK(space.size() == 0);
}

TEST_CASE("threads that contend for several spaces get each its own ids", "[threads]") {
  std::array<Space, 3> spaces;
  const std::array<char, 4> sets{};
  std::atomic<bool> wrong{false};
  std::vector<Task> tasks;
  for (const char& set : sets)
    tasks.push_back([&](unsigned round) {
      const std::size_t first = round % spaces.size();
      if (!use(spaces[first], &set, round)) wrong = true;
      if (!use(spaces[(first + 1) % spaces.size()], &set, round)) wrong = true;
    });
  crew::work(tasks);
  CHECK_FALSE(wrong);
  for (const Space& space : spaces) CHECK(space.size() == 0);
}

TEST_CASE("threads come and go while others wait for the space", "[threads]") {
  Space space;
  const std::array<char, 4> sets{};
  std::atomic<bool> wrong{false};
  const auto resident = [&](std::size_t n) {
    return [&, n](unsigned round) {
      if (!use(space, &sets[n], round)) wrong = true;
    };
  };
  const auto visitor = [&](std::size_t n) {
    return [&, n](unsigned round) {
      std::thread([&] {
        for (unsigned i = 0; i < 20; ++i)
          if (!use(space, &sets[n], round + i)) wrong = true;
      }).join();
    };
  };
  crew::work({resident(0), resident(1), visitor(2), visitor(3)});
  CHECK_FALSE(wrong);
  CHECK(space.size() == 0);
}

TEST_CASE("a nested call is refused while others wait, too", "[threads]") {
  const bool custom = GENERATE(false, true);
  Nested nested;
  Space space({.listener = &nested});
  nested.space = &space;
  const ioasid::AllocatorOps ops{&nested, &nested, nullptr};
  if (custom) REQUIRE(space.register_allocator(ops) == Error::ok);
  std::atomic<bool> wrong{false};
  const Task worker = [&](unsigned) {
    if (space.alloc(nullptr, {2, 1}, nullptr) != invalid_ioasid) wrong = true;
    if (space.free(1) != Error::enoent) wrong = true;
  };
  crew::work({worker, worker, worker, worker});
  CHECK_FALSE(wrong);
  CHECK(nested.calls != 0);
  CHECK(nested.refused == nested.calls);
}

TEST_CASE("many more threads than processors all get the lock", "[threads]") {
  constexpr unsigned threads = 32;
  constexpr unsigned times = 500;
  ioasid::detail::BiasedLock lock;
  unsigned count = 0;
  std::atomic<bool> refused{false};
  std::barrier start(threads);
  std::vector<std::thread> crew;
  for (unsigned t = 0; t < threads; ++t)
    crew.emplace_back([&] {
      start.arrive_and_wait();
      for (unsigned i = 0; i < times; ++i) {
        if (!lock.lock()) refused = true;
        ++count;
        if (i % 50 == 0) std::this_thread::yield();  // a holder that is not running
        lock.unlock();
      }
    });
  for (std::thread& thread : crew) thread.join();
  CHECK(count == threads * times);
  CHECK_FALSE(refused);
}

TEST_CASE("a holder that sleeps is waited for by all who come", "[threads]") {
  ioasid::detail::BiasedLock lock;
  REQUIRE(lock.lock());
  std::atomic<unsigned> came{0};
  unsigned inside = 0;
  std::vector<std::thread> crew;
  for (unsigned t = 0; t < 4; ++t)
    crew.emplace_back([&] {
      ++came;
      if (!lock.lock()) return;
      ++inside;
      lock.unlock();
    });
  while (came != crew.size()) std::this_thread::yield();
  // Long enough for all to give up being the next, and to look for themselves.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(inside == 0);
  lock.unlock();
  for (std::thread& thread : crew) thread.join();
  CHECK(inside == crew.size());
}

namespace {

// Gives its ids back to another space.
class ToHost : public ioasid::Backend {
 public:
  explicit ToHost(Space& host) : host_(host) {}
  // When told to, frees another of the host's ids first.
  Ioasid alloc(ioasid::Range range, void*) override {
    if (victim != ioasid::invalid_ioasid)
      free(std::exchange(victim, ioasid::invalid_ioasid), nullptr);
    return host_.alloc(nullptr, range, nullptr);
  }
  void free(Ioasid id, void*) override {
    inside = true;
    while (!guarded) std::this_thread::yield();
    host_.free(id);
    left = true;
  }
  Ioasid victim = ioasid::invalid_ioasid;
  std::atomic<bool> inside{false};
  std::atomic<bool> guarded{false};
  std::atomic<bool> left{false};

 private:
  Space& host_;
};

}  // namespace

// Who holds a guard may be about to wait for the space that the helper has locked.
TEST_CASE("a free inside a helper does not wait for guards", "[threads]") {
  Space host;
  Space guest;
  ToHost backend(host);
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  guest.register_allocator(ops);
  const Ioasid id = guest.alloc(nullptr, {1, 9}, nullptr);
  std::thread freer([&] { guest.free(id); });
  while (!backend.inside) std::this_thread::yield();
  {
    const ioasid::ReadGuard guard;
    backend.guarded = true;
    for (int i = 0; i < 2000 && !backend.left; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CHECK(backend.left);
  }
  freer.join();
}

// An alloc does not wait for anybody: who deletes what its helper freed waits first.
TEST_CASE("what a helper of alloc freed may be deleted after synchronize", "[threads]") {
  Space host;
  Space guest;
  ToHost backend(host);
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  guest.register_allocator(ops);
  backend.victim = host.alloc(nullptr, {1, 9}, nullptr);
  backend.guarded = true;
  std::atomic<bool> allocated{false};
  std::atomic<bool> waited{false};
  std::thread caller;
  {
    const ioasid::ReadGuard guard;
    caller = std::thread([&] {
      guest.alloc(nullptr, {1, 9}, nullptr);
      allocated = true;
      ioasid::synchronize();
      waited = true;
    });
    while (!allocated) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    CHECK_FALSE(waited);
  }
  caller.join();
  CHECK(waited);
}

TEST_CASE("ids that stay are found while thousands far apart come and go", "[threads]") {
  Space space;
  std::atomic<bool> lost{false};
  constexpr Ioasid stays = 64 * 1000;
  for (Ioasid i = 0; i < 4; ++i)
    space.alloc(nullptr, {stays + 64 * 700 * i, stays + 64 * 700 * i}, data(i + 1));
  const Task reader = [&](unsigned round) {
    const Ioasid i = round % 4;
    if (space.find(nullptr, stays + 64 * 700 * i) != Found{Error::ok, data(i + 1)}) lost = true;
  };
  const Task writer = [&](unsigned) {
    for (Ioasid n = 0; n < 4000; ++n) space.alloc(nullptr, {n * 64 + 1, n * 64 + 1}, nullptr);
    // In another order, so that what is left is spread over everything.
    for (Ioasid n = 0; n < 4000; ++n) space.free(n * 1009 % 4000 * 64 + 1);
  };
  crew::work({reader, reader, writer});
  CHECK_FALSE(lost);
  CHECK(space.size() == 4);
}
