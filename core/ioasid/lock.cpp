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

// Whether the thread of the slot is inside this lock as its favourite.
bool inside(const ReaderSlot& slot, const BiasedLock* lock) {
  return std::any_of(slot.locks.begin(), slot.locks.end(), [&](const auto& entry) {
    return entry.load(std::memory_order_acquire) == lock;
  });
}

}  // namespace

bool BiasedLock::held_by(const ReaderSlot& me) const {
  return holder_.load(std::memory_order_relaxed) == me.number || inside(me, this);
}

// As in lock(), inside other locks.
bool BiasedLock::lock_as_favourite(ReaderSlot& me) {
  if (favourite_.load(std::memory_order_relaxed) != &me || me.lock_count == me.locks.size())
    return false;
  auto& entry = *std::find_if(me.locks.begin(), me.locks.end(), [](const auto& e) {
    return e.load(std::memory_order_relaxed) == nullptr;
  });
  entry.store(this, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (favourite_.load(std::memory_order_acquire) == &me) {
    ++me.lock_count;
    return true;
  }
  entry.store(nullptr, std::memory_order_release);
  return false;
}

bool BiasedLock::lock_slowly(ReaderSlot& me) {
  if (me.lock_count != 0) {
    if (inside(me, this)) return false;
    if (lock_as_favourite(me)) return true;
  }
  Backoff backoff;
  bool waited = false;
  std::uint32_t holder = 0;
  while (!holder_.compare_exchange_weak(holder, me.number, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
    if (holder == me.number) return false;
    if (holder != 0) {
      backoff.wait();
      waited = true;
    }
    holder = 0;
  }
  const ReaderSlot* favourite = favourite_.load(std::memory_order_relaxed);
  if (favourite != nullptr && favourite != &me) revoke(*favourite);
  run_ = (last_ == me.number && !waited) ? run_ + 1 : 0;
  last_ = me.number;
  return true;
}

void BiasedLock::unlock_slowly(ReaderSlot& me) {
  if (holder_.load(std::memory_order_relaxed) == me.number) {
    // Not before here: a favourite may enter, and must not be inside yet.
    if (run_ >= run_wanted_ && barrier_available.load(std::memory_order_relaxed)) {
      run_ = 0;
      favourite_.store(&me, std::memory_order_relaxed);
    }
    holder_.store(0, std::memory_order_release);
    return;
  }
  for (auto& entry : me.locks) {
    if (entry.load(std::memory_order_relaxed) != this) continue;
    --me.lock_count;
    entry.store(nullptr, std::memory_order_release);
    return;
  }
}

// After the barrier the favourite either shows that it is inside, or will find the favour gone.
void BiasedLock::revoke(const ReaderSlot& favourite) {
  favourite_.store(nullptr, std::memory_order_relaxed);
  process_barrier();
  Backoff backoff;
  while (inside(favourite, this)) backoff.wait();
  run_wanted_ = std::min<std::uint32_t>(run_wanted_ * 8, 1u << 24);
  run_ = 0;
}

}  // namespace ioasid::detail
