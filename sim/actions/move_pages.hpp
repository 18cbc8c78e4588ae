// Event action: a kernel moves pages under running DMA, or stops doing so.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/actions/targets.hpp"

#include <vector>

namespace viosim {

struct MovePages {
  static constexpr Alternative alternative{
      "move_pages", "Kernels move pages under running DMA, at another rate or no longer."};
  PathPattern move_pages;
  Ps every{0};

  static constexpr auto fields() {
    using M = MovePages;
    return Fields{
        required("move_pages", &M::move_pages, "Hosts whose kernels move pages from now on."),
        required("every", &M::every,
                 "Once in this time, as `migrate_every` of the kernel; \"0 ps\": no longer.")};
  }
  bool operator==(const MovePages&) const = default;

  std::vector<Act> prepare(const Targets& targets, const Where& where) const;
};

}  // namespace viosim
