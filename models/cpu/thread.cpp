// Time on processors.
// SPDX-License-Identifier: Apache-2.0
#include "models/cpu/thread.hpp"

#include "core/base/error.hpp"

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define VIOSIM_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VIOSIM_ADDRESS_SANITIZER
#endif
#endif
#if defined(VIOSIM_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#endif

namespace viosim {

void Thread::start(std::uint32_t cpu) {
  ensure(cpu_ == none, "a thread was started twice");
  engine_->set_actor_data(this);
  actor_ = engine_->actor();
  stack_top_ = static_cast<char*>(__builtin_frame_address(0));
  cpu_ = cpu;
}

void Thread::stop() {
  must_not_be_atomic();
  ensure(depth_ == 0, "a thread stopped in the host");
  cpus_->give_back(std::exchange(cpu_, none));
  engine_->set_actor_data(nullptr);
}

void Thread::run(Ps work) {
  ensure(cpu_ != none, "a thread works without a processor");
  if (work == Ps(0)) return;
  if (depth_ > 0) return engine_->sleep_for(work);
  cpus_->stats(cpu_).working += work;
  const Gate& gate = cpus_->gate;
  do {
    const Ps before = gate.closed_for();
    engine_->sleep_for(work);
    work = gate.closed_for() - before;  // of which nothing has been done
    pass_gate();
  } while (work > Ps(0) && !ended_);
  end_if_told();
}

void Thread::pass_gate() {
  if (depth_ > 0) return;
  Gate& gate = cpus_->gate;
  while (gate.closed() && !ended_) gate.wait_with([this](Signal& opened) { block_on(opened); });
}

void Thread::block_on(Signal& signal) {
  waits_for_ = &signal;
  signal.wait();
  waits_for_ = nullptr;
}

// AddressSanitizer does not know the stacks of SimGrid's actors: what is unwound would remain forbidden.
void Thread::leave() const {
#if defined(VIOSIM_ADDRESS_SANITIZER)
  constexpr std::size_t below = std::size_t{64} << 10U;
  char* const frame = static_cast<char*>(__builtin_frame_address(0));
  ASAN_UNPOISON_MEMORY_REGION(frame - below, static_cast<std::size_t>(stack_top_ - frame) + below);
#endif
  throw ThreadGone{};
}

void Thread::end() {
  ended_ = true;
  if (waits_for_ != nullptr) waits_for_->dismiss(actor_);
}

void Thread::wait(Signal& signal) {
  must_not_be_atomic();
  if (depth_ > 0) {
    signal.wait();
    return;
  }
  end_if_told();
  cpus_->give_back(cpu_);
  block_on(signal);
  cpu_ = cpus_->take();
  pass_gate();
  end_if_told();
}

void Thread::sleep(Ps time) {
  must_not_be_atomic();
  if (depth_ > 0) {
    engine_->sleep_for(time);
    return;
  }
  cpus_->give_back(cpu_);
  engine_->sleep_for(time);
  cpu_ = cpus_->take();
  pass_gate();
  end_if_told();
}

void Thread::poll(Signal& signal) {
  const Instant since = now();
  if (depth_ > 0) {
    signal.wait();
    return;
  }
  end_if_told();
  block_on(signal);
  cpus_->stats(cpu_).working += now() - since;
  pass_gate();
  end_if_told();
}

void Thread::spun(Ps time) {
  if (depth_ == 0) cpus_->stats(cpu_).spinning += time;
}

Thread::Away::~Away() {
  thread_.spinlocks_ = guest_spinlocks_;
  if (--thread_.depth_ > 0) return;
  thread_.cpus_->stats(thread_.cpu_).away += thread_.now() - since_;
  thread_.cpus_->gate.come_back();
}

void Thread::must_not_be_atomic() const {
  ensure(spinlocks_ == 0, "a thread blocks while it holds a spinlock");
}

}  // namespace viosim
