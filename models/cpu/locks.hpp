// Locks of simulated kernels: who holds one, who waits, and for how long.
// SPDX-License-Identifier: Apache-2.0
//
// Both kinds pass from one to the next in the order in which threads asked (ticket spinlocks; a
// mutex with handoff), and nobody overtakes. Optimistic spinning on mutexes is left out.
#pragma once

#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "models/cpu/thread.hpp"

#include <cstdint>
#include <exception>
#include <string>
#include <tuple>

namespace viosim {

struct LockStats {
  std::uint64_t taken = 0;
  std::uint64_t contended = 0;
  Ps waited{0};
  Ps longest_wait{0};
  Ps held{0};
  static constexpr auto fields() {
    using S = LockStats;
    return std::tuple{
        metric("taken", &S::taken, Unit::count, "How often it was taken."),
        metric("contended", &S::contended, Unit::count, "Of these, after waiting."),
        metric("waited", &S::waited, Unit::picoseconds, "Time that threads waited for it, in all."),
        metric("longest_wait", &S::longest_wait, Unit::picoseconds, "The longest such wait."),
        metric("held", &S::held, Unit::picoseconds, "Time that it was held.")};
  }
};

class Lock {
 public:
  Lock(Engine& engine, std::string name) : engine_(engine), turn_(engine, std::move(name)) {}
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  const std::string& name() const { return turn_.name(); }
  bool held_by(const Thread& thread) const { return holder_ == &thread; }
  bool held() const { return holder_ != nullptr || waiting_ > 0; }

  LockStats stats;

 protected:
  ~Lock() = default;
  bool try_take(Thread& thread);
  void begin_wait() { ++waiting_; }
  void give_up_wait() { --waiting_; }
  void taken_after(Thread& thread, Instant since);
  void release(const Thread& thread);

  Engine& engine_;
  Signal turn_;

 private:
  const Thread* holder_ = nullptr;
  std::uint32_t waiting_ = 0;
  Instant taken_at_;
};

// Who waits keeps his processor; who holds it must not block.
class SpinLock final : public Lock {
 public:
  // `handover`: from its release to the next holder's going on.
  SpinLock(Engine& engine, std::string name, Ps handover)
      : Lock(engine, std::move(name)), handover_(handover) {}
  void lock(Thread& thread);
  void unlock(Thread& thread);

 private:
  Ps handover_;
};

// Who waits gives his processor away.
class Mutex final : public Lock {
 public:
  // `wake`: what waking up costs the next holder.
  Mutex(Engine& engine, std::string name, Ps wake) : Lock(engine, std::move(name)), wake_(wake) {}
  void lock(Thread& thread);
  void unlock(Thread& thread);

 private:
  Ps wake_;
};

template <class L>
class Guard {
 public:
  Guard(L& lock, Thread& thread) : lock_(lock), thread_(thread) { lock_.lock(thread_); }
  // Within, it may be given away for a while. A thread that ends just then does not have it back.
  ~Guard() {
    if (std::uncaught_exceptions() == 0 || lock_.held_by(thread_)) lock_.unlock(thread_);
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  L& lock_;
  Thread& thread_;
};

}  // namespace viosim
