// Locks of simulated kernels: who holds one, who waits, and for how long.
// SPDX-License-Identifier: Apache-2.0
//
// Both kinds pass from one to the next in the order in which threads asked (ticket spinlocks; a
// mutex with handoff), and nobody overtakes. Optimistic spinning on mutexes is left out.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "models/cpu/thread.hpp"
#include "models/trace_point.hpp"

#include <cstdint>
#include <exception>
#include <string>
#include <unordered_set>

namespace viosim {

struct LockStats {
  std::uint64_t taken = 0;
  std::uint64_t contended = 0;
  Ps waited{0};
  Ps longest_wait{0};
  Ps held{0};
  std::uint64_t halted = 0;
  static constexpr auto fields() {
    using S = LockStats;
    return Fields{
        metric("taken", &S::taken, Unit::count, "How often it was taken."),
        metric("contended", &S::contended, Unit::count, "Of these, after waiting."),
        metric("waited", &S::waited, Unit::picoseconds, "Time that threads waited for it, in all."),
        metric("longest_wait", &S::longest_wait, Unit::picoseconds, "The longest such wait."),
        metric("held", &S::held, Unit::picoseconds, "Time that it was held."),
        metric("halted", &S::halted, Unit::count, "Waits for it that halted a vCPU.")};
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
  TracePoint trace;  // of waits, and of what is held by who wants it

 protected:
  ~Lock() = default;
  // A thread wants it, and holds what it holds.
  void tell_order(Thread& thread);
  bool try_take(Thread& thread);
  void begin_wait() { ++waiting_; }
  std::int64_t waiting() const { return waiting_; }
  void give_up_wait() { --waiting_; }
  void taken_after(Thread& thread, Instant since);
  void release(Thread& thread);

  Engine& engine_;
  Signal turn_;

 private:
  void taken_by(Thread& thread);

  const Thread* holder_ = nullptr;
  std::unordered_set<const Lock*> wanted_under_;  // those that were told of
  std::uint32_t waiting_ = 0;
  Instant taken_at_;
};

// How a spinlock passes to who waits for it. A guest's kernel may stop spinning after a while, and halt
// its vCPU until the one that releases the lock kicks it (Linux' paravirtual spinlocks).
struct SpinLockParams {
  Ps handover = 100ns;
  Ps per_waiter{0};
  bool halts = false;
  Ps halts_after = 50us;
  Ps kick = 50us;

  static constexpr auto fields() {
    using P = SpinLockParams;
    return Fields{
        field("handover", &P::handover,
              "From the release of the lock to the next holder's going on, if it spins.",
              "assumed: a contended cache line"),
        field("per_waiter", &P::per_waiter,
              "Added for each other waiter: they take the lock's cache line from one another.",
              "assumed; nothing with queued spinlocks"),
        field("halts", &P::halts,
              "A vCPU that waits for long halts until it is kicked (paravirtual spinlock)."),
        field("halts_after", &P::halts_after, "How long it spins before.",
              "assumed; Linux counts 2^15 looks at the lock"),
        field("kick", &P::kick,
              "From the release to a halted holder's going on: a kick that leaves the guest, and "
              "a vCPU that is woken.",
              "assumed, fitted: 40-70 us where vCPUs are many")};
  }
  bool operator==(const SpinLockParams&) const = default;
};

// Who waits keeps his processor; who holds it must not block.
class SpinLock final : public Lock {
 public:
  // `handover`: from its release to the next holder's going on.
  SpinLock(Engine& engine, std::string name, Ps handover)
      : Lock(engine, std::move(name)), params_{.handover = handover} {}
  SpinLock(Engine& engine, std::string name, const SpinLockParams& params)
      : Lock(engine, std::move(name)), params_(params) {}
  void lock(Thread& thread);
  void unlock(Thread& thread);

 private:
  SpinLockParams params_;
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
