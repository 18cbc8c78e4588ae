// A virtual machine as a process of its host: its changes of worlds, the lock of its hypervisor, how
// it panics and how it dies.
// SPDX-License-Identifier: Apache-2.0
//
// A guest's thread and the hypervisor's code that it traps into are one thread. When the machine
// dies, a thread that is in the host's kernel finishes its call; in the hypervisor it is gone with
// the next call, in the guest with what it does now: ThreadGone unwinds its stack, which gives back
// what it held. The host closes the machine's files when the last call has returned.
#pragma once

#include "core/des/engine.hpp"
#include "models/cpu/locks.hpp"
#include "models/cpu/workers.hpp"
#include "models/vmm/world_switch.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

struct Panic {
  Instant at;
  std::string reason;
};

class VirtualMachine {
 public:
  using Job = Workers::Job;

  // `host`: threads of the hypervisor's process are jobs of it. `guest`: the guest's kernel.
  VirtualMachine(Engine& engine, std::string path, const WorldSwitchParams& params, Workers& host,
                 Workers& guest);
  VirtualMachine(const VirtualMachine&) = delete;
  VirtualMachine& operator=(const VirtualMachine&) = delete;

  Engine& engine() const { return engine_; }
  const std::string& path() const { return path_; }
  const WorldSwitchParams& params() const { return params_; }

  // Work of the guest; where it does not run any more, it is dropped.
  Workers& guest() { return guest_; }
  // Work of threads of the hypervisor's process; of a dead one it is dropped.
  void post_to_hypervisor(Job job);
  // Of one that waits for it, and takes that long to wake up.
  void wake_hypervisor(Ps wake_up, Job job);

  // For threads of the guest: leaves it, as far as the kernel or the hypervisor's process.
  template <class F>
  auto exit_to_kernel(Thread& thread, F&& handle) {
    require_guest();
    return thread.away([&] {
      ++paths.kernel_exits;
      const Way way(*this, thread, params_.vm_exit);
      return std::forward<F>(handle)();
    });
  }
  template <class F>
  auto exit_to_user(Thread& thread, F&& handle) {
    require_guest();
    return thread.away([&] {
      ++paths.user_exits;
      const Way way(*this, thread, params_.vm_exit + params_.user_exit);
      return std::forward<F>(handle)();
    });
  }
  // For threads in the hypervisor's process, whoever's: calls into the host's kernel.
  template <class F>
  auto ioctl(Thread& thread, F&& call) {
    ++paths.ioctls;
    auto result = [&] {
      const KernelCall in_kernel(*this, thread, params_.system_call);
      return std::forward<F>(call)();
    }();
    require_process();
    return result;
  }
  // For threads of the guest: what hardware does for it without its hypervisor. Costs nothing by itself.
  template <class F>
  auto by_hardware(Thread& thread, F&& work) {
    require_guest();
    auto result = thread.away([&] {
      const KernelCall meanwhile(*this, thread, Ps(0));
      return std::forward<F>(work)();
    });
    require_guest();
    return result;
  }
  // For a machine that moves. Until release_jobs() nothing new is begun; returns when what is under way has
  // been done. The guest is paused: none of its threads is in the process any more.
  void hold_jobs(Thread& thread);
  void release_jobs();
  // From now on it is a process of another host. Its jobs are held.
  void move_to(Workers& host);

  // From a thread of the host's kernel: a thread of the hypervisor does this.
  void raise_eventfd(Job job);
  // From a thread of the hypervisor: interrupts the guest. What then starts there is for who calls.
  void inject(Thread& thread);

  // The hypervisor's process is killed. Its files are closed by a job of the host once its calls
  // into the kernel have returned.
  void kill();
  bool alive() const { return !dead_; }
  // The guest's kernel stops for good; the hypervisor and what it has of the host go on.
  [[noreturn]] void panic(std::string reason);
  const std::optional<Panic>& panicked() const { return panic_; }
  bool guest_runs() const { return !dead_ && !panic_; }

  // Called when the guest stops, dead or in panic, for whoever waits in it.
  void on_stop(std::function<void()> tell) { on_stop_.push_back(std::move(tell)); }
  // Closing a file of the process, last opened first.
  void on_close(Job close) { on_close_.push_back(std::move(close)); }
  bool closed() const { return closed_; }

  // Emulation of devices is done by one thread at a time.
  Mutex& emulation() { return emulation_; }

  PathLengths paths;

 private:
  // Pays for the way into the hypervisor, and back where the guest goes on.
  class Way {
   public:
    Way(VirtualMachine& machine, Thread& thread, Ps cost);
    ~Way() noexcept(false);
    Way(const Way&) = delete;
    Way& operator=(const Way&) = delete;

   private:
    VirtualMachine& machine_;
    Thread& thread_;
    Ps out_;
    int unwinding_;
  };
  class KernelCall {
   public:
    KernelCall(VirtualMachine& machine, Thread& thread, Ps cost);
    ~KernelCall();
    KernelCall(const KernelCall&) = delete;
    KernelCall& operator=(const KernelCall&) = delete;

   private:
    VirtualMachine& machine_;
    Thread& thread_;
    Ps out_;
    int unwinding_;
  };
  // One that has been posted to the host.
  class PostedJob {
   public:
    explicit PostedJob(VirtualMachine& machine) : machine_(machine) {}
    ~PostedJob() {
      if (--machine_.jobs_ == 0 && machine_.jobs_wanted_) machine_.jobs_done_.raise();
    }
    PostedJob(const PostedJob&) = delete;
    PostedJob& operator=(const PostedJob&) = delete;

   private:
    VirtualMachine& machine_;
  };
  void require_guest() const {
    if (!guest_runs()) Thread::current(engine_)->leave();
  }
  void require_process() const {
    if (dead_) Thread::current(engine_)->leave();
  }
  void stop();
  void close_files(Thread& thread);

  Engine& engine_;
  std::string path_;
  WorldSwitchParams params_;
  Workers* host_;
  Workers& guest_;
  Mutex emulation_;
  Signal call_returned_;
  std::uint32_t calls_ = 0;  // into the host's kernel, under way
  Signal jobs_done_;
  std::uint32_t jobs_ = 0;  // posted to the host and not done
  bool jobs_wanted_ = false;
  bool holds_jobs_ = false;
  std::vector<Job> held_;
  bool dead_ = false;
  bool closed_ = false;
  std::optional<Panic> panic_;
  std::vector<std::function<void()>> on_stop_;
  std::vector<Job> on_close_;
};

}  // namespace viosim
