// Which calls need memory, and what holds where it is short: as the headers say.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"
#include "ioasid/readers.hpp"
#include "ioasid/references.hpp"
#include "ioasid/sets.hpp"
#include "tests/ioasid/heap.hpp"
#include "tests/support/catch.hpp"

#include <cstddef>
#include <new>
#include <sstream>
#include <string>
#include <vector>

namespace {

using ioasid::Error;
using ioasid::invalid_ioasid;
using ioasid::Ioasid;
using ioasid::Priority;
using ioasid::SetType;
constexpr ioasid::Range all{1, 99};

class Counting : public ioasid::Notifier {
 public:
  void notify(const ioasid::Notice&) noexcept override { ++notices; }
  int notices = 0;
};

// One of everything, all of it in use.
struct World {
  World() {
    space.register_allocator(ops);
    set = sets.alloc_set({.type = SetType::mm, .token = this, .quota = 9}).set;
    sets.reserve_capacity(3);
    sets.register_notifier(notifier, Priority::cpu);
    of_set = sets.alloc(set, all, this);
    pending = sets.alloc(set, all, this);
    bare = sets.alloc(set, all, nullptr);
    sets.get(set, pending);
    sets.free(set, pending);
    sets.attach_spid(of_set, 5);
    shared = references.alloc(nullptr, all, this);
    references.get(shared);
    single = references.alloc(nullptr, all, this);
    // All blocks are full: the next id of whomever needs memory.
    while (space.size() < block) space.alloc(nullptr, all, this);
    for (std::size_t i = 0; i < block; ++i) {
      local.alloc(all, nullptr);
      plain_backend.alloc(all, nullptr);
      global.alloc_global(99);
    }
  }
  static constexpr std::size_t block = 7;  // a size of block (block.hpp)

  // All that can be seen of it.
  std::string seen() {
    std::ostringstream out;
    for (const Ioasid id : space.ids())
      out << id << ":" << space.find(nullptr, id).data << "," << sets.find_set(id) << ","
          << sets.references(id) << "," << references.count(id) << " ";
    out << sets.capacity_left() << " " << sets.quota(set) << " " << sets.size(set) << " "
        << sets.find_mm_set(this) << sets.find_mm_set(&space) << " " << notifier.notices
        << other.notices << " " << space.active_pdata() << " " << backend.size() << " "
        << local.size() << " " << plain_backend.size() << " " << global.size() << " " << visits
        << " " << sets.find_by_spid(set, 5) << " " << sets.find_by_spid(set, 6);
    return out.str();
  }

  ioasid::DefaultBackend backend;
  ioasid::DefaultBackend plain_backend;
  ioasid::GuestLocalBackend local;
  ioasid::GlobalIdAllocator global;
  ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  ioasid::AllocatorOps more_ops{&backend, &backend, this};
  Counting notifier;
  Counting other;
  int visits = 0;
  std::vector<Ioasid> orphans;
  ioasid::Space space;
  ioasid::SetSpace sets{space};
  ioasid::References references{space};
  ioasid::SetNumber set = ioasid::no_set;
  Ioasid of_set = 0;
  Ioasid pending = 0;
  Ioasid bare = 0;
  Ioasid shared = 0;
  Ioasid single = 0;
};

// True when it did what it does with memory.
struct Call {
  const char* name;
  bool (*call)(World&);
};
constexpr bool ok(Error error) { return error == Error::ok; }
constexpr bool given(Ioasid id) { return id != invalid_ioasid; }

const std::vector<Call> that_throw{
    {"Space::ids", [](World& w) { return w.space.ids().size() == 7; }},
    {"unregister_allocator with orphans",
     [](World& w) { return ok(w.space.unregister_allocator(w.ops, &w.orphans)); }},
    {"alloc_set", [](World& w) { return ok(w.sets.alloc_set({.quota = 1}).error); }},
    {"alloc_set with a token",
     [](World& w) {
       return ok(w.sets.alloc_set({SetType::mm, &w.space, 1}).error);
     }},
    {"free_all_in_set", [](World& w) { return ok(w.sets.free_all_in_set(w.set)); }},
    {"for_each", [](World& w) { return ok(w.sets.for_each(w.set, [&](Ioasid) { ++w.visits; })); }},
    {"attach_spid", [](World& w) { return ok(w.sets.attach_spid(w.bare, 6)); }},
    {"register_notifier",
     [](World& w) { return ok(w.sets.register_notifier(w.other, Priority::cpu)); }},
    {"register_notifier of a set",
     [](World& w) { return ok(w.sets.register_notifier(w.other, Priority::cpu, w.set)); }},
    {"register_notifier_mm",
     [](World& w) { return ok(w.sets.register_notifier_mm(w.other, Priority::cpu, &w)); }},
    {"References::get", [](World& w) { return ok(w.references.get(w.single)); }},
    {"DefaultBackend::reserve", [](World& w) { return w.plain_backend.reserve(50); }},
    {"GuestLocalBackend::reserve", [](World& w) { return w.local.reserve(50); }},
};

const std::vector<Call> that_answer{
    {"Space::alloc", [](World& w) { return given(w.space.alloc(nullptr, all, &w)); }},
    {"SetSpace::alloc", [](World& w) { return given(w.sets.alloc(w.set, all, &w)); }},
    {"References::alloc", [](World& w) { return given(w.references.alloc(nullptr, all, &w)); }},
    {"register_allocator", [](World& w) { return ok(w.space.register_allocator(w.more_ops)); }},
    {"DefaultBackend::alloc", [](World& w) { return given(w.plain_backend.alloc(all, nullptr)); }},
    {"GuestLocalBackend::alloc", [](World& w) { return given(w.local.alloc(all, nullptr)); }},
    {"GlobalIdAllocator::alloc", [](World& w) { return given(w.global.alloc(all, nullptr)); }},
};

const std::vector<Call> that_need_none{
    {"ReadGuard", [](World&) { return ioasid::ReadGuard().held_by_this_thread(); }},
    {"synchronize", [](World&) { return ioasid::synchronize(), true; }},
    {"Space::find", [](World& w) { return bool(w.space.find(nullptr, w.of_set)); }},
    {"Space::free", [](World& w) { return ok(w.space.free(w.of_set)); }},
    {"free_without_waiting", [](World& w) { return ok(w.space.free_without_waiting(w.single)); }},
    {"Space::set_data", [](World& w) { return ok(w.space.set_data(w.of_set, nullptr)); }},
    {"set_data_without_waiting",
     [](World& w) { return ok(w.space.set_data_without_waiting(w.of_set, nullptr)); }},
    {"unregister_allocator", [](World& w) { return ok(w.space.unregister_allocator(w.ops)); }},
    {"Space::size", [](World& w) { return w.space.size() == 7; }},
    {"Space::memory", [](World& w) { return w.space.memory() != 0; }},
    {"active_pdata", [](World& w) { return w.space.active_pdata() == nullptr; }},
    {"a layer's life", [](World& w) { return ioasid::SetSpace(w.space).size(w.set) == 0; }},
    {"another's", [](World& w) { return ioasid::References(w.space).count(w.single) == 1; }},
    {"install_capacity", [](World& w) { return w.sets.install_capacity(9) == Error::ebusy; }},
    {"reserve_capacity", [](World& w) { return ok(w.sets.reserve_capacity(3)); }},
    {"cancel_capacity", [](World& w) { return ok(w.sets.cancel_capacity(3)); }},
    {"free_set", [](World& w) { return w.sets.free_set(w.set) == Error::ebusy; }},
    {"adjust_quota", [](World& w) { return ok(w.sets.adjust_quota(w.set, 99)); }},
    {"SetSpace::free", [](World& w) { return ok(w.sets.free(w.set, w.of_set)); }},
    {"SetSpace::get", [](World& w) { return ok(w.sets.get(w.set, w.of_set)); }},
    {"get_if_owned", [](World& w) { return ok(w.sets.get_if_owned(&w, w.of_set)); }},
    {"SetSpace::put", [](World& w) { return ok(w.sets.put(w.set, w.pending)); }},
    {"SetSpace::find", [](World& w) { return bool(w.sets.find(w.set, w.of_set)); }},
    {"attach_data", [](World& w) { return ok(w.sets.attach_data(w.bare, &w)); }},
    {"detach_data", [](World& w) { return ok(w.sets.detach_data(w.of_set)); }},
    {"detach_spid", [](World& w) { return ok(w.sets.detach_spid(w.of_set)); }},
    {"find_by_spid", [](World& w) { return given(w.sets.find_by_spid(w.set, 5, true)); }},
    {"unregister_notifier", [](World& w) { return ok(w.sets.unregister_notifier(w.notifier)); }},
    {"References::put", [](World& w) { return w.references.put(w.single); }},
    {"References::put of a shared id", [](World& w) { return !w.references.put(w.shared); }},
    {"DefaultBackend::free", [](World& w) { return w.plain_backend.free(1, nullptr), true; }},
    {"free_global", [](World& w) { return w.global.free_global(1), true; }},
    {"alloc_global of nothing", [](World& w) { return !given(w.global.alloc_global(0)); }},
};

enum class Came { done, refused, thrown };

Came call_with(int allowed, const Call& call, World& world) {
  allocations_left = allowed;
  try {
    const bool done = call.call(world);
    allocations_left = -1;
    return done ? Came::done : Came::refused;
  } catch (const std::bad_alloc&) {
    allocations_left = -1;
    return Came::thrown;
  }
}

// With no allocation, with one, and so on until it is done; how often it was not.
int failures_of(const Call& call, Came expected) {
  for (int allowed = 0;; ++allowed) {
    World world;  // new each time: what a failed call made is kept for the next
    const std::string before = world.seen();
    const Came came = call_with(allowed, call, world);
    if (came == Came::done || allowed == 20) return allowed;
    INFO(call.name << " with " << allowed << " allocations");
    CHECK(came == expected);
    CHECK(world.seen() == before);
    CHECK(call_with(-1, call, world) == Came::done);
  }
}

}  // namespace

TEST_CASE("calls that throw for want of memory have changed nothing, and work with it") {
  for (const Call& call : that_throw) {
    INFO(call.name);
    const int failures = failures_of(call, Came::thrown);
    CHECK(failures > 0);
    CHECK(failures < 20);
  }
}

TEST_CASE("calls that answer want of memory have changed nothing, and work with it") {
  for (const Call& call : that_answer) {
    INFO(call.name);
    const int failures = failures_of(call, Came::refused);
    CHECK(failures > 0);
    CHECK(failures < 20);
  }
}

TEST_CASE("all other calls need no memory") {
  for (const Call& call : that_need_none) {
    INFO(call.name);
    CHECK(failures_of(call, Came::done) == 0);
  }
}

TEST_CASE("a wrong call for whose text there is no memory is refused by bad_alloc") {
  World world;
  const ioasid::ReadGuard guard;
  const Call wrong{"set_data", [](World& w) { return ok(w.space.set_data(w.of_set, nullptr)); }};
  CHECK(call_with(0, wrong, world) == Came::thrown);
  CHECK(world.space.find(nullptr, world.of_set).data == &world);
  CHECK_THROWS_AS(wrong.call(world), ioasid::UsageError);
}
