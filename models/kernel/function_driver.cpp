// Opening, submitting, stopping, closing; and a function that vanishes meanwhile.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/function_driver.hpp"

#include "models/event_order.hpp"

#include <utility>

namespace viosim {

Adi FunctionDriver::slice_of(const Function& function) {
  AtsDevice& device = *function.device;
  if (function.shared != nullptr) return {device, 0, 0};  // engines are nobody's
  const QueueSlice slice = function.slice.value_or(QueueSlice{0, device.queues()});
  ensure(slice.first + slice.count <= device.queues(), "a slice has queues that nobody has");
  return {device, slice.first, slice.count};
}

FunctionDriver::FunctionDriver(Kernel& kernel, Kernel::Unit& unit,
                               const FunctionDriverParams& params, const Function& function)
    : kernel_(kernel),
      unit_(&unit),
      params_(params),
      function_(function),
      slice_(slice_of(function)),
      device_lock_(kernel.engine(), function.path + ".device_lock",
                   kernel.params().pasid_mutex_wake),
      arrivals_(kernel.engine(), function.path + ": what is on its way has arrived"),
      freed_(kernel.engine(), function.path + ": a queue is free"),
      stopped_(kernel.engine(), function.path + ": a queue has stopped"),
      pasid_stopped_(kernel.engine(), function.path + ": a PASID has stopped") {
  if (function_.access == nullptr) function_.access = &own_;
  function_.device->listen_to_pasids(*this);
  queues_.resize(slice_.queues());
  for (std::uint32_t queue = 0; queue < queues_.size(); ++queue) free_.insert(queue);
}

// The function comes and goes.

Errno FunctionDriver::probe(Thread& thread) {
  const Guard guard(device_lock_, thread);
  if (known_) return Errno::eexist;
  Errno error = unit_->driver.add(thread, function_.source, function_.capabilities);
  if (error != Errno::ok) return error;
  error = kernel_.sva.device_init(thread, function_.source, function_.sva);
  if (error != Errno::ok) {
    unit_->driver.remove(thread, function_.source);
    return error;
  }
  known_ = probed_ = gives_slices_ = true;
  ++probes_;
  return Errno::ok;
}

void FunctionDriver::put_behind(Kernel::Unit& unit) {
  ensure(!known_, "a function changed its IOMMU while one knew it");
  unit_ = &unit;
}

Errno FunctionDriver::remove(Thread& thread) {
  const Guard guard(device_lock_, thread);
  if (!known_) return Errno::enodev;
  probed_ = false;
  forget_waiting();
  wait_for_arrivals(thread);
  for (std::uint32_t number = 0; number < queues_.size(); ++number) {
    if (queues_[number].taken) stop(thread, number);
  }
  // Of a function that has vanished meanwhile nothing else will tell.
  for (Queue& queue : queues_) end(queue, End::gone);
  known_ = false;
  const Errno shut = kernel_.sva.device_shutdown(thread, function_.source);
  const Errno removed = unit_->driver.remove(thread, function_.source);
  if (trace.on()) {
    trace.emit(
        {.kind = EventKind::unplug, .time = thread.now(), .value = function_.source.value()});
  }
  return shut != Errno::ok ? shut : removed;
}

void FunctionDriver::gone() {
  if (!known_) return;  // it may vanish while it is removed
  probed_ = false;
  forget_waiting();
  unit_->driver.gone(function_.source);
  for (Queue& queue : queues_) {
    if (queue.done) end(queue, End::gone);
    has_stopped(queue);
  }
  for (std::uint32_t thread = 0; thread < stopping_pasids_; ++thread) pasid_stopped_.raise();
}

void FunctionDriver::forget_waiting() {
  ++life_;
  for (; waiting_ > promised_; ++promised_) freed_.raise();
  waiting_ = promised_ = 0;
}

// Processes.

Result<FunctionDriver::Use> FunctionDriver::open(Thread& thread, Mm& mm,
                                                 const Sva::BindOptions& asked) {
  if (!there()) {
    ++stats.refused;
    return Errno::enodev;
  }
  if (asked.without_pasid && function_.shared != nullptr) {
    ++stats.refused;
    return Errno::einval;  // ENQCMD carries one
  }
  const Result<std::uint32_t> queue = take_queue(thread);
  if (!queue.ok()) {
    ++stats.refused;
    return queue.error();
  }
  Sva::BindOptions options = asked;
  options.client = this;
  const Result<Pasid> pasid = kernel_.sva.bind(thread, function_.source, mm, options);
  if (!pasid.ok()) {
    ++stats.refused;
    give_back(queue.value());
    return pasid.error();
  }
  queues_[queue.value()].pasid = pasid.value();
  ++stats.opened;
  ++uses_;
  return Use{&mm, pasid.value(), queue.value(), probes_, asked.without_pasid};
}

Errno FunctionDriver::close(Thread& thread, const Use& use) {
  stop(thread, use.queue);
  // A function that has come back knows nothing of who used it before.
  const Errno error = use.probe == probes_ ? kernel_.sva.unbind(thread, function_.source, use.pasid)
                                           : Errno::enodev;
  give_back(use.queue);
  ++stats.closed;
  --uses_;
  return error;
}

// First come, first served. Everybody has a place of his own where queues are shared.
Result<std::uint32_t> FunctionDriver::take_queue(Thread& thread) {
  if (function_.shared != nullptr && free_.empty()) {
    free_.insert(static_cast<std::uint32_t>(queues_.size()));
    queues_.emplace_back();
  }
  if (free_.size() <= promised_) {
    const std::uint32_t life = life_;
    ++waiting_;
    thread.wait(freed_);
    if (life != life_) return Errno::enodev;
    --waiting_;
    --promised_;
  }
  const std::uint32_t number = free_.extract(free_.begin()).value();
  queues_[number].taken = true;
  thread.run(params_.set_up_queue);
  return number;
}

void FunctionDriver::give_back(std::uint32_t queue) {
  queues_[queue].taken = false;
  free_.insert(queue);
  if (waiting_ == promised_) return;
  ++promised_;
  freed_.raise();
}

// Work.

Errno FunctionDriver::submit(Thread& thread, const Use& use, const QueueWork& work, Done done) {
  Queue& queue = queues_[use.queue];
  ensure(queue.taken && !queue.done, "work is submitted to a queue that has some, or is nobody's");
  ensure(work.dma.requests > 0, "work without an end was submitted");
  if (function_.shared != nullptr) load_pasid(thread, *use.process);
  if (!there() || use.probe != probes_) return Errno::enodev;
  const Result<Pasid> wire =
      use.without_pasid ? Result<Pasid>(no_pasid) : wire_for(thread, use.pasid);
  if (!wire.ok()) return wire.error();
  if (!there()) return Errno::enodev;
  queue.work = work;
  use_pasid(queue, wire.value());
  queue.work.listener = this;
  queue.done = std::move(done);
  queue.since = kernel_.engine().now();
  queue.failed = 0;
  queue.enabled = true;
  if (function_.shared != nullptr) return submit_shared(thread, use.queue);
  return send_enable(thread, use);
}

// The PASID may have lost what is behind it since it was asked for: the write is not made then.
Errno FunctionDriver::send_enable(Thread& thread, const Use& use) {
  Queue& queue = queues_[use.queue];
  thread.run(params_.register_write);
  const Result<Pasid> wire =
      use.without_pasid ? Result<Pasid>(no_pasid) : function_.access->on_wire(use.pasid);
  if (!wire.ok()) {
    has_stopped(queue);
    if (!std::exchange(queue.done, nullptr)) return Errno::ok;  // gone meanwhile: it was told so
    return wire.error();
  }
  use_pasid(queue, wire.value());
  ++stats.submitted;
  send(What::enable, use.queue);
  return Errno::ok;
}

// Before a hypervisor could be asked what the PASID is outside: that is not known of an invalid one. The PASID
// stays the process' until it ends, and so does what its thread has loaded.
void FunctionDriver::load_pasid(Thread& thread, Mm& process) {
  if (process.pasid_loaded) return;
  thread.run(params_.enqcmd.load_pasid);
  process.pasid_loaded = true;
  ++stats.pasid_loads;
}

// A kernel that has moved meanwhile asks again.
Result<Pasid> FunctionDriver::wire_for(Thread& thread, Pasid pasid) {
  for (;;) {
    const std::uint32_t moves = moves_;
    const Result<Pasid> wire = function_.shared != nullptr
                                   ? function_.access->enqcmd(thread, pasid)
                                   : function_.access->program(thread, pasid);
    if (moves == moves_) return wire;
  }
}

void FunctionDriver::use_pasid(Queue& queue, Pasid wire) const {
  queue.work.pasid = wire;
  queue.work.pasid_life = function_.device->life_of(wire);
}

SharedQueue::Descriptor FunctionDriver::descriptor_of(std::uint32_t number) const {
  const QueueWork& work = queues_[number].work;
  SharedQueue::Descriptor descriptor;
  descriptor.pasid = work.pasid;
  descriptor.pasid_life = work.pasid_life;
  descriptor.privileged = work.privileged;
  descriptor.dma = work.dma;
  descriptor.base = work.base;
  descriptor.zipf = work.zipf;
  descriptor.listener = const_cast<FunctionDriver*>(this);
  descriptor.cookie = number;
  return descriptor;
}

// Again and again: at the function that it has at that time, and with the PASID, which each execution of the
// instruction translates anew. -EAGAIN: there was never room.
Errno FunctionDriver::enqueue(Thread& thread, std::uint32_t number) {
  Queue& queue = queues_[number];
  for (std::uint32_t tries = 0; tries < params_.enqcmd.tries; ++tries) {
    if (tries > 0) {
      thread.run(params_.enqcmd.pause);
      const Result<Pasid> wire = wire_for(thread, queue.pasid);
      if (!wire.ok()) return wire.error();
      if (!there() || !queue.done) return Errno::enodev;  // gone meanwhile, or about to be
      use_pasid(queue, wire.value());
      queue.enabled = true;  // the PASID of the last try may have been stopped
    }
    if (!enqcmd(thread, *function_.shared, descriptor_of(number))) continue;
    tell_sent(queue);
    return Errno::ok;
  }
  return Errno::eagain;
}

// It may be done before this thread knows that it was accepted.
Errno FunctionDriver::submit_shared(Thread& thread, std::uint32_t number) {
  const Errno error = enqueue(thread, number);
  if (error == Errno::ok) {
    ++stats.submitted;
    return error;
  }
  Queue& queue = queues_[number];
  if (error == Errno::eagain) ++stats.not_accepted;
  has_stopped(queue);
  if (!queue.done) return Errno::ok;  // gone meanwhile: it was told so
  queue.done = nullptr;
  return error;
}

// A posted write, on its way.
void FunctionDriver::send(What what, std::uint32_t number) {
  Engine& engine = kernel_.engine();
  const std::uint64_t cookie = number * std::uint64_t{2} + static_cast<std::uint64_t>(what);
  engine.agenda().schedule(engine.now() + function_.link,
                           rank(EventClass::message, function_.number), *this, cookie);
}

// A write to a register has arrived. What is enabled already has done its work: it begins anew.
void FunctionDriver::fire(std::uint64_t cookie) {
  if (cookie == stops_watched) return abort_late_stops();
  const auto number = static_cast<std::uint32_t>(cookie / 2);
  if (!function_.device->present()) return;
  const QueueState state = slice_.queue_state(number);
  if (static_cast<What>(cookie % 2) == What::stop) {
    queues_[number].halting = false;  // it does not go on
    if (state == QueueState::disabled) has_stopped(queues_[number]);
    slice_.stop_queue(number, params_.stop_marker);
    return;
  }
  if (!queues_[number].done) return;
  if (state == QueueState::running) {
    queues_[number].enabled = false;  // by what came before
    slice_.stop_queue(number, false);
    queues_[number].enabled = true;
  }
  queues_[number].halting = false;  // of a function that vanished
  slice_.enable(number, queues_[number].work);
  tell_sent(queues_[number]);
}

void FunctionDriver::tell_sent(const Queue& queue) {
  if (queue.work.pasid != no_pasid) function_.access->sent(queue.pasid, queue.work.pasid);
}

void FunctionDriver::queue_done(Bdf /*source*/, std::uint32_t of_function, std::uint64_t failed) {
  Queue& queue = queues_[slice_.own_number_of(of_function)];
  end(queue, failed + queue.failed == 0 ? End::completed : End::failed);
}

void FunctionDriver::descriptor_ended(std::uint64_t number, SharedQueue::End how) {
  Queue& queue = queues_[number];
  has_stopped(queue);
  const bool whole = how == SharedQueue::End::done && queue.failed == 0;
  if (queue.done) end(queue, whole ? End::completed : End::failed);
}

// An interrupt tells who waits for the work.
void FunctionDriver::end(Queue& queue, End how) {
  if (!queue.done) return;
  ++(how == End::completed ? stats.completed : stats.failed);
  const Instant seen = kernel_.engine().now() + params_.interrupt;
  latency.record(seen - queue.since);
  kernel_.workers.post_at(seen, [done = std::exchange(queue.done, nullptr), how](Thread& thread) {
    done(thread, how);
  });
}

}  // namespace viosim
