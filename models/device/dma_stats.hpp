// What a device counts, and how much of its work it has done.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"

#include <cstdint>
#include <optional>

namespace viosim {

struct DeviceStats {
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t faults = 0;
  std::uint64_t aborted = 0;
  std::uint64_t retried = 0;
  std::uint64_t last_completion = 0;
  static constexpr auto fields() {
    using S = DeviceStats;
    return Fields{
        metric("requests", &S::requests, Unit::count,
               "Requests that arrived at the IOMMU, retries not counted."),
        metric("hits", &S::hits, Unit::count,
               "Requests, retries included, answered from the IOTLB as they arrived."),
        metric("misses", &S::misses, Unit::count,
               "Requests, retries included, that needed a walk, or a part of one: of entries, of "
               "pages."),
        metric("faults", &S::faults, Unit::count, "Walks that ended in a fault."),
        metric("aborted", &S::aborted, Unit::count, "Requests that ended with an error."),
        metric("retried", &S::retried, Unit::count,
               "Requests sent again after their fault was handled."),
        metric("last_completion", &S::last_completion, Unit::picoseconds,
               "When its last request was completed: with their number, its throughput. 0 when "
               "nothing was, or all its slots are in use at the end of the run.")};
  }
};

// How much of its work a device has done.
struct Workload {
  std::uint64_t sent = 0;             // requests
  std::optional<std::uint64_t> left;  // absent where only the run's duration ends them

  // From how many were sent and what a device counts down from `first(requests)`.
  static Workload of(std::uint64_t sent, std::uint64_t countdown) {
    if (sent + countdown == endless) return {sent, std::nullopt};
    return {sent, countdown};
  }
  static constexpr std::uint64_t first(std::uint64_t requests) {
    return requests == 0 ? endless : requests;
  }

 private:
  static constexpr std::uint64_t endless = ~std::uint64_t{0};
};

}  // namespace viosim
