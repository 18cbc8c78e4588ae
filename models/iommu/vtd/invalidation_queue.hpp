// The invalidation queue: a ring of descriptors in memory that hardware fetches and executes in
// order.
// SPDX-License-Identifier: Apache-2.0
//
// Software writes descriptors into the ring and then the tail register. Hardware reads what lies
// between head and tail in one batch, and executes it descriptor by descriptor; each takes its cost
// and has its effect at the end of it. Most are complete then. Three kinds stay under way while
// later ones are executed: requests to the TLB of a function, until its completion comes back;
// IOTLB descriptors that drain, until memory has what was in flight; and wait descriptors behind
// any of those, until all that is ahead of them is complete. A fence holds up what follows it.
//
// Errors stop the queue until software clears them. IQE: a descriptor that hardware does not take,
// with head pointing at it. ITE: a function did not complete a request in time; that request is
// over, waits under way are aborted without a status write, and head stays where it is, past all
// that was executed or aborted. ICE, an unexpected completion, stops nothing.
#pragma once

#include "core/base/stats.hpp"
#include "core/des/agenda.hpp"
#include "core/des/trace.hpp"
#include "models/host/physical_memory.hpp"
#include "models/injection.hpp"
#include "models/iommu/iommu.hpp"
#include "models/iommu/vtd/descriptor.hpp"
#include "models/iommu/vtd/device_invalidations.hpp"
#include "models/iommu/vtd/event_control.hpp"
#include "models/iommu/vtd/invalidation_params.hpp"
#include "models/iommu/vtd/page_requests.hpp"
#include "models/trace_point.hpp"

#include <cstdint>
#include <deque>
#include <vector>

namespace viosim::vtd {

// Who wants to know how far the queue is. Called from hardware events.
class InvalidationListener {
 public:
  // Descriptors that are complete or aborted so far.
  virtual void descriptor_executed(std::uint64_t /*how_many_so_far*/) {}
  virtual void head_moved() {}  // there is room in the ring
  virtual void status_written(Hpa /*address*/) {}
  virtual void wait_aborted(Hpa /*status_address*/) {}
  virtual void wait_interrupt() {}  // of a wait descriptor, when IWC was clear; not behind a mask
  virtual void queue_stopped(std::uint32_t /*head*/) {}
  virtual void invalidation_timed_out(Bdf /*source*/) {}
  virtual void unexpected_completion(Bdf /*source*/) {}

 protected:
  ~InvalidationListener() = default;
};

// FSTS and IQER, as far as they are about this queue.
struct InvalidationErrors {
  bool queue = false;       // IQE
  bool completion = false;  // ICE
  bool timeout = false;     // ITE
  QueueError reason = QueueError::none;
  Bdf timed_out{};
  Bdf unexpected{};
  bool operator==(const InvalidationErrors&) const = default;
};

class InvalidationQueue final : public EventHandler, DrainClient, DeviceInvalidations::Owner {
 public:
  // `number`: the IOMMU's place in the order of events. Comes up enabled, as driver software leaves
  // it, with a ring of its own; entries are 16 bytes, or 32 in `scalable` mode.
  InvalidationQueue(const InvalidationQueueParams& params, bool scalable, std::uint32_t number,
                    Agenda& agenda, PhysicalMemory& memory, Iommu& iommu);

  // Registers, as software sees them.
  const InvalidationQueueParams& params() const { return params_; }
  Hpa base() const { return base_; }
  std::uint32_t entries() const { return entries_; }
  Bytes entry_size() const { return Bytes(wide_ ? 32 : 16); }
  std::uint32_t head() const { return head_; }
  const InvalidationErrors& errors() const { return errors_; }
  // Begun and not complete, the one that is being executed included.
  std::size_t descriptors_under_way() const { return running_.size() + (executing_ ? 1 : 0); }
  bool wait_interrupt_pending() const { return wait_interrupt_; }  // ICS.IWC

  // Takes effect `doorbell` later; at once when disabled.
  void write_tail(std::uint32_t tail);
  // IQT, of which bits 18:4 are kept. What is no place in the ring stops the queue when hardware comes to
  // look at it: as it is told while it runs, or else when it is switched on or its error cleared.
  void write_tail_register(std::uint64_t value);
  void clear_error();  // the error that stopped it; goes on from head
  void clear(bool queue, bool completion, bool timeout);
  void clear_wait_interrupt();
  const EventControl& event() const { return event_; }  // IECTL
  void mask_event(bool on);
  // QIE. Switched off, it ends what is under way, and only then is no longer enabled(); head is 0
  // then.
  void enable(bool on);
  bool enabled() const { return enabled_ || !quiet(); }
  // While it is not enabled.
  void set_ring(Hpa base, std::uint32_t entries, bool wide);

  void listen(InvalidationListener& listener) { listener_ = &listener; }
  // Page drains ask it.
  void attach_page_requests(PageRequestPath& path) { pages_ = &path; }
  DeviceInvalidations& devices() { return devices_; }
  const DeviceInvalidations& devices() const { return devices_; }
  // Writes an event for every descriptor that is complete, and for every page group response.
  void trace_to(Tracer& tracer, std::uint32_t component, const PasidLives* lives = nullptr) {
    trace_.trace_to(tracer, component, lives);
    devices_.trace = trace_;
  }
  void fire(std::uint64_t what) override;

  InvalidationQueueStats stats;
  InjectionPort injection;  // of descriptors and status writes
  Histogram batch_latency;  // start of the fetch to last descriptor executed

 private:
  enum class What : std::uint8_t {
    doorbell,
    fetched,
    executed,
    drained,
    answered,
    written,
    late,        // a descriptor that an injection has delayed
    late_status  // a status write that one has
  };
  enum class State : std::uint8_t { under_way, waiting, draining_pages, writing };
  struct Running {
    std::uint64_t number = 0;
    DescriptorBits bits{};
    Descriptor descriptor;
    Instant start;
    State state = State::under_way;
    bool timed_out = false;
  };

  void take_tail(std::uint32_t offset);
  QueueError tail_error() const;
  std::uint32_t tail() const {
    return tail_offset_ / static_cast<std::uint32_t>(entry_size().count());
  }
  void go_on();
  void start_fetch();
  void fetched();
  void start_next();
  void stop_batch();
  void settle();
  void end_batch();
  bool held() const;
  bool stopped() const { return errors_.queue || errors_.timeout; }
  bool quiet() const { return !busy_ && running_.empty() && doorbells_ == 0; }
  QueueError error(const DescriptorBits& bits) const;
  void stop(QueueError reason);
  Ps cost(const Descriptor& descriptor) const;

  void move_head();
  bool start_wait(const Running& wait);
  void executed();
  bool stays_under_way(const Running& done);
  DrainKinds kinds_to_drain(const Descriptor& descriptor) const;
  void end(const Running& done);
  void count_ended();
  void end_wait(const Descriptor& wait);
  void write_status(const Descriptor& wait);

  // Injections: hardware takes such a descriptor for executed.
  bool put_off(Running& done);
  void take_effect(Running descriptor);
  void take_late(std::uint64_t number);
  void take_held_back();
  void write_late_status(std::uint64_t number);
  bool end_stray(std::uint64_t number);

  void emit(const Running& done);
  void complete(std::uint64_t number);
  void look_at_waits();
  void abort_waits();
  std::deque<Running>::iterator find(std::uint64_t number);
  std::vector<Running>::iterator find_stray(std::uint64_t number);
  Running& sent(std::uint64_t number);

  void drained(std::uint64_t cookie) override { schedule(Ps(0), What::drained, cookie); }
  void drain_ended(std::uint64_t number);
  bool pages_drained(std::uint64_t number);
  bool answers_arrived(std::uint64_t number);
  void write_soon(std::uint64_t number);
  void device_invalidated(std::uint64_t cookie) override { complete(cookie); }
  void device_timed_out(std::uint64_t cookie, Bdf source) override;
  void device_unexpected(Bdf source) override;
  void schedule(Ps after, What what, std::uint64_t argument = 0);

  InvalidationQueueParams params_;
  bool scalable_;
  bool wide_;
  std::uint32_t number_;
  Agenda& agenda_;
  PhysicalMemory& memory_;
  Iommu& iommu_;
  DeviceInvalidations devices_;
  PageRequestPath* pages_ = nullptr;
  InvalidationListener* listener_ = nullptr;
  TracePoint trace_;

  std::uint32_t entries_;
  Hpa base_;
  std::uint32_t head_ = 0;
  std::uint32_t tail_offset_ = 0;  // bytes, as it was written: a place in the ring or not
  std::uint32_t doorbells_ = 0;    // on their way
  bool enabled_ = true;
  bool busy_ = false;  // with a batch
  bool held_up_ = false;
  bool wait_interrupt_ = false;
  EventControl event_;  // of wait descriptors
  InvalidationErrors errors_;
  std::uint32_t fetched_until_ = 0;
  std::vector<DescriptorBits> batch_;  // fetched, not yet executed; next first
  std::size_t batch_at_ = 0;
  Instant batch_start_;
  Running now_;                  // being executed
  bool executing_ = false;       // is it
  std::deque<Running> running_;  // under way, in order
  std::uint64_t last_number_ = 0;
  std::uint64_t ended_ = 0;
  std::vector<Running> late_;           // delayed
  std::vector<Running> held_back_;      // until the next descriptor has been executed
  std::vector<Running> strays_;         // requests to functions, which no wait waits for
  std::vector<Running> late_statuses_;  // waits
  std::vector<Descriptor> held_statuses_;
};

}  // namespace viosim::vtd
