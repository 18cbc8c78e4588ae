// Numbers processes and threads, and finds a free lane for each event.
// SPDX-License-Identifier: Apache-2.0
#include "sim/trace/tracks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>

namespace viosim {

// Numbers of processes begin at 1, which trace viewers take for no idle task; those of threads follow.
Tracks::Tracks(const std::vector<std::string>& components, const PartNames& parts) {
  std::map<std::string, std::uint32_t> numbers;
  for (const std::string& component : components) {
    std::string name = fmt::format("{} {}", name_of(parts.of(component)), parts.path_of(component));
    const auto next = static_cast<std::uint32_t>(processes_.size() + 1);
    const auto [known, is_new] = numbers.try_emplace(name, next);
    if (is_new) processes_.push_back({next, std::move(name)});
    process_of_.push_back(known->second);
  }
  lanes_.resize(components.size() + 1);  // the last for those that the run's tables lack
  next_track_ = static_cast<std::uint32_t>(processes_.size() + 1);
}

// Components that the run's tables lack are in no process of their own.
std::uint32_t Tracks::process_of(std::uint32_t component) const {
  return component < process_of_.size() ? process_of_[component] : 1;
}

std::uint64_t Tracks::sort_index(std::uint32_t component, std::uint32_t lane) const {
  constexpr std::uint64_t lanes_each = 10'000;
  return component * lanes_each + lane;
}

Tracks::Place Tracks::place(const TraceEvent& event) {
  Lanes& lanes = lanes_[std::min<std::size_t>(event.component, lanes_.size() - 1)];
  const std::int64_t begin = event.time - event.duration;
  // The lane that has been free for the shortest time; instants need no room, but in the first one.
  if (event.duration == 0 && !lanes.tracks.empty()) return {lanes.tracks[0], 0, false};
  const auto after = lanes.until.upper_bound({begin, std::numeric_limits<std::uint32_t>::max()});
  if (after != lanes.until.begin()) {
    const std::uint32_t lane = std::prev(after)->second;
    lanes.until.erase(std::prev(after));
    lanes.until.emplace(event.time, lane);
    return {lanes.tracks[lane], lane, false};
  }
  const auto lane = static_cast<std::uint32_t>(lanes.tracks.size());
  lanes.tracks.push_back(next_track_++);
  lanes.until.emplace(event.time, lane);
  return {lanes.tracks[lane], lane, true};
}

}  // namespace viosim
