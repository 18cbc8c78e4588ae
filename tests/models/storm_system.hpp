// The IOMMU of a storm and the software that writes its tables, whatever the architecture.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/rng.hpp"
#include "core/des/agenda.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/iommu.hpp"
#include "models/iommu/vtd/unit.hpp"
#include "tests/support/paged_space.hpp"

#include <cstdint>
#include <functional>
#include <memory>

namespace viosim::test {

// A requester. Its entry stays where it is, what the entry says changes.
struct StormFunction {
  std::uint32_t number = 0;
  Bdf source{};
  Pasid pasid = no_pasid;       // of its requests
  bool translations = false;    // ATS: translation and translated requests are allowed
  bool page_requests = false;   // PRI
  bool supervisor = false;      // SRE, ENS: of requests with a PASID, as its entry says now
  bool execute = false;         // ERE
  bool rid_privileged = false;  // its requests without a PASID are supervisor requests
  bool outlaw = false;          // carries a PASID that its entry does not allow
  bool device_tlb = false;      // software has to invalidate it
};

class StormSystem {
 public:
  virtual Iommu& iommu() = 0;
  virtual vtd::Unit* vtd() { return nullptr; }
  virtual bool legacy() const { return false; }
  virtual bool riscv() const { return false; }

  // Once, before it is bound.
  virtual void add(const StormFunction& function) = 0;
  virtual void bind(const StormFunction& function, PagedSpace& space) = 0;
  // Takes away what bind() wrote, and orders that hardware forgets it. Whether the function may still
  // send what needs no address space.
  virtual bool unbind(const StormFunction& function, const PagedSpace& space) = 0;

  // Orders that hardware forgets that there was no entry (caching mode).
  virtual void announce(const StormFunction& /*function*/, const PagedSpace& /*space*/) {}

  // Orders, sent with the next submit(). Pages: those that an entry of `level` covers.
  virtual void forget_page(const PagedSpace& space, bool second, Iova at, unsigned level,
                           bool leaf_only) = 0;
  // A frame of a guest's memory, with one of its tables in it, lies elsewhere.
  virtual void forget_guest_frame(const PagedSpace& space, Iova at, bool leaf_only) = 0;
  virtual void forget_space(const PagedSpace& space) = 0;
  virtual void forget_nothing() = 0;  // takes orders back
  virtual void respond(const PageResponse& response) = 0;
  // All orders, and `done` when they are complete. `at_once`: as if they took no time, where
  // nobody but the IOMMU has to be told.
  virtual void submit(bool at_once, std::function<void()> done) = 0;
  // Whether what is done last waited for the walks that were in flight.
  bool drained() const { return drained_; }

  virtual ~StormSystem() = default;

 protected:
  bool drained_ = false;
};

struct StormWorld {
  Agenda& agenda;
  PhysicalMemory& memory;
  Rng& rng;
  std::uint64_t seed;
};

// As random as a storm's: times in steps of 5 ns, so that much happens at one instant.
Ps storm_time(Rng& rng, std::uint64_t most);
void draw_caches(Rng& rng, IommuParams& params);

std::unique_ptr<StormSystem> make_vtd_system(const StormWorld& world);
std::unique_ptr<StormSystem> make_riscv_system(const StormWorld& world);

}  // namespace viosim::test
