// Putting the parts of a VT-d IOMMU together.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/unit.hpp"

#include "core/base/error.hpp"

#include <fmt/format.h>

#include <utility>

namespace viosim::vtd {

void UnitParams::check(const Where& where) const {
  IommuParams::check(where);
  if (mode == Mode::scalable && invalidation.entries > most_wide_entries) {
    (where / "invalidation" / "entries")
        .reject(
            fmt::format("read {}; expected at most {} in scalable mode, whose descriptors have 32 "
                        "bytes; {} in \"mode\": \"legacy\" only",
                        invalidation.entries, most_wide_entries, most_entries));
  }
  if (mode == Mode::legacy && invalidation.entries < least_entries) {
    (where / "invalidation" / "entries")
        .reject(
            fmt::format("read {}; expected at least {} in legacy mode, whose descriptors have 16 "
                        "bytes: one page; {} in \"mode\": \"scalable\" only",
                        invalidation.entries, least_entries, least_wide_entries));
  }
}

Unit::Unit(std::string path, const UnitParams& params, std::uint32_t number, Agenda& agenda,
           PhysicalMemory& memory, std::uint64_t seed)
    : params_(params),
      tables_(memory, params.mode),
      architecture_(params.mode, tables_.root()),
      iommu_(std::move(path), params, architecture_, number, agenda, memory, seed),
      queue_(params.invalidation, params.mode == Mode::scalable, number, agenda, memory, iommu_),
      page_requests_(params.page_requests, number, agenda, memory, iommu_),
      faults_(params.fault_records) {
  iommu_.report_faults_to(faults_);
  queue_.attach_page_requests(page_requests_);
}

void Unit::set_root(Hpa root_table, RootMode mode) {
  architecture_.set_root(root_table, mode);
  iommu_.drop_all();
}

void Unit::enable_translation(bool on) {
  if (on == translates()) return;
  architecture_.enable(on);
  iommu_.drop_all();
}

}  // namespace viosim::vtd
