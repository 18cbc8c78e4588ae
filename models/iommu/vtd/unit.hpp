// A VT-d IOMMU as software meets it: its tables in memory, its invalidation queue, and behind them the
// caches and walkers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/iommu/iommu.hpp"
#include "models/iommu/vtd/architecture.hpp"
#include "models/iommu/vtd/fault_records.hpp"
#include "models/iommu/vtd/invalidation_queue.hpp"
#include "models/iommu/vtd/page_request_queue.hpp"
#include "models/iommu/vtd/tables.hpp"
#include "models/pcie/ats.hpp"
#include "models/pcie/link.hpp"

#include <cstdint>
#include <string>
#include <tuple>

namespace viosim::vtd {

struct UnitParams : IommuParams {
  Mode mode = Mode::scalable;
  InvalidationQueueParams invalidation;
  PageRequestQueueParams page_requests;
  std::uint32_t fault_records = 8;

  static constexpr auto fields() {
    return Fields{field("mode", &UnitParams::mode, "How requests find their page table.")} +
           IommuParams::fields() +
           Fields{
               field("invalidation", &UnitParams::invalidation, "The invalidation queue."),
               field("page_requests", &UnitParams::page_requests, "The page request queue."),
               field("fault_records", &UnitParams::fault_records,
                     "Registers that record faults. Software of scenarios hears of faults without "
                     "reading them, so their number changes no result.",
                     "8: Intel Xeon E7 v2 datasheet, volume 2")
                   .from(1)
                   .to(256)};
  }
  void check(const Where& where) const;
  bool operator==(const UnitParams&) const = default;
};

class Unit final : public AtsHost {
 public:
  // `number`: its place in the order of events at one instant.
  Unit(std::string path, const UnitParams& params, std::uint32_t number, Agenda& agenda,
       PhysicalMemory& memory, std::uint64_t seed);
  Unit(const Unit&) = delete;
  Unit& operator=(const Unit&) = delete;

  const UnitParams& params() const { return params_; }
  const std::string& path() const { return iommu_.path(); }
  Iommu& iommu() { return iommu_; }
  const Iommu& iommu() const { return iommu_; }
  Tables& tables() { return tables_; }
  InvalidationQueue& queue() { return queue_; }
  const InvalidationQueue& queue() const { return queue_; }
  FaultRecords& faults() { return faults_; }
  PageRequestQueue& page_requests() { return page_requests_; }
  const PageRequestQueue& page_requests() const { return page_requests_; }

  // A function with a translation cache. `link`: added to what it sends, where it does not add it
  // itself.
  void attach_ats(Bdf source, AtsFunction& function, Ps link = Ps(0)) {
    queue_.devices().attach(source, function, link);
    page_requests_.attach(source, function);
  }
  void detach_ats(Bdf source) {
    queue_.devices().detach(source);
    page_requests_.detach(source);
  }
  // Where page requests of such functions go, if not into page_requests().
  void attach_page_requests(PageRequestPath& path) {
    pages_ = &path;
    queue_.attach_page_requests(path);
  }
  void invalidated(Bdf source, std::uint32_t tags) override {
    queue_.devices().completed(source, tags);
  }
  void request_page(const PageRequest& request) override { pages_->request_page(request); }

  // SRTP and TE. What was cached is dropped, as with "enhanced set root table pointer" (ESRTPS).
  void set_root(Hpa root_table, RootMode mode);
  void enable_translation(bool on);
  bool translates() const { return architecture_.translates(); }

 private:
  UnitParams params_;
  Tables tables_;
  VtdArchitecture architecture_;
  Iommu iommu_;
  InvalidationQueue queue_;
  PageRequestQueue page_requests_;
  FaultRecords faults_;
  PageRequestPath* pages_ = &page_requests_;
};

}  // namespace viosim::vtd
