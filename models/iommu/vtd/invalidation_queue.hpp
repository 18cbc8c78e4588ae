// The invalidation queue: a ring of descriptors in memory that hardware fetches and executes in
// order.
// SPDX-License-Identifier: Apache-2.0
//
// Software writes descriptors into the ring and then the tail register. Hardware reads what lies
// between head and tail in one batch, and executes it descriptor by descriptor; each takes its cost
// and has its effect at the end of it. A descriptor that does not decode stops the queue with head
// pointing at it (IQE), until software clears the error.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/agenda.hpp"
#include "core/des/trace.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/iommu.hpp"
#include "models/iommu/vtd/descriptor.hpp"

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

namespace viosim::vtd {

struct InvalidationQueueParams {
  std::uint32_t entries = 256;
  Ps doorbell = 100ns;
  Ps fetch = 80ns;
  Ps fetch_each = 5ns;
  Ps context_cache = 100ns;
  Ps pasid_cache = 100ns;
  Ps iotlb = 200ns;
  Ps device_tlb = 700ns;
  Ps interrupt_cache = 100ns;
  Ps wait = 100ns;

  static constexpr auto fields() {
    using P = InvalidationQueueParams;
    return std::tuple{
        field("entries", &P::entries, "Descriptors in the ring; a power of two from 128 to 32768.",
              "Linux uses 256"),
        field("doorbell", &P::doorbell, "Tail register write, processor to IOMMU.",
              "assumed, 50-200 ns"),
        field("fetch", &P::fetch, "Reading a batch of descriptors from memory.",
              "assumed: one DRAM read"),
        field("fetch_each", &P::fetch_each, "The same, for each descriptor of the batch.",
              "assumed"),
        field("context_cache", &P::context_cache, "Executing a context-cache descriptor.",
              "assumed"),
        field("pasid_cache", &P::pasid_cache, "Executing a PASID-cache descriptor.", "assumed"),
        field("iotlb", &P::iotlb, "Executing an IOTLB or PASID-IOTLB descriptor.", "assumed"),
        field("device_tlb", &P::device_tlb,
              "Executing a device-TLB descriptor: request to the device and its completion. No "
              "device of this version has a TLB.",
              "assumed: two link crossings and 300 ns in the device"),
        field("interrupt_cache", &P::interrupt_cache,
              "Executing an interrupt-entry-cache descriptor; interrupts are not modelled.",
              "assumed"),
        field("wait", &P::wait, "Executing a wait descriptor: its status write reaches memory.",
              "assumed")};
  }
  void check(const Where& where) const;
  bool operator==(const InvalidationQueueParams&) const = default;
};

struct InvalidationQueueStats {
  std::uint64_t descriptors = 0;
  std::uint64_t waits = 0;
  std::uint64_t batches = 0;
  std::uint64_t errors = 0;
  static constexpr auto fields() {
    using S = InvalidationQueueStats;
    return std::tuple{metric("descriptors", &S::descriptors, Unit::count, "Descriptors executed."),
                      metric("waits", &S::waits, Unit::count, "Of these, wait descriptors."),
                      metric("batches", &S::batches, Unit::count, "Batches fetched from memory."),
                      metric("errors", &S::errors, Unit::count,
                             "Descriptors that did not decode and stopped the queue.")};
  }
};

// Who wants to know how far the queue is. Called from hardware events.
class InvalidationListener {
 public:
  virtual void descriptor_executed(std::uint64_t /*how_many_so_far*/) {}
  virtual void status_written(Hpa /*address*/) {}
  virtual void queue_stopped(std::uint32_t /*head*/) {}

 protected:
  ~InvalidationListener() = default;
};

class InvalidationQueue final : public EventHandler {
 public:
  // `number`: the IOMMU's place in the order of events. Descriptors are 16 bytes, or 32 with `wide`
  // (scalable mode).
  InvalidationQueue(const InvalidationQueueParams& params, bool wide, std::uint32_t number,
                    Agenda& agenda, PhysicalMemory& memory, Iommu& iommu);

  // Registers, as software sees them.
  Hpa base() const { return base_; }
  std::uint32_t entries() const { return params_.entries; }
  Bytes entry_size() const { return Bytes(wide_ ? 32 : 16); }
  std::uint32_t head() const { return head_; }
  void write_tail(std::uint32_t tail);  // takes effect `doorbell` later
  void clear_error();                   // the descriptor at head is taken up again

  void listen(InvalidationListener& listener) { listener_ = &listener; }
  // Writes an event for every descriptor executed.
  void trace_to(Tracer& tracer, std::uint32_t component) {
    tracer_ = &tracer;
    component_ = component;
  }
  void fire(std::uint64_t what) override;

  InvalidationQueueStats stats;
  Histogram batch_latency;  // start of the fetch to last descriptor executed

 private:
  enum class What : std::uint8_t { doorbell, fetched, executed };
  void start_fetch();
  void fetched();
  void start_next();
  void emit(const std::array<std::uint64_t, 2>& descriptor);
  void executed();
  Ps cost(DescriptorType type) const;
  void schedule(Ps after, What what, std::uint64_t argument = 0);

  InvalidationQueueParams params_;
  bool wide_;
  std::uint32_t number_;
  Agenda& agenda_;
  PhysicalMemory& memory_;
  Iommu& iommu_;
  InvalidationListener* listener_ = nullptr;
  Tracer* tracer_ = nullptr;
  std::uint32_t component_ = 0;
  Hpa base_;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  bool busy_ = false;
  bool stopped_ = false;
  std::uint32_t fetched_until_ = 0;
  std::vector<std::array<std::uint64_t, 2>> batch_;  // fetched, not yet executed; next first
  std::size_t batch_at_ = 0;
  Instant batch_start_;
  Instant descriptor_start_;
};

}  // namespace viosim::vtd
