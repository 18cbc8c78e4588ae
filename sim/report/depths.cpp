// Charts of what waits, and what belongs into each.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/depths.hpp"

#include "models/trace_events.hpp"

#include <map>
#include <string_view>

namespace viosim::report {

Depths::Depths(const TimeGrid& grid, const Roles& roles, const std::vector<std::string>& components)
    : roles_(roles), components_(components) {
  const ComponentGauges none(grid, components.size());
  charts_ = {
      {"Requests in flight", "of each device, from issue to answer", none},
      {"Misses waiting for a walker", "in each IOMMU, or for another walk of the same page", none},
      {"Walks in progress", "in each IOMMU", none},
      {"Requests waiting for a page", "of each function, whose page requests are not answered yet",
       none},
      {"Page groups without an answer", "of each function", none},
      {"Descriptors in invalidation queues",
       "that software submitted and hardware has not executed", none},
      {"Virtual commands without a response", "of each vIOMMU", none},
      {"Threads waiting for a lock", "by lock", none}};
  std::map<std::string_view, std::uint32_t> hosts;
  for (const std::string& path : components) {
    const std::string_view host = std::string_view(path).substr(0, path.find('.'));
    host_of_.push_back(
        hosts.try_emplace(host, static_cast<std::uint32_t>(hosts.size())).first->second);
  }
}

void Depths::lasted(Which which, const TraceEvent& event) {
  if (event.time != begin_of(event))
    charts_[which].gauges.interval(event.component, begin_of(event), event.time);
}

void Depths::begins(Which which, const TraceEvent& event, const Key& key) {
  open_[key].push_back(event.component);
  charts_[which].gauges.change(event.component, event.time, 1);
}

void Depths::ends(const TraceEvent& event, const Key& key) {
  const auto found = open_.find(key);
  if (found == open_.end()) return;
  charts_[std::get<0>(key)].gauges.change(found->second.back(), event.time, -1);
  found->second.pop_back();
  if (found->second.empty()) open_.erase(found);
}

// A group is known by its function and its number; several requests may be of one group.
void Depths::group(const TraceEvent& event) {
  const GroupBits bits = GroupBits::decode(event.value);
  const std::uint32_t host =
      event.component < host_of_.size() ? host_of_[event.component] : ~std::uint32_t{0};
  const Key key{groups, host, bits.source, bits.group};
  if (roles_.of(event.kind) == Role::group_answered) return ends(event, key);
  if (!bits.stop_marker() && !open_.contains(key)) begins(groups, event, key);
}

void Depths::add(const TraceEvent& event) {
  switch (roles_.of(event.kind)) {
    case Role::translate:
      return lasted(in_flight, event);
    case Role::part: {
      const std::string& name = roles_.name(event.kind);
      if (name == "wait") lasted(walkers, event);
      if (name == "walk") lasted(walking, event);
      if (name == "page") lasted(pages, event);
      return;
    }
    case Role::submit:
      return begins(descriptors, event, {descriptors, event.component, event.address, event.value});
    case Role::invalidate:
      return ends(event, {descriptors, event.component, event.address, event.value});
    case Role::command:
      return begins(commands, event, {commands, event.component, event.value, 0});
    case Role::command_done:
      return ends(event, {commands, event.component, event.value, 0});
    case Role::page_request:
    case Role::group_answered:
      return group(event);
    case Role::lock_wait:
      return lasted(locks, event);
    default:
      return;
  }
}

Value Depths::json() const {
  Value::Array all;
  for (const Chart& chart : charts_) {
    if (chart.gauges.empty()) continue;
    Value::Object object;
    viosim::add(object, "title", chart.title);
    viosim::add(object, "note", chart.note);
    viosim::add(object, "lanes", chart.gauges.json(components_));
    all.emplace_back(std::move(object));
  }
  return Value(std::move(all));
}

}  // namespace viosim::report
