// Open things are found by what their events have in common; the flow that they belong to goes with
// them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/trace/flows.hpp"

#include "models/trace_events.hpp"
#include "sim/scenario/component_path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

namespace viosim {

enum class Flows::Step : std::uint8_t {
  unknown,
  none,
  page_request,
  on_its_way,  // request_dropped, group_taken, respond
  group_answered,
  submit,
  descriptor_end,  // invalidate, timed_out, aborted
  command,
  command_done,
  allocate,
  free,
  bind,
  unbind
};

Flows::Flows(const std::vector<std::string>& components, const PartNames& parts,
             const EventNames& names, Requests::Take take)
    : names_(names), take_(std::move(take)) {
  std::map<std::string, std::uint32_t> numbers;
  const auto number_of = [&](const std::string& path) {
    return numbers.try_emplace(path, static_cast<std::uint32_t>(numbers.size() + 1)).first->second;
  };
  for (const std::string& component : components) {
    const std::vector<PathStep> steps = steps_of(component);
    Place place;
    if (!steps.empty())
      place.host = number_of(fmt::format("host {} {}", steps[0].name, steps[0].index));
    if (parts.of(component) == PartOf::guest)
      place.guest = number_of("guest " + parts.path_of(component));
    places_.push_back(place);
  }
}

Flows::Step Flows::step_of(std::uint16_t kind) {
  static constexpr std::array<std::pair<EventKind, Step>, 15> named = {
      {{EventKind::page_request, Step::page_request},
       {EventKind::request_dropped, Step::on_its_way},
       {EventKind::group_taken, Step::on_its_way},
       {EventKind::respond, Step::on_its_way},
       {EventKind::group_answered, Step::group_answered},
       {EventKind::submit, Step::submit},
       {EventKind::invalidate, Step::descriptor_end},
       {EventKind::timed_out, Step::descriptor_end},
       {EventKind::aborted, Step::descriptor_end},
       {EventKind::command, Step::command},
       {EventKind::command_done, Step::command_done},
       {EventKind::allocate, Step::allocate},
       {EventKind::free, Step::free},
       {EventKind::bind, Step::bind},
       {EventKind::unbind, Step::unbind}}};
  if (kind >= steps_.size()) steps_.resize(std::size_t{kind} + 1, Step::unknown);
  Step& step = steps_[kind];
  if (step != Step::unknown) return step;
  const auto found = std::find_if(named.begin(), named.end(), [&](const auto& one) {
    return name_of(one.first) == names_.kind(kind).name;
  });
  return step = found == named.end() ? Step::none : found->second;
}

bool Flows::add(const Shown& shown) {
  switch (step_of(shown.event.kind)) {
    case Step::page_request:
      request(shown);
      return true;
    case Step::on_its_way:
      group_step(shown, false);
      return true;
    case Step::group_answered:
      group_step(shown, true);
      return true;
    case Step::submit:
      submit(shown);
      return true;
    case Step::descriptor_end:
      descriptor_end(shown);
      return true;
    case Step::command:
      command(shown);
      return true;
    case Step::command_done:
      command_done(shown);
      return true;
    case Step::allocate:
      return allocated(shown);
    case Step::free:
      return freed(shown);
    case Step::bind:
      return bound(shown, true);
    case Step::unbind:
      return bound(shown, false);
    case Step::unknown:
    case Step::none:
      break;
  }
  return false;
}

Flows::Place Flows::place_of(const TraceEvent& event) const {
  return event.component < places_.size() ? places_[event.component] : Place{};
}

// Guests know functions by their hosts' requester ids, and a group's number is its function's.
Flows::Group Flows::group_of(const TraceEvent& event, std::uint64_t bits) const {
  const GroupBits group = GroupBits::decode(bits);
  return {place_of(event).host, group.source, group.group};
}

// A group that begins anew where one waits for its answer: its function was reset.
void Flows::request(const Shown& shown) {
  const GroupBits bits = GroupBits::decode(shown.event.value);
  if (bits.stop_marker()) return give({shown});
  const Group key = group_of(shown.event, shown.event.value);
  if (const auto old = groups_.find(key); old != groups_.end() && old->second.whole) {
    const Id abandoned = old->second.flow;
    groups_.erase(old);
    release(abandoned);
  }
  auto group = groups_.find(key);
  if (group == groups_.end()) {
    const Id flow = begin();
    group = groups_.emplace(key, OpenGroup{flow}).first;
    hold(flow);
  }
  append(group->second.flow, shown);
  group->second.whole = bits.closes_group();
}

void Flows::group_step(const Shown& shown, bool answer) {
  const auto group = groups_.find(group_of(shown.event, shown.event.value));
  if (group == groups_.end()) return give({shown});
  const Id flow = group->second.flow;
  append(flow, shown);
  if (!answer) return;
  groups_.erase(group);
  release(flow);
}

Flows::Id Flows::begin() {
  if (flows_.size() >= most_open) give_older_half();
  flows_.emplace(++last_, Flow{});
  return last_;
}

void Flows::release(Id flow) {
  const auto found = flows_.find(flow);
  if (--found->second.open > 0) return;
  std::vector<Shown> events = std::move(found->second.events);
  flows_.erase(found);
  give(std::move(events));
}

void Flows::give(std::vector<Shown> events) const {
  std::stable_sort(events.begin(), events.end(), [](const Shown& a, const Shown& b) {
    return a.event.time - a.event.duration < b.event.time - b.event.duration;
  });
  take_(events);
}

// Nothing leads to what was given.
void Flows::give_older_half() {
  const Id first_kept =
      std::next(flows_.begin(), static_cast<std::ptrdiff_t>(flows_.size() / 2))->first;
  const auto end = flows_.lower_bound(first_kept);
  for (auto at = flows_.begin(); at != end; ++at) give(std::move(at->second.events));
  flows_.erase(flows_.begin(), end);
  const auto by_id = [&](const auto& entry) { return entry.second < first_kept; };
  const auto by_entry = [&](const auto& entry) { return entry.second.flow < first_kept; };
  std::erase_if(groups_, by_entry);
  std::erase_if(descriptors_, by_id);
  std::erase_if(commands_, by_entry);
  std::erase_if(allocations_, by_id);
  std::erase_if(frees_, by_id);
  for (auto& [guest, orders] : orders_)
    std::erase_if(orders, [&](const Order& order) { return order.flow < first_kept; });
}

void Flows::finish() {
  for (auto& [id, flow] : flows_) give(std::move(flow.events));
  flows_.clear();
}

}  // namespace viosim
