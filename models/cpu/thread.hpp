// A thread of simulated software: it works on a processor of its kernel, blocks without one, and,
// where its kernel is a guest's, leaves it for the host and comes back.
// SPDX-License-Identifier: Apache-2.0
//
// Code of all layers runs on the same thread, as in reality: a guest's driver traps, the
// hypervisor's code goes on in the same call, calls into the host's kernel, and returns. The vCPU is
// occupied all the while. So a call stack is a path through the world switches, and its costs add
// up by themselves.
//
// All functions are for the thread's own actor.
#pragma once

#include "core/des/engine.hpp"
#include "models/cpu/cpus.hpp"

#include <cstdint>
#include <exception>
#include <utility>
#include <vector>

namespace viosim {

class Lock;

// The end of a thread whose kernel is no more: a guest that was killed. It unwinds the thread's
// stack, and is no error. Nothing may block while it does.
struct ThreadGone {};

class Thread {
 public:
  // Has no processor before start().
  Thread(Engine& engine, Cpus& cpus) : engine_(&engine), cpus_(&cpus) {}
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  Engine& engine() const { return *engine_; }
  Instant now() const { return engine_->now(); }
  // The thread whose actor is running; null for actors that are no threads.
  static Thread* current(const Engine& engine) { return static_cast<Thread*>(engine.actor_data()); }

  // Begins on a processor that was taken for it, and gives it back.
  void start(std::uint32_t cpu);
  void stop();

  // Works for this long. In the host on behalf of a guest: the vCPU stands still meanwhile.
  void run(Ps work);
  // Gives the processor away until the signal was raised; no time passes if it was before. In the
  // host on behalf of a guest the vCPU remains occupied.
  void wait(Signal& signal);
  void sleep(Ps time);
  // Looks at something again and again until the signal was raised, and keeps the processor.
  void poll(Signal& signal);

  // What `in_host` does is done by the host: for the guest its vCPU is away.
  template <class F>
  auto away(F&& in_host) {
    const Returns returns(*this);
    const Away while_away(*this);
    return std::forward<F>(in_host)();
  }
  bool is_away() const { return depth_ > 0; }

  // While its kernel is paused it does not go on; in the host it does. Everything that blocks sees to that by
  // itself, but SpinLock.
  void pass_gate();

  // From anybody: its kernel is no more. What it does in the host it finishes; in its own kernel it
  // ends with what it does now, by ThreadGone. If it waits, at once.
  void end();
  // For the thread itself: ends so.
  [[noreturn]] void leave() const;

  // Within spinlocks a thread must not block. SpinLock keeps count, for each kernel its own: in the
  // host a thread may block although it holds a spinlock of its guest, whose other vCPUs spin then.
  bool atomic() const { return spinlocks_ > 0; }
  void enter_atomic() { ++spinlocks_; }
  void leave_atomic() { --spinlocks_; }
  // What it holds, in the order in which it was taken. Locks see to it.
  std::vector<const Lock*>& locks() { return locks_; }
  // Time that it has waited for a spinlock.
  void spun(Ps time);

 private:
  class Away {
   public:
    explicit Away(Thread& thread)
        : thread_(thread),
          since_(thread.now()),
          guest_spinlocks_(std::exchange(thread.spinlocks_, 0)) {
      if (thread_.depth_++ == 0) thread_.cpus_->gate.go_away();
    }
    ~Away();
    Away(const Away&) = delete;
    Away& operator=(const Away&) = delete;

   private:
    Thread& thread_;
    Instant since_;
    std::uint32_t guest_spinlocks_;
  };
  // It comes back, and may have to stop there, unless its stack is being unwound.
  class Returns {
   public:
    explicit Returns(Thread& thread) : thread_(thread), unwinding_(std::uncaught_exceptions()) {}
    ~Returns() {
      if (std::uncaught_exceptions() == unwinding_) thread_.pass_gate();
    }
    Returns(const Returns&) = delete;
    Returns& operator=(const Returns&) = delete;

   private:
    Thread& thread_;
    int unwinding_;
  };
  static constexpr std::uint32_t none = 0xffffffff;
  void must_not_be_atomic() const;
  void block_on(Signal& signal);
  void end_if_told() const {
    if (ended_ && depth_ == 0) leave();
  }

  Engine* engine_;
  Cpus* cpus_;
  std::uint32_t cpu_ = none;
  std::uint32_t depth_ = 0;      // of excursions into the host
  std::uint32_t spinlocks_ = 0;  // held
  std::vector<const Lock*> locks_;
  bool ended_ = false;
  Signal* waits_for_ = nullptr;  // in its own kernel
  std::uint32_t actor_ = 0;
  char* stack_top_ = nullptr;
};

}  // namespace viosim
