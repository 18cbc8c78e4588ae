// Time on processors.
// SPDX-License-Identifier: Apache-2.0
#include "models/cpu/thread.hpp"

#include "core/base/error.hpp"

namespace viosim {

void Thread::start(Cpus::Turn turn) {
  ensure(cpu_ == none, "a thread was started twice");
  engine_->set_actor_data(this);
  cpu_ = cpus_->take(turn);
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
  if (depth_ == 0) cpus_->stats(cpu_).working += work;
  engine_->sleep_for(work);
}

void Thread::wait(Signal& signal) {
  must_not_be_atomic();
  if (depth_ > 0) {
    signal.wait();
    return;
  }
  cpus_->give_back(cpu_);
  signal.wait();
  cpu_ = cpus_->take();
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
}

void Thread::poll(Signal& signal) {
  const Instant since = now();
  signal.wait();
  if (depth_ == 0) cpus_->stats(cpu_).working += now() - since;
}

void Thread::spun(Ps time) {
  if (depth_ == 0) cpus_->stats(cpu_).spinning += time;
}

Thread::Away::~Away() {
  if (--thread_.depth_ == 0) thread_.cpus_->stats(thread_.cpu_).away += thread_.now() - since_;
}

void Thread::must_not_be_atomic() const {
  ensure(spinlocks_ == 0, "a thread blocks while it holds a spinlock");
}

}  // namespace viosim
