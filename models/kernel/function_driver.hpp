// The driver of a function with work queues: lets processes use them, each by its own PASID.
// SPDX-License-Identifier: Apache-2.0
//
// A process opens the function: it is bound (sva.hpp), and gets a queue of its own where queues are
// dedicated. Then it submits work, one piece at a time, and closes the function when it is done. Registers are
// written over the link: what is written arrives its latency later, and nobody waits for it. A
// completion is an interrupt.
//
// All calls are for threads of the kernel, unless they say otherwise.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/agenda.hpp"
#include "models/device/enqcmd.hpp"
#include "models/device/shared_queue.hpp"
#include "models/device/work_queues.hpp"
#include "models/kernel/arrivals.hpp"
#include "models/kernel/kernel.hpp"
#include "models/trace_point.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <optional>
#include <set>
#include <string>

namespace viosim {

struct FunctionDriverParams {
  Ps set_up_queue = 1us;
  Ps register_write = 20ns;
  Ps interrupt = 3us;
  bool stop_marker = false;
  Ps slice_stop_limit = 5s;
  EnqcmdParams enqcmd;

  static constexpr auto fields() {
    using P = FunctionDriverParams;
    return Fields{
        field("set_up_queue", &P::set_up_queue,
              "Choosing a queue for a process, and preparing it, for software.", "assumed"),
        field("register_write", &P::register_write,
              "Writing a register of the function, for the processor: it does not wait for its "
              "arrival.",
              "assumed"),
        field("interrupt", &P::interrupt,
              "A completion at the function to the start of whoever waited for it: interrupt and "
              "wake-up.",
              "assumed, 2-10 us"),
        field("stop_marker", &P::stop_marker,
              "A PASID that is taken away from the function is followed by a stop marker.",
              "optional (PCIe 4.0, 10.4.1.2.1); Linux asks for none"),
        field("slice_stop_limit", &P::slice_stop_limit,
              "How long a PASID that a guest has bound to a slice may take to come to its stop in "
              "the "
              "function, after its guest is gone or has let go of it. Afterwards requests with it "
              "that "
              "wait for a page are aborted.",
              "Linux' idxd waits 5 s for the drain of a PASID")
            .from(Ps(1)),
        field("enqcmd", &P::enqcmd, "Submitting to shared queues.")};
  }
  bool operator==(const FunctionDriverParams&) const = default;
};

struct FunctionDriverStats {
  std::uint64_t opened = 0;
  std::uint64_t refused = 0;
  std::uint64_t closed = 0;
  std::uint64_t submitted = 0;
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;
  std::uint64_t not_accepted = 0;
  std::uint64_t exits = 0;
  std::uint64_t pasid_loads = 0;
  static constexpr auto fields() {
    using S = FunctionDriverStats;
    return Fields{
        metric("opened", &S::opened, Unit::count, "Times that a process opened the function."),
        metric("refused", &S::refused, Unit::count, "Times that it could not."),
        metric("closed", &S::closed, Unit::count, "Times that one closed it."),
        metric("submitted", &S::submitted, Unit::count, "Pieces of work given to it."),
        metric("completed", &S::completed, Unit::count, "Of these, completed without an error."),
        metric(
            "failed", &S::failed, Unit::count,
            "Of these, ended otherwise: with failed requests, stopped, or with the function gone."),
        metric("not_accepted", &S::not_accepted, Unit::count,
               "Pieces of work that its shared queue never had room for."),
        metric("exits", &S::exits, Unit::count, "Processes that ended while they had it open."),
        metric("pasid_loads", &S::pasid_loads, Unit::count,
               "First ENQCMDs of threads, which their kernel gave their PASID.")};
  }
};

// How a kernel reaches the function, and what its PASIDs are on the wire. By default the function is the
// kernel's own, and so are the numbers.
class FunctionAccess {
 public:
  // A PASID is written into a register of a queue. Errors: there is none behind it.
  virtual Result<Pasid> program(Thread& /*thread*/, Pasid pasid) { return pasid; }
  // A PASID that ENQCMD takes from the thread that executes it.
  virtual Result<Pasid> enqcmd(Thread& /*thread*/, Pasid pasid) { return pasid; }
  // What the function has for it now, where it has some. Nobody pays.
  virtual Result<Pasid> on_wire(Pasid pasid) { return pasid; }
  // Work with it, `wire` to the function, has reached a queue.
  virtual void sent(Pasid /*pasid*/, Pasid /*wire*/) {}

  virtual ~FunctionAccess() = default;
};

// Queues of a function: [first, first + count).
struct QueueSlice {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

class FunctionDriver final : public SvaClient,
                             private QueueListener,
                             private SharedQueue::Listener,
                             private EventHandler {
 public:
  struct Function {
    std::string path;  // as results call it
    Bdf source{};      // as this kernel sees it
    AtsDevice* device = nullptr;
    SharedQueue* shared = nullptr;      // null: queues are dedicated
    std::optional<QueueSlice> slice{};  // of dedicated ones those that are its own; nothing: all
    Ps link{0};                         // latency of a register's write
    FunctionAccess* access = nullptr;
    IommuFunction capabilities{};
    Sva::DeviceOptions sva{};
    std::uint32_t number = 0;  // its place in the order of events
  };
  enum class End : std::uint8_t { completed, failed, gone };
  using Done = std::function<void(Thread&, End)>;
  // A process' use of the function.
  struct Use {
    Mm* process = nullptr;
    Pasid pasid;
    std::uint32_t queue = 0;  // number of the driver's own where queues are shared
    std::uint32_t probe = 0;  // since which the function is there
    bool without_pasid = false;
  };

  FunctionDriver(Kernel& kernel, Kernel::Unit& unit, const FunctionDriverParams& params,
                 const Function& function);
  FunctionDriver(const FunctionDriver&) = delete;
  FunctionDriver& operator=(const FunctionDriver&) = delete;

  const Function& function() const { return function_; }
  Kernel& kernel() { return kernel_; }
  Kernel::Unit& unit() { return *unit_; }
  // Another IOMMU translates for it from now on. It is not known to the one before.
  void put_behind(Kernel::Unit& unit);
  bool probed() const { return probed_; }
  bool known() const { return known_; }
  // Slices of it can be had: until it is to be removed.
  bool gives_slices() const { return known_ && gives_slices_; }
  void give_no_slices() { gives_slices_ = false; }

  // Its function is there: makes it known to the IOMMU's driver, and ready for processes. -EEXIST: it
  // is. Errors of IommuDriver::add() and Sva::device_init().
  Errno probe(Thread& thread);
  // Nobody gets it any more, work that is under way is stopped, all processes are unbound. -ENODEV: it
  // is not known.
  Errno remove(Thread& thread);
  // The function has vanished. From anybody: who waits for it learns it. remove() is still to be
  // called.
  void gone();

  // Binds the process; where queues are dedicated waits until one is free. -ENODEV: the function is
  // not there; -EINVAL: without a PASID, and its queue is shared. Errors of Sva::bind().
  Result<Use> open(Thread& thread, Mm& mm, const Sva::BindOptions& options = {});
  // The use has no work under way. `done` is a job of this kernel. -ENODEV: the function is not there;
  // -EAGAIN: its shared queue has no room. Errors of FunctionAccess. Of these nobody else is told.
  // `work`: all but PASID and listener; requests are counted.
  Errno submit(Thread& thread, const Use& use, const QueueWork& work, Done done);
  // Stops what is under way, and unbinds; a process that has exited, too.
  Errno close(Thread& thread, const Use& use);

  // The kernel is paused: what is under way at the function stops, unfinished, and nobody in the kernel is
  // told. Writes to registers have arrived. From anybody.
  void halt();
  // Nothing of it is in flight any more. Of a request that is never answered that is never so.
  bool halted() const;
  // Pieces of work that were halted.
  std::size_t halted_work() const;
  // They go on, as far as they were not done; what has not come to rest yet when it has. Of a function that
  // has vanished they do not.
  void go_on();
  // In between: it is another function from now on, of the same kind, at the same address in the kernel.
  struct Place {
    AtsDevice* device = nullptr;
    SharedQueue* shared = nullptr;
    Ps link{0};
    FunctionConfig* config = nullptr;
  };
  void move_to(const Place& place);

  // Nothing sends with this PASID any more when it returns.
  void mm_exit(Thread& thread, Bdf source, Pasid pasid) override;
  // The same, of a PASID of somebody else's in a slice of the function, and also of what is on its way to it.
  // What has not come to its stop within `slice_stop_limit` is aborted.
  void stop_of_slice(Thread& thread, Pasid wire);

  std::uint32_t uses() const { return uses_; }
  FunctionDriverStats stats;
  TracePoint trace;
  Histogram latency;  // submission to completion, seen by software

 private:
  // A queue of the function; of a shared one, a place among those who use it.
  struct Queue {
    bool taken = false;
    bool enabled = false;  // by a write that may still be on its way
    Pasid pasid;           // of the process that has it
    QueueWork work;        // of its last submission
    Done done;             // of work that is under way
    Instant since;
    std::uint64_t failed = 0;  // its requests with an error, before it was halted
    bool halting = false;
    std::optional<QueueRest> halted;
  };
  enum class What : std::uint8_t { enable, stop };
  struct StopOfSlice {
    Pasid wire;
    Instant since;
    bool aborted = false;
  };
  static constexpr std::uint64_t stops_watched = ~std::uint64_t{0};  // instead of a register

  static Adi slice_of(const Function& function);
  bool there() const { return probed_ && function_.device->present(); }
  Result<std::uint32_t> take_queue(Thread& thread);
  void give_back(std::uint32_t queue);
  void load_pasid(Thread& thread, Mm& process);
  Result<Pasid> wire_for(Thread& thread, Pasid pasid);
  Errno submit_shared(Thread& thread, std::uint32_t number);
  void use_pasid(Queue& queue, Pasid wire) const;
  SharedQueue::Descriptor descriptor_of(std::uint32_t number) const;
  Errno enqueue(Thread& thread, std::uint32_t number);
  void is_halted(std::uint32_t number, QueueRest rest);
  void go_on(std::uint32_t number);
  void tell_sent(const Queue& queue);
  void restart(std::uint32_t number, const QueueRest& rest);
  void stop(Thread& thread, std::uint32_t number);
  void stop_shared(Thread& thread, const Queue& queue);
  void wait_for_arrivals(Thread& thread);
  void wait_until_stopped(Thread& thread, const Queue& queue);
  bool sends_with(Pasid wire) const;
  void watch_stops();
  void abort_late_stops();
  Errno send_enable(Thread& thread, const Use& use);
  void send(What what, std::uint32_t number);
  void end(Queue& queue, End how);
  void has_stopped(Queue& queue);
  void forget_waiting();
  void queue_stopped(Bdf source, std::uint32_t number) override;
  void queue_done(Bdf source, std::uint32_t number, std::uint64_t failed) override;
  void pasid_stopped(Bdf source, Pasid pasid) override;
  void descriptor_ended(std::uint64_t number, SharedQueue::End end) override;
  void descriptor_halted(std::uint64_t number, QueueRest rest) override;
  void fire(std::uint64_t what) override;

  Kernel& kernel_;
  Kernel::Unit* unit_;
  FunctionDriverParams params_;
  Function function_;
  FunctionAccess own_;
  Adi slice_;
  Mutex device_lock_;    // of a probe or a removal: who comes second finds it done
  bool known_ = false;   // to the IOMMU's driver
  bool probed_ = false;  // processes may open it
  bool gives_slices_ = false;
  std::deque<Queue> queues_;
  std::set<std::uint32_t> free_;
  Arrivals arrivals_;
  Signal freed_;
  std::uint32_t waiting_ = 0;   // threads that wait for a queue
  std::uint32_t promised_ = 0;  // queues that are free and somebody's who waited
  std::uint32_t life_ = 0;      // ends when nobody gets the function any more
  std::uint32_t probes_ = 0;
  std::uint32_t moves_ = 0;
  bool halted_ = false;  // its kernel is paused
  Signal stopped_;
  std::uint32_t stopping_ = 0;  // threads that wait for that
  Signal pasid_stopped_;
  std::uint32_t stopping_pasids_ = 0;  // the same, for somebody else's PASID
  std::list<StopOfSlice> stops_;       // oldest first
  bool stops_are_watched_ = false;
  std::uint32_t uses_ = 0;
};

}  // namespace viosim
