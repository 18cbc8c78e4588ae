// The parameters of an invalidation queue, and what is counted.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/base/time.hpp"

#include <cstdint>

namespace viosim::vtd {

// VT-d 3.x, IQA_REG: QS names rings of 1 to 128 pages.
constexpr std::uint32_t least_entries = 256;        // of 16 bytes
constexpr std::uint32_t least_wide_entries = 128;   // of 32 bytes
constexpr std::uint32_t most_entries = 32768;       // of 16 bytes
constexpr std::uint32_t most_wide_entries = 16384;  // of 32 bytes

struct InvalidationQueueParams {
  std::uint32_t entries = 256;
  Ps doorbell = 100ns;
  Ps fetch = 80ns;
  Ps fetch_each = 5ns;
  Ps context_cache = 100ns;
  Ps pasid_cache = 100ns;
  Ps iotlb = 200ns;
  Ps iotlb_domain_each = 2ns;
  Ps device_tlb = 700ns;
  Ps device_tlb_send = 5ns;
  Ps device_tlb_timeout = 10ms;
  Ps interrupt_cache = 100ns;
  Ps wait = 100ns;
  Ps page_response = 100ns;
  std::uint32_t outstanding = 128;
  std::uint32_t max_address_mask = 18;
  bool drain = true;
  bool pasid_drain = true;

  static constexpr auto fields() {
    using P = InvalidationQueueParams;
    return Fields{
        field(
            "entries", &P::entries,
            "Descriptors in the ring, which has 1 to 128 pages of memory: in scalable mode, where "
            "they have 32 bytes, 16384 at most; in legacy mode, where they have 16, 256 at least.",
            "Linux uses 256")
            .power_of_two()
            .from(least_wide_entries)
            .to(most_entries),
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
        field("iotlb_domain_each", &P::iotlb_domain_each,
              "The same, domain-selective: in addition for each entry that the IOTLB holds when it "
              "is begun.",
              "assumed: all are looked at"),
        field("device_tlb", &P::device_tlb,
              "Executing a device-TLB descriptor for a function without a modelled TLB: request to "
              "the device and its completion.",
              "assumed: two link crossings and 300 ns in the device"),
        field("device_tlb_send", &P::device_tlb_send,
              "Executing a device-TLB descriptor for a function with a TLB, until the request "
              "leaves.",
              "assumed: as fast as descriptors are fetched"),
        field("device_tlb_timeout", &P::device_tlb_timeout,
              "From a device-TLB request to the time-out error, without a completion.",
              "assumed: a minute in the specification, far less in simulations")
            .from(Ps(1)),
        field("interrupt_cache", &P::interrupt_cache,
              "Executing an interrupt-entry-cache descriptor; interrupts are not modelled.",
              "assumed"),
        field("wait", &P::wait, "Executing a wait descriptor: its status write reaches memory.",
              "assumed"),
        field("page_response", &P::page_response,
              "Executing a page-group-response descriptor, until the response leaves.", "assumed"),
        field("outstanding", &P::outstanding,
              "Descriptors that may be under way at a time: device-TLB requests without a "
              "completion yet, drains, and waits behind them. 1: each is complete before the next "
              "is begun.",
              "assumed")
            .from(1),
        field("max_address_mask", &P::max_address_mask,
              "MAMV: log2 of the most pages that a page-selective IOTLB descriptor may name.",
              "18, 1 GiB: QEMU 7.2")
            .to(63),
        field("drain", &P::drain,
              "DRD, DWD: IOTLB descriptors that ask for it are complete only when memory has the "
              "reads or the writes in flight.",
              "off: descriptors that ask take no longer than others"),
        field("pasid_drain", &P::pasid_drain,
              "The same of all PASID-IOTLB descriptors, which cannot ask for it.",
              "assumed: Linux frees pages and PASIDs after "
              "such a descriptor and its wait")};
  }
  bool operator==(const InvalidationQueueParams&) const = default;
};

struct InvalidationQueueStats {
  std::uint64_t descriptors = 0;
  std::uint64_t waits = 0;
  std::uint64_t batches = 0;
  std::uint64_t errors = 0;
  static constexpr auto fields() {
    using S = InvalidationQueueStats;
    return Fields{metric("descriptors", &S::descriptors, Unit::count, "Descriptors executed."),
                  metric("waits", &S::waits, Unit::count, "Of these, wait descriptors."),
                  metric("batches", &S::batches, Unit::count, "Batches fetched from memory."),
                  metric("errors", &S::errors, Unit::count,
                         "Times that an error stopped the queue (IQE): a descriptor or a tail "
                         "that hardware does not take.")};
  }
};

// Of the traffic between an invalidation queue and functions.
struct DeviceInvalidationStats {
  std::uint64_t sent = 0;
  std::uint64_t queued = 0;
  std::uint64_t in_flight_most = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t unexpected = 0;
  std::uint64_t completions_lost = 0;
  std::uint64_t waits_aborted = 0;
  std::uint64_t responses = 0;
  std::uint64_t responses_lost = 0;
  static constexpr auto fields() {
    using S = DeviceInvalidationStats;
    return Fields{
        metric("sent", &S::sent, Unit::count, "Invalidation requests sent to functions."),
        metric("queued", &S::queued, Unit::count,
               "Of these, requests that waited for a tag, or for the function's queue."),
        metric("in_flight_most", &S::in_flight_most, Unit::count,
               "Most requests without a completion at a time."),
        metric("timeouts", &S::timeouts, Unit::count, "Requests that were not completed in time."),
        metric("unexpected", &S::unexpected, Unit::count,
               "Completions of requests that had not been sent, or no longer waited."),
        metric("completions_lost", &S::completions_lost, Unit::count,
               "Completions from functions that are not there any more."),
        metric("waits_aborted", &S::waits_aborted, Unit::count,
               "Wait descriptors that a time-out aborted."),
        metric("responses", &S::responses, Unit::count, "Page group responses sent to functions."),
        metric("responses_lost", &S::responses_lost, Unit::count,
               "Page group responses for functions that are not there.")};
  }
};

}  // namespace viosim::vtd
