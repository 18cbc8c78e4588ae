// The one lock of a space: almost free for a thread that has it to itself, a spinlock otherwise.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/readers.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ioasid {

// Added: the kernel's lock is a spinlock, ioasid_allocator_lock. Replaces the lock of a space, for
// instance by a simulated one whose waiting costs simulated time. held() says whether the calling
// thread (or actor) is inside; a space asks it before it locks, and throws UsageError rather than
// wait for itself. A lock() or unlock() that calls the space back is refused like a helper while
// held() is true, and is a recursion of its own while it is not. unlock() must not throw. Whether
// somebody inside waits for ReadGuards, which are a thread's, is not noticed with such a lock, and
// who holds a guard must not be suspended. It must outlive the space, whose layers take it also
// when they are destroyed.
class ExternalLock {
 public:
  virtual ~ExternalLock() = default;
  virtual void lock() = 0;
  virtual void unlock() = 0;
  virtual bool held() const = 0;
};

namespace detail {

// A spinlock that learns. A thread that takes it many times in a row without company becomes its
// favourite: from then on it enters by a plain store to its own slot (no atomic read-modify-write,
// which costs some 10 ns each way). Another thread that comes along takes the spinlock, revokes the
// favour with one process barrier, and waits for the favourite to leave; the next favour then has
// to be earned by a longer run. Where a thread is inside is written by that thread alone: one that
// was the favourite and has not noticed yet cannot disturb the next.
//
// Each look at the spinlock takes its cache line away from the holder, who is about to need it,
// with what else is on it: some 150 ns to get it back. So a thread looks once when it comes, and if
// it has to wait, waits first to be the next, on another line; only the next goes on looking. That
// is a courtesy and excludes nobody: a thread that comes may overtake (and one that frees an id and
// allocates one can get both done in one turn), and a next that is not running is not waited for.
class BiasedLock {
 public:
  // False: this thread holds it already. UsageError, inside a callback: who holds it waits, perhaps
  // by way of others, for a lock that this thread holds.
  [[nodiscard]] bool lock() {
    ReaderSlot& me = reader();
    if (favourite_.load(std::memory_order_relaxed) == &me && me.lock_count == 0) [[likely]] {
      me.locks[0].store(this, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);  // revoke() supplies the real fence
      if (favourite_.load(std::memory_order_acquire) == &me) [[likely]] {
        me.lock_count = 1;
        return true;
      }
      me.locks[0].store(nullptr, std::memory_order_release);
    }
    return lock_slowly(me);
  }

  void unlock() {
    ReaderSlot& me = reader();
    if (me.lock_count == 1 && me.locks[0].load(std::memory_order_relaxed) == this) [[likely]] {
      me.lock_count = 0;
      me.locks[0].store(nullptr, std::memory_order_release);
    } else {
      unlock_slowly(me);
    }
  }

  // Whether this thread enters without competing.
  bool favours_this_thread() const {
    return favourite_.load(std::memory_order_relaxed) == &reader();
  }

  bool held() const { return held_by(reader()); }

 private:
  class Waiting;
  bool held_by(const ReaderSlot& me) const;
  bool lock_as_favourite(ReaderSlot& me);
  bool lock_slowly(ReaderSlot& me);
  void unlock_slowly(ReaderSlot& me);
  std::uint32_t take(const ReaderSlot& me);
  void wait_and_take(const ReaderSlot& me);
  bool become_next();
  void revoke(const ReaderSlot& me, ReaderSlot& favourite);
  void wait_for(const ReaderSlot& me, ReaderSlot& favourite);

  // Read at every call and hardly ever written while several threads compete: on another cache line
  // than the spinlock, which must come to its next holder in one piece, without being read first.
  std::atomic<ReaderSlot*> favourite_{nullptr};
  [[maybe_unused]] std::byte apart_[56];

  std::atomic<bool> next_waits_{false};
  [[maybe_unused]] std::byte apart_too_[63];

  std::atomic<std::uint32_t> holder_{0};  // of the spinlock: the number of a slot
  std::uint32_t last_ = 0;                // who held it last; these three are under the lock
  std::uint32_t run_ = 0;                 // how often in a row, without company
  std::uint32_t run_wanted_ = 16;
};

}  // namespace detail
}  // namespace ioasid
