// The ways between the worlds, and the end of a machine.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/virtual_machine.hpp"

#include <exception>
#include <utility>

namespace viosim {

VirtualMachine::VirtualMachine(Engine& engine, std::string path, const WorldSwitchParams& params,
                               Workers& host, Workers& guest)
    : engine_(engine),
      path_(std::move(path)),
      params_(params),
      host_(&host),
      guest_(guest),
      emulation_(engine, path_ + ".emulation", params.mutex_wake),
      call_returned_(engine, path_ + ": calls into the host return"),
      jobs_done_(engine, path_ + ": its hypervisor has nothing to do") {}

VirtualMachine::Way::Way(VirtualMachine& machine, Thread& thread, Ps cost)
    : machine_(machine),
      thread_(thread),
      out_(way_out(cost)),
      unwinding_(std::uncaught_exceptions()) {
  thread.run(way_in(cost));
  machine.require_process();
}

// Throws, too: who comes back may find no guest any more.
VirtualMachine::Way::~Way() noexcept(false) {
  if (std::uncaught_exceptions() > unwinding_) return;
  thread_.run(out_);
  machine_.require_guest();
}

VirtualMachine::KernelCall::KernelCall(VirtualMachine& machine, Thread& thread, Ps cost)
    : machine_(machine),
      thread_(thread),
      out_(way_out(cost)),
      unwinding_(std::uncaught_exceptions()) {
  machine.require_process();
  ++machine.calls_;
  thread.run(way_in(cost));
}

VirtualMachine::KernelCall::~KernelCall() {
  if (std::uncaught_exceptions() == unwinding_) thread_.run(out_);
  if (--machine_.calls_ == 0 && machine_.dead_) machine_.call_returned_.raise();
}

void VirtualMachine::post_to_hypervisor(Job job) {
  if (dead_) return;
  if (holds_jobs_) return held_.push_back(std::move(job));
  ++jobs_;
  host_->post([this, job = std::move(job)](Thread& thread) {
    const PostedJob posted(*this);
    if (!dead_) job(thread);
  });
}

void VirtualMachine::hold_jobs(Thread& thread) {
  while (jobs_ > 0) {
    jobs_wanted_ = true;
    thread.wait(jobs_done_);
    jobs_wanted_ = false;
  }
  holds_jobs_ = true;
}

void VirtualMachine::release_jobs() {
  holds_jobs_ = false;
  for (Job& job : std::exchange(held_, {})) post_to_hypervisor(std::move(job));
}

void VirtualMachine::move_to(Workers& host) {
  ensure(holds_jobs_ && jobs_ == 0 && calls_ == 0, "a machine moves while its process works");
  host_ = &host;
}

void VirtualMachine::raise_eventfd(Job job) {
  ++paths.eventfds;
  wake_hypervisor(params_.eventfd, std::move(job));
}

void VirtualMachine::wake_hypervisor(Ps wake_up, Job job) {
  post_to_hypervisor([this, wake_up, job = std::move(job)](Thread& thread) {
    thread.run(wake_up);
    require_process();
    job(thread);
  });
}

void VirtualMachine::inject(Thread& thread) {
  require_process();
  ++paths.injected;
  thread.run(params_.injection);
}

void VirtualMachine::stop() {
  guest_.end();
  for (const auto& tell : on_stop_) tell();
}

void VirtualMachine::kill() {
  if (dead_) return;
  dead_ = true;
  stop();
  host_->post([this](Thread& thread) { close_files(thread); });
}

void VirtualMachine::panic(std::string reason) {
  if (!panic_) panic_ = Panic{engine_.now(), std::move(reason)};
  stop();
  Thread::current(engine_)->leave();
}

void VirtualMachine::close_files(Thread& thread) {
  while (calls_ > 0) thread.wait(call_returned_);
  while (!on_close_.empty()) {
    const Job close = std::move(on_close_.back());
    on_close_.pop_back();
    close(thread);
  }
  closed_ = true;
}

}  // namespace viosim
