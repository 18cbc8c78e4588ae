// The reference's walkers: a bounded number of them, and who waits for one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/reference/caches.hpp"

#include <array>
#include <deque>
#include <list>
#include <optional>

namespace viosim::test::reference {

struct Answer {
  vtd::FaultReason fault = vtd::FaultReason::none;
  Hpa frame;
  Allowed allowed;
  unsigned level = 1;
};

// A translation that missed, on its way through the tables.
struct Walk {
  Self& self;
  const Requester& device;
  Traffic::Next request;
  Pasid pasid;  // once known
  Instant ready{};
  Instant next_read{};
  std::uint64_t ticket = 0;
  std::optional<CachedContext> context{};
  std::optional<Root> root{};
  bool silent = false;          // faults are not reported
  bool overtaken = false;       // by an invalidation: its findings may be stale
  std::array<bool, 4> stale{};  // the same, if the page turns out to be of this level
  bool queued = false;
  bool has_walker = false;
  bool asked = false;     // the IOTLB
  bool in_iotlb = false;  // where its page was found, when the address space had been read
};

class Walks {
 public:
  Walks(World& world, Caches& caches)
      : world_(world), caches_(caches), free_walkers_(world.params().walkers) {}

  Answer walk(const Requester& device, const Traffic::Next& request, Self& self);
  static CachedPage page_found(const Walk& walk, const Answer& answer);
  std::list<Walk*>& in_flight() { return in_flight_; }

 private:
  void leave_at(const Walk& walk, const Answer& answer);
  Ps consult_caches(Walk& walk);
  void know_context(Walk& walk, const CachedContext& context);
  static void know_entry(Walk& walk, const vtd::PasidEntry& entry);
  PhysicalMemory::Line read(Walk& walk, Hpa at);
  bool needs_reads(const Walk& walk) const;
  void wait_for_walker(Walk& walk);
  void know_from_caches(Walk& walk);
  void give_walker_on(Self& self);
  static Answer fault(vtd::FaultReason reason);
  Answer translate(Walk& walk);
  vtd::FaultReason find_context(Walk& walk);
  static vtd::FaultReason pasid_fault(const Walk& walk);
  vtd::FaultReason find_pasid_entry(Walk& walk);
  vtd::FaultReason width_fault(const Walk& walk) const;
  std::optional<Answer> look_up_late(Walk& walk);
  Answer walk_pages(Walk& walk);
  void fill(const Walk& walk, const Answer& answer);

  World& world_;
  Caches& caches_;
  std::uint32_t free_walkers_;
  std::deque<Walk*> waiting_;
  Self* giver_ = nullptr;  // of a walker, while it waits to hear whether it was taken
  std::list<Walk*> in_flight_;
};

}  // namespace viosim::test::reference
