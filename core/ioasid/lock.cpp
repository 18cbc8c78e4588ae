// The slow paths of the lock.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/lock.hpp"

#include <algorithm>
#include <thread>

namespace ioasid::detail {
namespace {

void pause_once() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// Each look at a held lock takes its cache line away from the holder, who is about to need it:
// look rarely, and ever more rarely.
class Backoff {
 public:
  void wait() {
    if (rounds_ >= 64) {
      std::this_thread::yield();  // the holder may not be running at all
      return;
    }
    for (int i = 0; i < pauses_; ++i) pause_once();
    pauses_ = std::min(pauses_ * 2, 64);
    ++rounds_;
  }

 private:
  int pauses_ = 4;
  int rounds_ = 0;
};

}  // namespace

bool BiasedLock::lock_slowly(std::uint32_t me) {
  // The favour may be under revocation by a thread that waits for this one.
  if (inside_.load(std::memory_order_relaxed) == me) return false;
  Backoff backoff;
  bool waited = false;
  std::uint32_t holder = 0;
  while (!holder_.compare_exchange_weak(holder, me, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
    if (holder == me) return false;
    if (holder != 0) {
      backoff.wait();
      waited = true;
    }
    holder = 0;
  }
  const std::uint32_t favourite = favourite_.load(std::memory_order_relaxed);
  if (favourite != 0 && favourite != me) revoke();
  consider(me, waited);
  return true;
}

// After the barrier the favourite either shows that it is inside, or will find the favour gone.
void BiasedLock::revoke() {
  favourite_.store(0, std::memory_order_relaxed);
  process_barrier();
  Backoff backoff;
  while (inside_.load(std::memory_order_acquire) != 0) backoff.wait();
  run_wanted_ = std::min<std::uint32_t>(run_wanted_ * 8, 1u << 24);
  run_ = 0;
}

void BiasedLock::consider(std::uint32_t me, bool waited) {
  run_ = (last_ == me && !waited) ? run_ + 1 : 0;
  last_ = me;
  if (run_ < run_wanted_ || !barrier_available.load(std::memory_order_relaxed)) return;
  run_ = 0;
  favourite_.store(me, std::memory_order_relaxed);  // in force once the spinlock is released
}

}  // namespace ioasid::detail
