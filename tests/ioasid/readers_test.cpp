// Who is known to be reading, and what the others do about it.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/readers.hpp"

#include "ioasid/lock.hpp"
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

void pause_once() {
  // Yields now and then: the other thread may have no processor.
  thread_local int pauses = 0;
  if (++pauses % 4096 == 0) std::this_thread::yield();
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
TEST_CASE("who asks whether finds have passed makes all threads fence first", "[readers]") {
  const std::uint64_t before = process_barriers_made();
  CHECK(ioasid::detail::sections_passed());
  CHECK(process_barriers_made() == before + 1);
}

// Rounds of one store and one load on either side: one of both sees the other. A fence that is
// missing shows in one of some thousand rounds.
TEST_CASE("who looks whether finds have passed sees a find that did not see what was removed",
          "[threads][readers]") {
  constexpr int rounds = 30'000;
  std::atomic<int> round{0};
  std::atomic<int> read_in{0};
  std::atomic<int> removed{0};
  std::atomic<int> looked_in{0};
  int missed_removal = 0;
  std::thread reader([&] {
    for (int i = 1; i <= rounds; ++i) {
      while (round.load() < i) pause_once();
      {
        const ioasid::detail::ReadSection section;
        missed_removal = removed.load(std::memory_order_relaxed) < i ? i : 0;
        while (looked_in.load() < i) pause_once();
      }
      read_in = i;
    }
  });
  int lost = 0;
  for (int i = 1; i <= rounds; ++i) {
    round = i;
    for (int pauses = i % 64; pauses > 0; --pauses) pause_once();
    removed.store(i, std::memory_order_relaxed);
    const bool passed = ioasid::detail::sections_passed();
    looked_in = i;
    while (read_in.load() < i) pause_once();
    if (passed && missed_removal == i) ++lost;
  }
  reader.join();
  CHECK(lost == 0);
}

TEST_CASE("a lock has a favourite only where all threads can be made to fence", "[readers]") {
  ioasid::detail::BiasedLock lock;
  for (int i = 0; i < 100; ++i) {
    REQUIRE(lock.lock());
    lock.unlock();
  }
  CHECK(lock.favours_this_thread() == ioasid::detail::barrier_available);
}

TEST_CASE("the first guard of a process, and no other, makes all threads fence", "[readers]") {
  if (!pretend_no_guards()) {
    CHECK(ioasid::detail::guards_used());  // each free looks, whether there was one or not
    return;
  }
  const std::uint64_t before = process_barriers_made();
  { const ioasid::ReadGuard first; }
  CHECK(process_barriers_made() == before + 1);
  CHECK(guards == Guards::in_use);
  { const ioasid::ReadGuard second; }
  CHECK(process_barriers_made() == before + 1);
}

TEST_CASE("without guards in the process no call looks at other threads", "[threads][readers]") {
  ioasid::Space space;
  ioasid::References references(space);
  ioasid::SetSpace sets(space);
  const ioasid::SetNumber set = sets.alloc_set({.quota = 9}).set;
  const ioasid::Ioasid plain = space.alloc(nullptr, all, nullptr);
  const ioasid::Ioasid counted = references.alloc(nullptr, all, nullptr);
  const ioasid::Ioasid freed = sets.alloc(set, all, &space);
  const ioasid::Ioasid put = sets.alloc(set, all, nullptr);
  sets.alloc(set, all, nullptr);
  if (!pretend_no_guards()) {
    CHECK(ioasid::detail::guards_used());
    return;
  }
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
