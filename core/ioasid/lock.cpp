// The slow paths of the lock.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/lock.hpp"

#include "ioasid/types.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
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

// Waiting: by pauses, and when that goes on for long by letting others run, among whom may be the
// one that is waited for.
class Wait {
 public:
  explicit Wait(int pauses) : pauses_(pauses) {}
  void once() {
    if (++rounds_ > rounds_of_pauses) {
      std::this_thread::yield();
      return;
    }
    for (int i = 0; i < pauses_; ++i) pause_once();
  }
  bool in_vain() const { return rounds_ > 2 * rounds_of_pauses; }

 private:
  static constexpr int rounds_of_pauses = 1000;
  int pauses_;
  int rounds_ = 0;
};

// Measured: where the holder hardly ever loses the line, and the next does not come late.
constexpr int pauses_between_looks = 6;

// Whether the thread of the slot is inside this lock as its favourite.
bool inside(const ReaderSlot& slot, const BiasedLock* lock) {
  return std::any_of(slot.locks.begin(), slot.locks.end(), [&](const auto& entry) {
    return entry.load(std::memory_order_acquire) == lock;
  });
}

}  // namespace

// A thread that waits for a lock inside a callback, that is with another lock held, as long as it
// does. Who comes to wait looks whether that closes a circle. What a waiting thread holds it goes on
// holding, and it took it before it came: so the last thread to come to a circle sees all of it, and
// nobody else does.
class BiasedLock::Waiting {
 public:
  // for_favourite: who waits has the spinlock. UsageError: all would wait for ever.
  Waiting(const ReaderSlot& me, const BiasedLock& lock, bool for_favourite)
      : me_(me), lock_(lock), for_favourite_(for_favourite) {
    const std::lock_guard locked(mutex);
    next_ = first;
    first = this;
    if (!closes_circle()) return;
    first = next_;
    throw UsageError(
        "ioasid: called from inside a callback of another space, whose lock is waited for by a "
        "thread that holds this one's: both would wait for ever; let helpers call other spaces in "
        "one direction only");
  }
  ~Waiting() {
    const std::lock_guard locked(mutex);
    Waiting** link = &first;
    while (*link != this) link = &(*link)->next_;
    *link = next_;
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  bool is_for(const Waiting& other) const {
    const std::uint32_t holder = lock_.holder_.load(std::memory_order_relaxed);
    return (!for_favourite_ && holder == other.me_.number) || inside(other.me_, &lock_);
  }
  // Whether this thread waits for one that waits, and so on, for this one.
  bool closes_circle() {
    for (Waiting* each = first; each != nullptr; each = each->next_) each->reached_ = false;
    for (bool further = true; further && !reached_;) {
      further = false;
      for (const Waiting* from = first; from != nullptr; from = from->next_)
        if (from == this || from->reached_) further |= from->reach_others();
    }
    return reached_;
  }
  bool reach_others() const {
    bool any = false;
    for (Waiting* to = first; to != nullptr; to = to->next_)
      if (!to->reached_ && is_for(*to)) any = to->reached_ = true;
    return any;
  }

  static constinit std::mutex mutex;  // of what follows
  static constinit Waiting* first;
  Waiting* next_ = nullptr;
  bool reached_ = false;
  const ReaderSlot& me_;
  const BiasedLock& lock_;
  bool for_favourite_;
};
constinit std::mutex BiasedLock::Waiting::mutex;
constinit BiasedLock::Waiting* BiasedLock::Waiting::first = nullptr;

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

// Takes the spinlock and returns 0, unless somebody has it: returns who.
std::uint32_t BiasedLock::take(const ReaderSlot& me) {
  std::uint32_t holder = 0;
  holder_.compare_exchange_strong(holder, me.number, std::memory_order_acquire,
                                  std::memory_order_relaxed);
  return holder;
}

// The place of the next is given up as soon as the spinlock is taken, so that its news travel to
// the one after while this thread is inside.
void BiasedLock::wait_and_take(const ReaderSlot& me) {
  std::optional<Waiting> waiting;
  if (me.callback_depth != 0) waiting.emplace(me, *this, false);
  const bool next = become_next();
  Wait wait(pauses_between_looks);
  do wait.once();
  while (take(me) != 0);
  if (next) next_waits_.store(false, std::memory_order_relaxed);
}

// False: the next has not got on for so long that it may not be running.
bool BiasedLock::become_next() {
  for (Wait wait(1); !wait.in_vain(); wait.once())
    if (!next_waits_.load(std::memory_order_relaxed) &&
        !next_waits_.exchange(true, std::memory_order_relaxed))
      return true;
  return false;
}

bool BiasedLock::lock_slowly(ReaderSlot& me) {
  if (me.lock_count != 0) {
    if (inside(me, this)) return false;
    if (lock_as_favourite(me)) return true;
  }
  const std::uint32_t holder = take(me);
  if (holder == me.number) return false;
  const bool waited = holder != 0;
  if (waited) wait_and_take(me);
  ReaderSlot* favourite = favourite_.load(std::memory_order_relaxed);
  if (favourite != nullptr && favourite != &me) revoke(me, *favourite);
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
void BiasedLock::revoke(const ReaderSlot& me, ReaderSlot& favourite) {
  favourite_.store(nullptr, std::memory_order_relaxed);
  process_barrier();
  if (inside(favourite, this)) wait_for(me, favourite);
  run_wanted_ = std::min<std::uint32_t>(run_wanted_ * 8, 1u << 24);
  run_ = 0;
}

// Where both would wait for ever the lock is left as it was: the favourite stays inside meanwhile,
// and keeps the favour, so that the next to come waits for it.
void BiasedLock::wait_for(const ReaderSlot& me, ReaderSlot& favourite) {
  std::optional<Waiting> waiting;
  try {
    if (me.callback_depth != 0) waiting.emplace(me, *this, true);
  } catch (...) {
    favourite_.store(&favourite, std::memory_order_relaxed);
    holder_.store(0, std::memory_order_release);
    throw;
  }
  Wait wait(pauses_between_looks);
  while (inside(favourite, this)) wait.once();
}

}  // namespace ioasid::detail
