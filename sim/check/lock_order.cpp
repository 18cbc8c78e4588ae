// A graph of locks, which grows by an edge with each new order.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/lock_order.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace viosim::check {

void LockOrder::observe(const TraceEvent& event) {
  if (static_cast<EventKind>(event.kind) != EventKind::lock_order) return;
  const auto held = static_cast<std::uint32_t>(event.value);
  const std::uint32_t taken = event.component;
  if (held == taken || !taken_under_it_[held].try_emplace(taken, scene_.link(event)).second) return;
  const std::vector<std::uint32_t> back = way(taken, held);
  if (back.empty()) return;
  std::string others;
  std::vector<Link> evidence;
  for (std::size_t i = 0; i < back.size(); ++i) {
    others += (i == 0 ? "" : ", then ") + scene_.path(back[i]);
    if (i > 0) evidence.push_back(taken_under_it_.at(back[i - 1]).at(back[i]));
  }
  scene_.violate(Invariant::lock_order, event,
                 fmt::format("{} is taken under {}; elsewhere {}", scene_.path(taken),
                             scene_.path(held), others),
                 std::move(evidence));
}

std::vector<std::uint32_t> LockOrder::way(std::uint32_t from, std::uint32_t to) const {
  std::map<std::uint32_t, std::uint32_t> came_from{{from, from}};
  std::vector<std::uint32_t> next{from};
  while (!next.empty() && !came_from.contains(to)) {
    const std::uint32_t at = next.back();
    next.pop_back();
    const auto under = taken_under_it_.find(at);
    if (under == taken_under_it_.end()) continue;
    for (const auto& [lock, first] : under->second)
      if (came_from.emplace(lock, at).second) next.push_back(lock);
  }
  std::vector<std::uint32_t> path;
  if (!came_from.contains(to)) return path;
  for (std::uint32_t at = to; at != from; at = came_from.at(at)) path.push_back(at);
  path.push_back(from);
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace viosim::check
