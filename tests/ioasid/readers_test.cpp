// Who is known to be reading, and what the others do about it.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/readers.hpp"

#include "ioasid/references.hpp"
#include "ioasid/sets.hpp"
#include "tests/ioasid/crew.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

namespace {

using ioasid::detail::Guards;
using ioasid::detail::guards;
using ioasid::detail::process_barriers_made;

constexpr ioasid::Range all{1, 0xfffff};

// As in a process that has had no guard. Nobody else is running.
bool pretend_no_guards() {
  if (!ioasid::detail::barrier_available) return false;
  guards = Guards::never;
  return true;
}

// A thread that looks as if it held a guard, and goes after some time if nobody can do without.
class Obstacle {
 public:
  Obstacle()
      : thread_([this] {
          ioasid::detail::reader().guard.fetch_add(1);
          there_ = true;
          for (int i = 0; i < 2000 && !go_; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
          waited_for_ = !go_;
          ioasid::detail::reader().guard.fetch_add(1);
        }) {
    while (!there_) std::this_thread::yield();
  }
  // Whether somebody would have waited for ever.
  bool leave() {
    go_ = true;
    thread_.join();
    return waited_for_;
  }

 private:
  std::atomic<bool> there_{false};
  std::atomic<bool> go_{false};
  std::atomic<bool> waited_for_{false};
  std::thread thread_;  // last: it uses the others
};

}  // namespace

// On x86 the fences that this replaces are missed by no test: a store that is late is late by less
// than a system call takes. So the calls are counted.
TEST_CASE("who asks whether finds have passed makes all threads fence first") {
  const std::uint64_t before = process_barriers_made();
  CHECK(ioasid::detail::sections_passed());
  CHECK(process_barriers_made() == before + 1);
}

TEST_CASE("the first guard of a process, and no other, makes all threads fence") {
  if (!pretend_no_guards()) return;
  const std::uint64_t before = process_barriers_made();
  { const ioasid::ReadGuard first; }
  CHECK(process_barriers_made() == before + 1);
  CHECK(guards == Guards::in_use);
  { const ioasid::ReadGuard second; }
  CHECK(process_barriers_made() == before + 1);
}

TEST_CASE("without guards in the process no call looks at other threads", "[threads]") {
  ioasid::Space space;
  ioasid::References references(space);
  ioasid::SetSpace sets(space);
  const ioasid::SetNumber set = sets.alloc_set({.quota = 9}).set;
  const ioasid::Ioasid plain = space.alloc(nullptr, all, nullptr);
  const ioasid::Ioasid counted = references.alloc(nullptr, all, nullptr);
  const ioasid::Ioasid freed = sets.alloc(set, all, &space);
  const ioasid::Ioasid put = sets.alloc(set, all, nullptr);
  sets.alloc(set, all, nullptr);
  if (!pretend_no_guards()) return;
  Obstacle obstacle;
  space.set_data(plain, nullptr);
  space.free(plain);
  references.put(counted);
  sets.detach_data(freed);
  sets.free(set, freed);
  sets.put(set, put);
  sets.free_all_in_set(set);
  ioasid::synchronize();
  CHECK_FALSE(obstacle.leave());
  CHECK(space.size() == 0);
}
