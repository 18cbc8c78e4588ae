// Many threads on one space. Meant for ThreadSanitizer and AddressSanitizer as much as for itself.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "ioasid/backends.hpp"
#include "ioasid/references.hpp"
#include "ioasid/sets.hpp"
#include "ioasid/space.hpp"
#include "tests/ioasid/crew.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

using fakes::data;
using ioasid::AllocatorOps;
using ioasid::Error;
using ioasid::Found;
using ioasid::invalid_ioasid;
using ioasid::Ioasid;
using ioasid::Space;

namespace {

using Task = std::function<void(unsigned)>;

constexpr std::array<char, 4> sets{};

// What a pointer of set n looks like, so that a mixed-up pair is noticed.
void* data_of_set(std::size_t n, unsigned round) {
  return data((std::uintptr_t{round} << 8) | (n + 1));
}
bool belongs(void* pointer, std::size_t n) {
  return (reinterpret_cast<std::uintptr_t>(pointer) & 0xff) == n + 1;
}

// Data whose use after its deletion is noticed even without a sanitizer.
struct Object {
  static constexpr std::uint64_t alive = 0x5afe5afe5afe5afe;
  std::atomic<std::uint64_t> magic{alive};
  ~Object() { magic.store(0); }
};
bool intact(void* pointer) { return static_cast<Object*>(pointer)->magic.load() == Object::alive; }

}  // namespace

TEST_CASE("a find never pairs one owner's set with another owner's data", "[threads]") {
  // Two ids that everybody fights for: by themselves, in a compact block, and with enough
  // neighbours to make the block direct.
  const bool direct = GENERATE(false, true);
  constexpr ioasid::Range range{62, 63};
  Space space;
  for (Ioasid id = 0; direct && id < 60; ++id) space.alloc(nullptr, {id, id}, nullptr);
  const std::size_t neighbours = space.size();
  std::atomic<bool> mixed{false};
  std::vector<Task> tasks;
  for (std::size_t n = 0; n < 2; ++n)
    tasks.push_back([&, n](unsigned round) {
      const Ioasid id = space.alloc(&sets[n], range, data_of_set(n, round));
      if (id != invalid_ioasid) space.free(id);
    });
  for (std::size_t n = 0; n < 2; ++n)
    tasks.push_back([&, n](unsigned) {
      for (int i = 0; i < 100; ++i) {
        const Found found = space.find(&sets[n], 62 + static_cast<Ioasid>(i % 2));
        if (found && !belongs(found.data, n)) mixed = true;
      }
    });
  crew::work(tasks);
  CHECK_FALSE(mixed);
  CHECK(space.size() == neighbours);
}

TEST_CASE("an id that stays is found all the time, whatever its neighbours do", "[threads]") {
  Space space;
  std::vector<Ioasid> lasting;
  for (Ioasid id = 0; id < 4096; id += 97) {
    REQUIRE(space.alloc(nullptr, {id, id}, data(id + 1)) == id);
    lasting.push_back(id);
  }
  std::atomic<bool> lost{false};
  const Task reader = [&](unsigned) {
    for (const Ioasid id : lasting)
      if (space.find(nullptr, id) != Found{Error::ok, data(id + 1)}) lost = true;
  };
  // Grows every block from compact to direct and back, and the table with them.
  const Task writer = [&](unsigned round) {
    std::vector<Ioasid> filled;
    for (Ioasid i = 0; i < 4000; ++i) {
      const Ioasid from = round % 2 == 0 ? 0 : i * 128;
      filled.push_back(space.alloc(nullptr, {from, 0xfffffff0u}, nullptr));
    }
    for (const Ioasid id : filled) space.free(id);
  };
  crew::work({reader, reader, writer});
  CHECK_FALSE(lost);
}

TEST_CASE("an id that was never there is never found", "[threads]") {
  Space space;
  REQUIRE(space.alloc(nullptr, {0, 0}, data(1)) == 0);
  std::atomic<bool> found{false};
  // New blocks all the time, in a table that is small and rebuilt often.
  const Task writer = [&](unsigned round) {
    const Ioasid id = 64 + round % 1'000'000 * 128;
    space.alloc(nullptr, {id, id}, data(2));
    space.free(id);
  };
  const Task reader = [&](unsigned round) {
    for (Ioasid i = 0; i < 16; ++i)
      if (space.find(nullptr, (round * 16 + i) % 1'000'000 * 128 + 128)) found = true;
  };
  crew::work({writer, reader, reader});
  CHECK_FALSE(found);
}

TEST_CASE("data may be deleted when free or set_data returns", "[threads]") {
  Space space;
  constexpr Ioasid ids = 16;
  for (Ioasid id = 0; id < ids; ++id) space.alloc(nullptr, {id, id}, new Object);
  std::atomic<bool> broken{false};
  const Task guarded = [&](unsigned round) {
    const ioasid::ReadGuard guard;
    const Found found = space.find(nullptr, round % ids);
    if (found && !intact(found.data)) broken = true;
  };
  const Task with_getter = [&](unsigned round) {
    space.find(nullptr, round % ids, [&](void* object) {
      if (!intact(object)) broken = true;
      return true;
    });
  };
  std::array<Object*, ids> owned{};
  for (Ioasid id = 0; id < ids; ++id)
    owned[id] = static_cast<Object*>(space.find(nullptr, id).data);
  const Task replacer = [&](unsigned round) {
    const Ioasid id = round % (ids / 2);
    auto* fresh = new Object;
    space.set_data(id, fresh);
    delete std::exchange(owned[id], fresh);
  };
  const Task freer = [&](unsigned round) {
    const Ioasid id = ids / 2 + round % (ids / 2);
    space.free(id);
    delete owned[id];
    owned[id] = new Object;
    space.alloc(nullptr, {id, id}, owned[id]);
  };
  crew::work({guarded, with_getter, replacer, freer});
  CHECK_FALSE(broken);
  for (const Object* object : owned) delete object;
}

TEST_CASE("no id is given to two owners at once", "[threads]") {
  Space space;
  constexpr Ioasid ids = 200;
  std::vector<std::atomic<int>> owners(ids);
  std::atomic<bool> doubled{false};
  const Task worker = [&](unsigned round) {
    viosim::Rng random(static_cast<std::uint64_t>(round), "ids");
    std::vector<Ioasid> mine;
    for (int i = 0; i < 40; ++i) {
      const Ioasid id =
          space.alloc(&sets[0], {static_cast<Ioasid>(random.next() % 10), ids - 1}, nullptr);
      if (id == invalid_ioasid) continue;
      if (owners[id].fetch_add(1) != 0) doubled = true;
      mine.push_back(id);
    }
    for (const Ioasid id : mine) {
      owners[id].fetch_sub(1);
      if (space.free(id) != Error::ok) doubled = true;
    }
  };
  crew::work({worker, worker, worker, worker});
  CHECK_FALSE(doubled);
  CHECK(space.size() == 0);
}

TEST_CASE("finds go on while allocators come, go and take over", "[threads]") {
  Space space;
  fakes::Scripted one;
  fakes::Scripted two;
  one.next = 1;
  two.next = 2;
  const AllocatorOps first{&one, &one, nullptr};
  const AllocatorOps second{&two, &two, nullptr};
  const AllocatorOps sharer{&one, &one, data(1)};
  std::atomic<bool> strange{false};
  const Task reader = [&](unsigned) {
    // Id 1 is the first group's, 2 the second's, 3 the default's.
    for (Ioasid id = 1; id <= 3; ++id) {
      const Found found = space.find(&sets[id], id);
      if (found.error == Error::eacces || (found && !belongs(found.data, id))) strange = true;
    }
  };
  const Task operator_ = [&](unsigned round) {
    if (space.register_allocator(first) != Error::ok) strange = true;
    space.register_allocator(second);
    if (space.alloc(&sets[1], {}, data_of_set(1, round)) != 1) strange = true;
    space.register_allocator(sharer);
    if (round % 2 == 0) space.free(1);
    space.unregister_allocator(first);
    space.unregister_allocator(sharer);
    if (space.alloc(&sets[2], {}, data_of_set(2, round)) != 2) strange = true;
    space.unregister_allocator(second);
    if (space.alloc(&sets[3], {3, 3}, data_of_set(3, round)) != 3) strange = true;
    space.free(3);
    one.take();
    two.take();
  };
  crew::work({reader, reader, operator_});
  CHECK_FALSE(strange);
  CHECK_FALSE(space.custom_active());
}

TEST_CASE("registrations race with everything and nothing is lost", "[threads]") {
  Space space;
  std::array<ioasid::DefaultBackend, 2> backends;
  std::array<AllocatorOps, 4> ops;
  for (std::size_t i = 0; i < 4; ++i) ops[i] = {&backends[i / 2], &backends[i / 2], data(i)};
  std::atomic<bool> strange{false};
  std::atomic<std::size_t> orphaned{0};
  // Each in a part of the numbers of its own, so that whatever is found there must be its own.
  const auto churn = [&](std::size_t n) {
    return [&, n](unsigned round) {
      const Ioasid first = 1 + (static_cast<Ioasid>(n) << 20);
      const Ioasid id = space.alloc(&sets[n], {first, first + 0xfffff}, data_of_set(n, round));
      const Error stored = space.set_data(id, data_of_set(n, round + 1));
      const Found found = space.find(&sets[n], id);
      if (found && found.data != data_of_set(n, round + 1)) strange = true;
      if (space.find(&sets[1 - n], id).data != nullptr) strange = true;
      const Error freed = space.free(id);
      // An orphan from some moment on, it is unknown ever after.
      for (const Error error : {stored, found.error, freed})
        if (error != Error::ok && error != Error::enoent) strange = true;
      if (found && stored != Error::ok) strange = true;
      if (freed == Error::ok && !found) strange = true;
    };
  };
  const auto hotplug = [&](std::size_t n) {
    return [&, n](unsigned) {
      const Error arrival = space.register_allocator(ops[n]);
      std::vector<Ioasid> orphans;
      const Error departure = space.unregister_allocator(ops[n], &orphans);
      orphaned += orphans.size();
      if (arrival != Error::ok && arrival != Error::eagain) strange = true;
      if (departure != (arrival == Error::ok ? Error::ok : Error::enoent)) strange = true;
    };
  };
  crew::work({churn(0), churn(1), hotplug(0), hotplug(1), hotplug(2), hotplug(3)});
  for (const AllocatorOps& each : ops) CHECK(space.unregister_allocator(each) == Error::enoent);
  CHECK_FALSE(space.custom_active());
  CHECK_FALSE(strange);
  // What the backends gave was given back or orphaned, each id once.
  CHECK(backends[0].size() + backends[1].size() == orphaned);
  CHECK(space.size() == 0);
}

TEST_CASE("the lock excludes while favourites come and go", "[threads]") {
  // A lock makes favourites often only while it is young, so many are used, one after the other.
  struct Guarded {
    ioasid::detail::BiasedLock lock;
    std::uint64_t count = 0;
  };
  std::vector<Guarded> young(20'000);
  std::atomic<std::size_t> at{0};
  std::atomic<std::uint64_t> expected{0};
  std::atomic<bool> refused{false};
  const auto burst = [&](unsigned length) {
    return [&, length](unsigned round) {
      Guarded& guarded = young[at.load() % young.size()];
      const unsigned times = length + round % 7;
      for (unsigned i = 0; i < times; ++i) {
        if (!guarded.lock.lock()) refused = true;
        ++guarded.count;
        guarded.lock.unlock();
      }
      expected += times;
      if (round % 16 == 0) ++at;
    };
  };
  crew::work({burst(20), burst(60), burst(150)});
  std::uint64_t count = 0;
  for (const Guarded& guarded : young) count += guarded.count;
  CHECK(count == expected);
  CHECK_FALSE(refused);
}

TEST_CASE("a lock knows its holder, also among several and out of order", "[threads]") {
  std::array<ioasid::detail::BiasedLock, 5> locks;
  for (int round = 0; round < 100; ++round) {  // from the spinlocks to favour in all of them
    for (auto& lock : locks) {
      REQUIRE_FALSE(lock.held());
      REQUIRE(lock.lock());
      REQUIRE_FALSE(lock.lock());
      REQUIRE(lock.held());
    }
    for (const std::size_t i : {1u, 0u, 3u, 4u, 2u}) locks[i].unlock();
  }
  std::thread([&] {
    for (auto& lock : locks) {
      CHECK(lock.lock());
      lock.unlock();
    }
  }).join();
}

TEST_CASE("references and sets hold under concurrent use", "[threads]") {
  Space space;
  ioasid::References references(space);
  Space set_space_below;
  ioasid::SetSpace set_space(set_space_below);
  const ioasid::SetNumber set = set_space.alloc_set({.quota = 8}).set;
  std::atomic<bool> strange{false};
  const Task counted = [&](unsigned) {
    const Ioasid id = references.alloc(nullptr, {1, 100}, nullptr);
    if (references.get(id) != Error::ok || references.put(id) || !references.put(id))
      strange = true;
  };
  const Task grouped = [&](unsigned) {
    const Ioasid id = set_space.alloc(set, {1, 100}, nullptr);
    if (id == invalid_ioasid) return;  // the quota
    if (set_space.get(set, id) != Error::ok || set_space.attach_spid(id, id) != Error::ok ||
        set_space.free(set, id) != Error::ok || set_space.put(set, id) != Error::ok)
      strange = true;
  };
  const Task reader = [&](unsigned round) {
    const ioasid::ReadGuard guard;
    set_space.find(set, round % 10);
  };
  crew::work({counted, counted, grouped, grouped, reader});
  CHECK_FALSE(strange);
  CHECK(space.size() == 0);
  CHECK(set_space.size(set) == 0);
}
