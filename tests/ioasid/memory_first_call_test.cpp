// A thread's first call of the library where memory is short: it throws, and nothing has changed.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"
#include "ioasid/readers.hpp"
#include "ioasid/references.hpp"
#include "ioasid/sets.hpp"
#include "tests/ioasid/heap.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <memory>
#include <new>
#include <thread>
#include <vector>

namespace {

using ioasid::Ioasid;
using ioasid::Priority;
constexpr ioasid::Range all{1, 99};

// As many threads at once as have never been, so that no slot is left for another one.
class Crowd {
 public:
  Crowd() {
    for (int i = 0; i < 16; ++i)
      threads_.emplace_back([this] {
        ioasid::detail::reader();
        ++ready_;
        while (!leave_) std::this_thread::yield();
      });
    while (ready_ != 16) std::this_thread::yield();
  }
  ~Crowd() {
    leave_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

 private:
  std::atomic<int> ready_{0};
  std::atomic<bool> leave_{false};
  std::vector<std::thread> threads_;
};

class Flag : public ioasid::ExternalLock {
 public:
  void lock() override { held_ = true; }
  void unlock() override { held_ = false; }
  bool held() const override { return held_; }

 private:
  bool held_ = false;
};

class Counting : public ioasid::Notifier {
 public:
  void notify(const ioasid::Notice&) noexcept override { ++notices; }
  int notices = 0;
};

// One of everything, all of it in use.
struct World {
  explicit World(ioasid::ExternalLock* lock) : space({.lock = lock}) {
    space.register_allocator(ops);
    set = sets.alloc_set({.quota = 9}).set;
    sets.register_notifier(notifier, Priority::cpu);
    of_set = sets.alloc(set, all, this);
    referenced = references.alloc(nullptr, all, this);
    plain = space.alloc(nullptr, all, this);
  }
  ioasid::DefaultBackend backend;
  ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  ioasid::AllocatorOps more_ops{&backend, &backend, this};
  Counting notifier;
  ioasid::Space space;
  ioasid::SetSpace sets{space};
  ioasid::References references{space};
  ioasid::SetNumber set = ioasid::no_set;
  Ioasid of_set = 0;
  Ioasid referenced = 0;
  Ioasid plain = 0;
};

struct Call {
  const char* name;
  void (*call)(World&);
};
const std::vector<Call> calls{
    {"Space::find", [](World& w) { w.space.find(nullptr, w.plain); }},
    {"Space::alloc", [](World& w) { w.space.alloc(nullptr, all, nullptr); }},
    {"Space::free", [](World& w) { w.space.free(w.plain); }},
    {"Space::free_without_waiting", [](World& w) { w.space.free_without_waiting(w.plain); }},
    {"Space::set_data", [](World& w) { w.space.set_data(w.plain, nullptr); }},
    {"Space::set_data_without_waiting",
     [](World& w) { w.space.set_data_without_waiting(w.plain, nullptr); }},
    {"Space::register_allocator", [](World& w) { w.space.register_allocator(w.more_ops); }},
    {"Space::unregister_allocator", [](World& w) { w.space.unregister_allocator(w.ops); }},
    {"Space::size", [](World& w) { w.space.size(); }},
    {"SetSpace::SetSpace", [](World& w) { const ioasid::SetSpace more(w.space); }},
    {"SetSpace::alloc_set", [](World& w) { w.sets.alloc_set({.quota = 1}); }},
    {"SetSpace::alloc", [](World& w) { w.sets.alloc(w.set, all, nullptr); }},
    {"SetSpace::free", [](World& w) { w.sets.free(w.set, w.of_set); }},
    {"SetSpace::free_all_in_set", [](World& w) { w.sets.free_all_in_set(w.set); }},
    {"SetSpace::put", [](World& w) { w.sets.put(w.set, w.of_set); }},
    {"SetSpace::attach_spid", [](World& w) { w.sets.attach_spid(w.of_set, 5); }},
    {"SetSpace::detach_data", [](World& w) { w.sets.detach_data(w.of_set); }},
    {"References::alloc", [](World& w) { w.references.alloc(nullptr, all, nullptr); }},
    {"References::get", [](World& w) { w.references.get(w.referenced); }},
    {"References::put", [](World& w) { w.references.put(w.referenced); }},
};

bool throws_without_memory(const Call& call, World& world) {
  bool thrown = false;
  std::thread([&] {
    allocations_left = 0;
    try {
      call.call(world);
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    allocations_left = -1;
  }).join();
  return thrown;
}

}  // namespace

TEST_CASE("a thread's first call without memory throws, whichever it is, and nothing has changed") {
  // Before any guard of the process and after, since what waits for guards looks then.
  const bool guards = GENERATE(false, true);
  if (guards) const ioasid::ReadGuard guard;
  Flag flag;
  ioasid::ExternalLock* const lock = GENERATE_REF(static_cast<ioasid::ExternalLock*>(nullptr),
                                                  static_cast<ioasid::ExternalLock*>(&flag));
  World world(lock);
  const Crowd crowd;
  for (const Call& call : calls) {
    INFO(call.name << (lock == nullptr ? "" : ", external lock") << (guards ? ", guards" : ""));
    CHECK(throws_without_memory(call, world));
    CHECK_FALSE(flag.held());
    CHECK(world.space.ids() == std::vector<Ioasid>{world.of_set, world.referenced, world.plain});
    CHECK(world.space.find(nullptr, world.plain).data == &world);
    CHECK(world.sets.find(world.set, world.of_set).data == &world);
    CHECK(world.sets.references(world.of_set) == 1);
    CHECK(world.sets.capacity_left() == ioasid::SetSpace::default_capacity - 9);
    CHECK(world.sets.find_by_spid(world.set, 5) == ioasid::invalid_ioasid);
    CHECK(world.references.count(world.referenced) == 1);
    CHECK(world.notifier.notices == 1);
    CHECK(world.space.active_pdata() == nullptr);
    CHECK(world.space.custom_active());
  }
}

TEST_CASE("a thread whose first call had no memory is as any other in its next") {
  ioasid::Space space;
  space.alloc(nullptr, all, nullptr);
  const Crowd crowd;
  bool thrown = false;
  bool found = false;
  std::thread([&] {
    allocations_left = 0;
    try {
      static_cast<void>(space.find(nullptr, 1));
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    allocations_left = -1;
    found = static_cast<bool>(space.find(nullptr, 1));
  }).join();
  CHECK(thrown);
  CHECK(found);
}
