// Lives of PASIDs, counted by owner.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/owners.hpp"

#include "models/trace_events.hpp"
#include "sim/report/lanes.hpp"

#include <fmt/format.h>

#include <string_view>

namespace viosim::report {
namespace {

constexpr std::string_view space_suffix = ".pasids";

std::string owner_name(const std::vector<std::string>& components, std::uint32_t space,
                       std::uint64_t owner) {
  std::string kernel = space < components.size() ? components[space] : "unknown components";
  if (kernel.ends_with(space_suffix)) kernel.resize(kernel.size() - space_suffix.size());
  if (owner == 0) return kernel;
  if (owner > components.size()) return fmt::format("{}: an unknown owner", kernel);
  return fmt::format("{}: {}", kernel, components[static_cast<std::size_t>(owner - 1)]);
}

}  // namespace

void Owners::allocated(const TraceEvent& event) {
  const Number number{event.component, event.pasid};
  end_life(number, event.time);
  owner_of_[number] = event.value;
  gauges_[{event.component, event.value}].add(grid_, event.time, 1);
}

void Owners::freed(const TraceEvent& event) {
  if (event.code == 0 || event.code == trace_code::orphaned)
    end_life({event.component, event.pasid}, event.time);
}

void Owners::end_life(const Number& number, std::int64_t time) {
  const auto life = owner_of_.find(number);
  if (life == owner_of_.end()) return;
  gauges_[{number.first, life->second}].add(grid_, time, -1);
  owner_of_.erase(life);
}

Value Owners::json(const std::vector<std::string>& components) const {
  std::vector<NamedGauge> named;
  named.reserve(gauges_.size());
  for (const auto& [owner, gauge] : gauges_)
    named.push_back({owner_name(components, owner.first, owner.second), &gauge});
  return lanes_json(grid_, named);
}

}  // namespace viosim::report
