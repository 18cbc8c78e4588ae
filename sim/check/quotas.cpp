// Counting what sets say against what lives.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/quotas.hpp"

#include <fmt/format.h>

namespace viosim::check {

namespace {

constexpr std::uint64_t capacity = 1U << 20U;  // PASIDs are of 20 bits

}  // namespace

void Quotas::observe(const TraceEvent& event) {
  if (static_cast<EventKind>(event.kind) != EventKind::id_set) return;
  const std::uint32_t host = scene_.host_of_files(event.component);
  const auto used = static_cast<std::uint32_t>(event.value);
  const std::uint64_t quota = event.value >> 32U;
  const std::uint32_t living = scene_.living(host, std::uint64_t{1} + event.component);
  Host& sets = hosts_[host];
  const auto its = sets.quotas.try_emplace(event.component, 0).first;
  sets.all += quota - its->second;
  its->second = quota;
  if (event.code == trace_code::set_gone) {
    sets.all -= quota;
    sets.quotas.erase(its);
  }
  const std::uint64_t all = event.address + sets.all;
  const std::string& whose = scene_.path(event.component);
  if (used > quota) {
    scene_.violate(Invariant::within_quota, event,
                   fmt::format("the set of {} has {} PASIDs, and may have {}", whose, used, quota));
  }
  if (used != living) {
    scene_.violate(
        Invariant::within_quota, event,
        fmt::format("the set of {} counts {} PASIDs, and {} of it live", whose, used, living),
        scene_.allocations(host, std::uint64_t{1} + event.component));
  }
  if (all > capacity) {
    scene_.violate(
        Invariant::within_quota, event,
        fmt::format("sets may have {} PASIDs, with what is left, and there are {}", all, capacity));
  }
}

}  // namespace viosim::check
