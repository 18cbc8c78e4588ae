// The one lock of a space: almost free for a thread that has it to itself, a spinlock otherwise.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/readers.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ioasid {

// Replaces the lock of a space, for instance by a simulated one whose waiting costs simulated
// time. held() says whether the calling thread (or actor) is inside; a space asks it before it
// locks, and throws UsageError rather than wait for itself.
class ExternalLock {
 public:
  virtual ~ExternalLock() = default;
  virtual void lock() = 0;
  virtual void unlock() = 0;
  virtual bool held() const = 0;
};

namespace detail {

// A spinlock that learns. A thread that takes it many times in a row without company becomes its
// favourite: from then on it enters with plain stores (no atomic read-modify-write, which costs
// some 10 ns each way). Another thread that comes along takes the spinlock, revokes the favour
// with one process barrier, and waits for the favourite to leave; the next favour then has to be
// earned by a longer run.
class BiasedLock {
 public:
  // False: this thread holds it already.
  [[nodiscard]] bool lock() {
    const std::uint32_t me = thread_number();
    if (favourite_.load(std::memory_order_relaxed) == me) [[likely]] {
      if (inside_.load(std::memory_order_relaxed) != 0) return false;
      inside_.store(me, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);  // revoke() supplies the real fence
      if (favourite_.load(std::memory_order_acquire) == me) [[likely]]
        return true;
      inside_.store(0, std::memory_order_release);
    }
    return lock_slowly(me);
  }

  void unlock() {
    if (holder_.load(std::memory_order_relaxed) == thread_number())
      holder_.store(0, std::memory_order_release);
    else
      inside_.store(0, std::memory_order_release);
  }

  // Whether this thread enters without competing.
  bool favours_this_thread() const {
    return favourite_.load(std::memory_order_relaxed) == thread_number();
  }

  bool held() const {
    const std::uint32_t me = thread_number();
    return holder_.load(std::memory_order_relaxed) == me ||
           inside_.load(std::memory_order_relaxed) == me;
  }

 private:
  bool lock_slowly(std::uint32_t me);
  void revoke();
  void consider(std::uint32_t me, bool waited);

  // Read at every call and hardly ever written while several threads compete: on another cache line
  // than the spinlock, which must come to its next holder in one piece, without being read first.
  std::atomic<std::uint32_t> favourite_{0};  // may enter through inside_ instead
  std::atomic<std::uint32_t> inside_{0};     // the favourite, while it is inside
  [[maybe_unused]] std::byte apart_[56];

  std::atomic<std::uint32_t> holder_{0};  // of the spinlock
  std::uint32_t last_ = 0;                // who held it last; these three are under the lock
  std::uint32_t run_ = 0;                 // how often in a row, without company
  std::uint32_t run_wanted_ = 16;
};

}  // namespace detail
}  // namespace ioasid
