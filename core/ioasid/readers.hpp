// Who is reading: what lets find() take no lock and private data still be reclaimed safely.
// SPDX-License-Identifier: Apache-2.0
//
// Every thread has one slot, on a cache line of its own, with two counters that are odd while the
// thread is inside:
//  - `section`: inside find() itself, some ten nanoseconds. Protects the nodes of the id map.
//    Entering is a plain store where membarrier(2) works: who wants to free a node pays for the
//    ordering instead, with one of these for a batch of nodes. Elsewhere it costs a full fence.
//  - `guard`: inside a ReadGuard, as long as its owner likes. Protects what find() returned.
//    Entering costs a full fence; free(), set_data() and what else ends an id or its data wait for
//    guards of other threads that are open. Where membarrier(2) works that is one load until the
//    first guard of the process is taken.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ioasid {
namespace detail {

struct alignas(64) ReaderSlot {
  std::atomic<std::uint64_t> section{0};
  std::atomic<std::uint64_t> guard{0};
  // The locks this thread is inside of as their favourite (lock.hpp).
  static constexpr std::size_t locks_max = 3;
  std::array<std::atomic<const void*>, locks_max> locks{};
  // Slots are kept for the life of the process, and reused by other threads.
  ReaderSlot* next = nullptr;
  std::uint32_t guard_depth = 0;  // this and the following are the owner's alone
  std::uint32_t number = 0;       // names the thread while it lives; never 0
  std::uint16_t callback_depth = 0;
  std::uint8_t lock_count = 0;
  std::atomic<bool> taken{true};
};
static_assert(sizeof(ReaderSlot) == 64);

extern constinit thread_local ReaderSlot* this_reader;
ReaderSlot* register_reader();  // fills this_reader
inline ReaderSlot& reader() {
  ReaderSlot* slot = this_reader;
  if (slot == nullptr) [[unlikely]]
    slot = register_reader();
  return *slot;
}

// Whether process_barrier() is known to make every other thread execute a full fence. Where it does
// not (not Linux, or an old kernel), and as long as nobody has asked, readers execute their own.
extern constinit std::atomic<bool> barrier_available;
void process_barrier();
std::uint64_t process_barriers_made();  // since the process began: for tests
void full_fence();

// Keeps map nodes alive between construction and destruction. Never nested, never long.
class ReadSection {
 public:
  ReadSection() : slot_(reader()), count_(slot_.section.load(std::memory_order_relaxed)) {
    slot_.section.store(count_ + 1, std::memory_order_relaxed);
    if (barrier_available.load(std::memory_order_relaxed)) [[likely]]
      std::atomic_signal_fence(std::memory_order_seq_cst);
    else
      full_fence();
  }
  ~ReadSection() { slot_.section.store(count_ + 2, std::memory_order_release); }
  ReadSection(const ReadSection&) = delete;
  ReadSection& operator=(const ReadSection&) = delete;

 private:
  ReaderSlot& slot_;
  std::uint64_t count_;
};

// True when no thread can still be inside a ReadSection that began before the call. Gives up
// (false) on a thread that stays inside, for instance because it is not scheduled.
bool sections_passed();

// Whether who removes data has to look at guards. Becomes `never` where process_barrier() works,
// when the library's static objects are made; the first guard of the process, which may have come
// before that, turns it on for good.
enum class Guards : std::uint8_t { undecided, never, announced, in_use };
extern constinit std::atomic<Guards> guards;
void wait_for_guards();

// While one lives this thread calls a helper, a listener or a notifier, with a lock held. It must
// not wait for guards then: whoever holds one may be waiting for that lock.
class Callback {
 public:
  // counts: false for a lock that is not the thread's own but, say, a simulated actor's.
  explicit Callback(bool counts = true) : slot_(counts ? &reader() : nullptr) {
    if (slot_ != nullptr) ++slot_->callback_depth;
  }
  ~Callback() {
    if (slot_ != nullptr) --slot_->callback_depth;
  }
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;

 private:
  ReaderSlot* slot_;
};

// Inside a guard or a callback.
inline bool must_not_wait() {
  const ReaderSlot& me = reader();
  return me.guard_depth != 0 || me.callback_depth != 0;
}

// After something was removed: one load as long as the process has had no guard. The look must not
// come before the removal; the barrier of the first guard sees to it that it does not in the
// processor.
inline bool guards_used() {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  return guards.load(std::memory_order_relaxed) != Guards::never;
}

// Until no guard of another thread can hold what was removed; not where it might wait for itself.
inline void let_readers_go() {
  if (guards_used() && !must_not_wait()) wait_for_guards();
}

}  // namespace detail

// rcu_read_lock() when it is made, rcu_read_unlock() when it goes: inside these the kernel's users
// may use what ioasid_find returned. While one lives, no private pointer that find() returns to
// this thread can be reclaimed: a free(), set_data(), unregister_allocator() or detach that removed
// it has not returned yet in the other thread; nor has the synchronize() that is due after one that
// does not wait (inside a guard or a callback, or by its name). Cheap to nest. Do not wait for
// another thread inside it, nor call alloc() or free() of a space whose helpers wait for threads
// that free ids. set_data() refuses to be called inside it, and free() inside it does not wait
// (call synchronize() outside before reclaiming). It belongs to the thread that made it, which
// destroys it, too.
//
// What follows throws std::bad_alloc only as a thread's first call of the library (space.hpp): it
// holds no guard then, and has waited for nobody.
class ReadGuard {
 public:
  ReadGuard();
  ~ReadGuard();
  ReadGuard(const ReadGuard&) = delete;
  ReadGuard& operator=(const ReadGuard&) = delete;

  // rcu_read_lock_held.
  static bool held_by_this_thread() { return detail::reader().guard_depth != 0; }

 private:
  detail::ReaderSlot& slot_;
};

// synchronize_rcu(). Returns when every ReadGuard that other threads held at the call is gone. Not
// to be called inside a ReadGuard, a helper, a listener or a notifier: throws UsageError.
void synchronize();

}  // namespace ioasid
