// Every call from inside every callback: it works, or throws UsageError, and never waits for itself.
// SPDX-License-Identifier: Apache-2.0
#include "tests/ioasid/nesting_world.hpp"
#include "tests/support/catch.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

using ioasid::Error;
using ioasid::Ioasid;
using ioasid::no_set;
using ioasid::Priority;
using nesting::all;
using nesting::World;

namespace {

// Ends the program, naming what hangs, unless it is gone in time.
class Watchdog {
 public:
  Watchdog() : thread_([this] { watch(); }) {}
  ~Watchdog() {
    {
      const std::lock_guard locked(mutex_);
      done_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  void name(const std::string& what) {
    const std::lock_guard locked(mutex_);
    what_ = what;
  }

 private:
  void watch() {
    std::unique_lock locked(mutex_);
    if (changed_.wait_for(locked, std::chrono::seconds(60), [this] { return done_; })) return;
    std::fprintf(stderr, "hangs: %s\n", what_.c_str());
    std::abort();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string what_ = "the test";
  bool done_ = false;
  std::thread thread_;
};

// What a call needs, by which it is refused where it cannot have it.
enum Needs : unsigned { nothing = 0, the_lock = 1, to_wait = 2 };

struct Call {
  const char* name;
  unsigned needs;
  void (*call)(World&);
};

const std::vector<Call> calls{
    {"Space::find", nothing, [](World& w) { w.space.find(nullptr, 1); }},
    {"Space::find with a getter", nothing,
     [](World& w) { w.space.find(nullptr, 1, [](void*) { return true; }); }},
    {"Space::custom_active", nothing, [](World& w) { w.space.custom_active(); }},
    {"Space::active_pdata", the_lock, [](World& w) { w.space.active_pdata(); }},
    {"Space::alloc", the_lock, [](World& w) { w.space.alloc(nullptr, all, nullptr); }},
    {"Space::free", the_lock, [](World& w) { w.space.free(w.plain); }},
    {"Space::free_without_waiting", the_lock,
     [](World& w) { w.space.free_without_waiting(w.plain); }},
    {"Space::set_data", the_lock | to_wait, [](World& w) { w.space.set_data(w.plain, nullptr); }},
    {"Space::set_data_without_waiting", the_lock,
     [](World& w) { w.space.set_data_without_waiting(w.plain, nullptr); }},
    {"Space::register_allocator", the_lock, [](World& w) { w.space.register_allocator(w.ops); }},
    {"Space::register_allocator without helpers", the_lock,
     [](World& w) { w.space.register_allocator(w.no_ops); }},
    {"Space::unregister_allocator", the_lock,
     [](World& w) { w.space.unregister_allocator(w.ops); }},
    {"Space::size", the_lock, [](World& w) { w.space.size(); }},
    {"Space::ids", the_lock, [](World& w) { w.space.ids(); }},
    {"Space::memory", the_lock, [](World& w) { w.space.memory(); }},
    {"SetSpace::SetSpace", the_lock, [](World& w) { const ioasid::SetSpace more(w.space); }},
    {"SetSpace::install_capacity", the_lock, [](World& w) { w.sets.install_capacity(9); }},
    {"SetSpace::reserve_capacity", the_lock, [](World& w) { w.sets.reserve_capacity(1); }},
    {"SetSpace::cancel_capacity", the_lock, [](World& w) { w.sets.cancel_capacity(1); }},
    {"SetSpace::capacity_left", the_lock, [](World& w) { w.sets.capacity_left(); }},
    {"SetSpace::alloc_set", the_lock, [](World& w) { w.sets.alloc_set({.quota = 1}); }},
    {"SetSpace::free_set", the_lock, [](World& w) { w.sets.free_set(w.set); }},
    {"SetSpace::adjust_quota", the_lock, [](World& w) { w.sets.adjust_quota(w.set, 5); }},
    {"SetSpace::quota", the_lock, [](World& w) { w.sets.quota(w.set); }},
    {"SetSpace::find_mm_set", the_lock, [](World& w) { w.sets.find_mm_set(&w); }},
    {"SetSpace::find_set", the_lock, [](World& w) { w.sets.find_set(w.of_set); }},
    {"SetSpace::size", the_lock, [](World& w) { w.sets.size(w.set); }},
    {"SetSpace::alloc", the_lock, [](World& w) { w.sets.alloc(w.set, all, nullptr); }},
    {"SetSpace::free", the_lock, [](World& w) { w.sets.free(w.set, w.of_set); }},
    {"SetSpace::free_all_in_set", the_lock, [](World& w) { w.sets.free_all_in_set(w.set); }},
    {"SetSpace::for_each", the_lock, [](World& w) { w.sets.for_each(w.set, [](Ioasid) {}); }},
    {"SetSpace::get", the_lock, [](World& w) { w.sets.get(no_set, w.of_set); }},
    {"SetSpace::get_if_owned", the_lock, [](World& w) { w.sets.get_if_owned(&w, w.of_set); }},
    {"SetSpace::put", the_lock, [](World& w) { w.sets.put(no_set, w.of_set); }},
    {"SetSpace::references", the_lock, [](World& w) { w.sets.references(w.of_set); }},
    {"SetSpace::find", nothing, [](World& w) { w.sets.find(w.set, w.of_set); }},
    {"SetSpace::attach_data", the_lock, [](World& w) { w.sets.attach_data(w.of_set, &w); }},
    {"SetSpace::detach_data", the_lock, [](World& w) { w.sets.detach_data(w.of_set); }},
    {"SetSpace::attach_spid", the_lock, [](World& w) { w.sets.attach_spid(w.of_set, 5); }},
    {"SetSpace::detach_spid", the_lock, [](World& w) { w.sets.detach_spid(w.of_set); }},
    {"SetSpace::find_by_spid", the_lock, [](World& w) { w.sets.find_by_spid(w.set, 5, true); }},
    {"SetSpace::register_notifier", the_lock,
     [](World& w) { w.sets.register_notifier(w.silent, Priority::cpu); }},
    {"SetSpace::register_notifier of a set", the_lock,
     [](World& w) { w.sets.register_notifier(w.silent, Priority::cpu, w.set); }},
    {"SetSpace::register_notifier_mm", the_lock,
     [](World& w) { w.sets.register_notifier_mm(w.silent, Priority::cpu, &w); }},
    {"SetSpace::unregister_notifier", the_lock,
     [](World& w) { w.sets.unregister_notifier(w.silent); }},
    {"References::References", the_lock, [](World& w) { const ioasid::References more(w.space); }},
    {"References::alloc", the_lock, [](World& w) { w.references.alloc(nullptr, all, nullptr); }},
    {"References::get", the_lock, [](World& w) { w.references.get(w.referenced); }},
    {"References::put", the_lock, [](World& w) { w.references.put(w.referenced); }},
    {"References::count", the_lock, [](World& w) { w.references.count(w.referenced); }},
    {"synchronize", to_wait, [](World&) { ioasid::synchronize(); }},
    {"another space's alloc and free", nothing,
     [](World& w) { w.other.free(w.other.alloc(nullptr, all, nullptr)); }},
    {"another space's set_data", to_wait, [](World& w) { w.other.set_data(w.elsewhere, nullptr); }},
    {"another space's set_data_without_waiting", nothing,
     [](World& w) { w.other.set_data_without_waiting(w.elsewhere, nullptr); }},
    {"DefaultBackend", nothing,
     [](World& w) {
       w.numbers.free(w.numbers.alloc(all, nullptr), nullptr);
       w.numbers.reserve(3);
       w.numbers.size();
     }},
    {"GlobalIdAllocator", nothing,
     [](World& w) {
       w.global.free_global(w.global.alloc_global(9));
       w.global.free_global(ioasid::invalid_ioasid);
     }},
    {"VcmdBackend", nothing,
     [](World& w) {
       w.driver.free(w.driver.alloc({1, 9}, &w.channel), &w.channel);
     }},
};

// Where code of somebody else's is called, how to get there, and what cannot be had there.
struct Place {
  const char* name;
  unsigned lacks;
  void (*go)(World&);
};

constexpr unsigned inside = the_lock | to_wait;

const std::vector<Place> places{
    {"helper of Space::alloc", inside, [](World& w) { w.space.alloc(nullptr, all, nullptr); }},
    {"helper of SetSpace::alloc", inside, [](World& w) { w.sets.alloc(w.set, all, nullptr); }},
    {"helper of References::alloc", inside,
     [](World& w) { w.references.alloc(nullptr, all, nullptr); }},
    {"helper of Space::free", inside, [](World& w) { w.space.free(w.plain); }},
    {"helper of SetSpace::free", inside, [](World& w) { w.sets.free(w.set, w.of_set); }},
    {"helper of SetSpace::free_all_in_set", inside,
     [](World& w) { w.sets.free_all_in_set(w.set); }},
    {"helper of SetSpace::put", inside, [](World& w) { w.sets.put(w.set, w.of_set); }},
    {"helper of References::put", inside, [](World& w) { w.references.put(w.referenced); }},
    {"listener of a duplicate registration", inside,
     [](World& w) { w.space.register_allocator(w.ops); }},
    {"listener of a departure", inside, [](World& w) { w.space.unregister_allocator(w.ops); }},
    {"listener of an unknown id", inside, [](World& w) { w.space.free(99); }},
    {"listener of References::get", inside, [](World& w) { w.references.get(99); }},
    {"notifier of SetSpace::alloc", inside, [](World& w) { w.sets.alloc(w.set, all, nullptr); }},
    {"notifier of SetSpace::free", inside, [](World& w) { w.sets.free(w.set, w.of_set); }},
    {"notifier of Space::free", inside, [](World& w) { w.space.free(w.of_set); }},
    {"notifier of References::put", inside, [](World& w) { w.references.put(w.of_set); }},
    {"notifier of SetSpace::attach_spid", inside,
     [](World& w) { w.sets.attach_spid(w.of_set, 7); }},
    {"notifier of SetSpace::free_all_in_set", inside,
     [](World& w) { w.sets.free_all_in_set(w.set); }},
    {"notifier of SetSpace::detach_spid", inside, [](World& w) { w.sets.detach_spid(w.aliased); }},
    {"notifier of a departure", inside, [](World& w) { w.space.unregister_allocator(w.ops); }},
    {"channel", inside,
     [](World& w) {
       w.space.unregister_allocator(w.ops);
       w.space.register_allocator(w.virtual_ops);
       w.space.alloc(nullptr, {1, 9}, nullptr);
     }},
    {"visit of SetSpace::for_each", nothing,
     [](World& w) { w.sets.for_each(w.set, [&](Ioasid) { w.here("visit"); }); }},
    {"getter of Space::find", to_wait,
     [](World& w) {
       w.space.find(nullptr, w.plain, [&](void*) {
         w.here("getter");
         return true;
       });
     }},
    {"listener of the global ids", nothing,
     [](World& w) { w.global.free_global(ioasid::invalid_ioasid); }},
    {"lock before it is held", nothing, [](World& w) { w.space.size(); }},
    {"lock while it is held", the_lock, [](World& w) { w.space.size(); }},
    {"unlock while it is held", the_lock, [](World& w) { w.space.size(); }},
    {"unlock after it was held", nothing, [](World& w) { w.space.size(); }},
};

bool of_lock(const Place& place) {
  const std::string_view name = place.name;
  return name.starts_with("lock") || name.starts_with("unlock");
}

// With a lock of somebody else's the library cannot tell who is inside, and lets readers be waited
// for. (A guard is the thread's in any case.)
unsigned lacking(const Place& place, bool external) {
  if (external && place.lacks == inside) return the_lock;
  return place.lacks;
}

}  // namespace

TEST_CASE("every call from inside every callback works or is refused, and never hangs") {
  const bool external = GENERATE(false, true);
  Watchdog watchdog;
  int met = 0;
  for (const Place& place : places) {
    if (of_lock(place) && !external) continue;
    for (const Call& call : calls) {
      const std::string what = std::string(call.name) + " inside " + place.name;
      watchdog.name(what);
      World world(external);
      const nesting::Outcome outcome = world.meet(place.name, place.go, call.call);
      INFO(what << (external ? ", with a lock of somebody else's" : ""));
      const bool refused = (call.needs & lacking(place, external)) != 0;
      CHECK(outcome == (refused ? nesting::Outcome::refused : nesting::Outcome::works));
      ++met;
    }
  }
  CHECK(met == static_cast<int>(calls.size()) * (external ? 28 : 24));
}

namespace {

// Asks a layer whatever it hears.
class Asking : public ioasid::Listener {
 public:
  void message(ioasid::Message, Ioasid) noexcept override {
    try {
      sets->find_set(1);
    } catch (const ioasid::UsageError&) {
      ++refused;
    }
    try {
      references->count(1);
    } catch (const ioasid::UsageError&) {
      ++refused;
    }
    ++heard;
  }
  ioasid::SetSpace* sets = nullptr;
  ioasid::References* references = nullptr;
  std::atomic<int> heard{0};
  std::atomic<int> refused{0};
};

}  // namespace

TEST_CASE("listeners that ask the layers do not hang while other threads use these", "[threads]") {
  Asking listener;
  ioasid::Space space({.listener = &listener});
  ioasid::SetSpace sets(space);
  ioasid::References references(space, &listener);
  listener.sets = &sets;
  listener.references = &references;
  ioasid::DefaultBackend backend;
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  const ioasid::SetNumber set = sets.alloc_set({.quota = 9}).set;
  Watchdog watchdog;
  crew::work({[&](unsigned) {
                space.register_allocator(ops);
                space.register_allocator(ops);
                space.unregister_allocator(ops);
              },
              [&](unsigned) { sets.free(set, sets.alloc(set, all, nullptr)); },
              [&](unsigned) { references.put(references.alloc(nullptr, all, nullptr)); },
              [&](unsigned) { references.get(4'000'000'000u); }});
  CHECK(listener.heard > 0);
  CHECK(listener.refused == 2 * listener.heard);
}
