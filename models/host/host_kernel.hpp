// The host's kernel, as far as this version has one: it handles I/O page faults, and migrates pages under running DMA.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/rng.hpp"
#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "core/des/trace.hpp"
#include "models/device/dma_fabric.hpp"
#include "models/host/invalidator.hpp"
#include "models/iommu/page_table.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

struct HostKernelParams {
  Ps fault_interrupt = 3us;
  Ps fault_handling = 1500ns;
  Ps fault_response = 500ns;
  Ps page_request_read = 50ns;
  Ps migrate_every{0};
  Ps page_update = 200ns;
  Ps poll = 50ns;
  std::uint32_t tries = 1000;

  static constexpr auto fields() {
    using P = HostKernelParams;
    return Fields{
        field("fault_interrupt", &P::fault_interrupt,
              "Fault record to fault handler: interrupt and thread start.", "assumed, 2-10 us"),
        field("fault_handling", &P::fault_handling,
              "Handling one minor fault: finding the page and mapping it.", "assumed, 1-10 us"),
        field("fault_response", &P::fault_response, "Telling the device to go on.", "assumed"),
        field("page_request_read", &P::page_request_read,
              "Taking one entry from an IOMMU's page request queue.", "assumed"),
        field("migrate_every", &P::migrate_every,
              "Moves a page of one of the devices to another frame and invalidates, once in this "
              "time, as memory compaction does; \"0 ps\": never."),
        field("page_update", &P::page_update, "Rewriting one page table entry, in software.",
              "assumed"),
        field("poll", &P::poll, "Noticing that a status word in memory has changed.", "assumed"),
        field(
            "tries", &P::tries,
            "How often software does the same thing in vain before the run ends as failed: maps a "
            "page for a request that does not find it, submits an invalidation that a device does "
            "not answer. Requests on their way when the page came count, and pages that a group "
            "asks for ahead: below the pages of a group few runs get to their end.",
            "Linux tries for ever; races take few tries")
            .from(1)};
  }
  bool operator==(const HostKernelParams&) const = default;
};

struct HostKernelStats {
  std::uint64_t faults_handled = 0;
  std::uint64_t faults_refused = 0;
  std::uint64_t pages_migrated = 0;
  static constexpr auto fields() {
    using S = HostKernelStats;
    return Fields{metric("faults_handled", &S::faults_handled, Unit::count,
                         "Page faults of devices that ended in a mapping."),
                  metric("faults_refused", &S::faults_refused, Unit::count,
                         "Page faults outside of what the device may use."),
                  metric("pages_migrated", &S::pages_migrated, Unit::count,
                         "Pages moved to another frame under running DMA.")};
  }
};

// An address space of the host: a page table, and the frames behind it.
struct HostSpace {
  PageTable* table = nullptr;         // null: addresses are physical
  PageTable* second_stage = nullptr;  // nested: under the table, which is in a guest's memory
  DomainId domain;
  Pasid pasid = no_pasid;  // no_pasid: used by requests without one
  Pasid tag{0};            // with the domain, what its cached translations are tagged with
  bool first_level = false;
  bool absent_cached = false;  // caching mode: new mappings are announced, too
  Iova base;                   // what may be mapped: [base, base + size)
  Bytes size;
  Hpa frames;  // the frame of `base` when a page is mapped first; nested: the guest's
  Invalidator* driver = nullptr;
  std::vector<Bdf> device_tlbs;  // functions that keep its translations
};

class HostKernel final : public FaultService {
 public:
  HostKernel(std::string path, const HostKernelParams& params, Engine& engine, DmaFabric& fabric,
             Tracer& tracer, std::uint32_t component, std::uint64_t seed);

  // Device `device` of the fabric uses this space. Before the run, in the order of their numbers;
  // those of one kernel are numbered one after the other.
  void give(std::uint32_t device, std::size_t space);
  std::size_t add_space(const HostSpace& space);
  // A function that uses this space has a TLB of its own. Before the run.
  void add_device_tlb(std::size_t space, Bdf source) {
    spaces_[space].device_tlbs.push_back(source);
  }
  const HostSpace& space(std::size_t number) const { return spaces_[number]; }

  // Starts the kernel's actors. `until`: no page is migrated from then on. Faults reach it through request_faulted().
  void start(Instant until);

  void request_faulted(const FaultedRequest& request) override;

  // Whether devices of its own have pages that it can move: accelerators and guests' memory have none.
  bool has_pages_to_move() const { return std::any_of(spaces_.begin(), spaces_.end(), movable); }
  // Pages are moved at this rate from now on; zero: no longer. From an actor.
  void migrate_every(Ps time);

  // For actors: maps the page of an address that a device was missing, and announces it where absent
  // pages may be cached, which takes time. False: the device may not use it. `requester`: who is
  // missing it; asking again and again is a LivelockError.
  bool map_on_demand(std::size_t space, Iova iova, std::uint64_t requester);

  HostKernelStats stats;
  Histogram fault_latency;      // fault record to response
  Histogram migration_latency;  // entry rewritten to invalidation seen complete

 private:
  static bool movable(const HostSpace& space) {
    return space.table != nullptr && space.second_stage == nullptr;
  }
  struct Queued {
    FaultedRequest request;
    Instant at;
  };
  void handle_faults();
  void handle(const Queued& fault);
  void start_migration();
  void migrate_pages(std::uint32_t order);
  void migrate(HostSpace& space, Iova page, Hpa frame);
  void invalidate(const HostSpace& space, Iova page, std::span<const Bdf> device_tlbs);
  void asked_again(Iova page, std::uint64_t requester);
  void emit_map(Iova page, Hpa frame, Pasid pasid);

  std::string path_;
  HostKernelParams params_;
  Engine& engine_;
  DmaFabric& fabric_;
  Tracer& tracer_;
  std::uint32_t component_;
  Rng rng_;
  std::vector<HostSpace> spaces_;
  std::vector<std::size_t> space_of_;  // by device, from first_device_ on
  std::uint32_t first_device_ = 0;
  std::deque<Queued> faults_;
  std::map<std::pair<std::uint64_t, Iova>, std::uint32_t> in_vain_;  // of pages that were there
  Signal fault_;
  Instant until_;                      // no page is migrated from then on
  std::uint32_t migration_order_ = 0;  // the last one; who follows another one ends
  std::uint64_t next_frame_ = std::uint64_t{1}
                              << 30U;  // in frames: 4 TiB, above all devices' first frames
};

}  // namespace viosim
