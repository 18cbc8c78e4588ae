// Descriptors: a guest's, and those that its host submits for it.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/descriptor.hpp"
#include "models/trace_events.hpp"
#include "sim/trace/flows.hpp"

#include <algorithm>

namespace viosim {
namespace {

using vtd::Descriptor;
using vtd::DescriptorType;

bool is(std::uint16_t code, DescriptorType type) {
  return code == static_cast<std::uint16_t>(type);
}

// What a hypervisor may carry out by descriptors of its host's.
bool makes_others(std::uint16_t type) {
  return !is(type, DescriptorType::wait) && !is(type, DescriptorType::page_response) &&
         !is(type, DescriptorType::interrupt_cache);
}

// What makes it look at the guest's entries.
bool shows_entries(std::uint16_t type) {
  return is(type, DescriptorType::pasid_cache) || is(type, DescriptorType::context_cache);
}

}  // namespace

// A response to a group goes with the group; others of a host with what a guest had asked for.
void Flows::submit(const Shown& shown) {
  const TraceEvent& event = shown.event;
  const Place place = place_of(event);
  Id flow = 0;
  if (is(event.code, DescriptorType::page_response) && Descriptor::decodable(event.value)) {
    const Descriptor response = Descriptor::decode(event.value, event.address);
    const auto group = groups_.find({place.host, response.source.value(), response.group});
    if (group != groups_.end()) flow = group->second.flow;
  } else if (place.guest == 0) {
    flow = cause_of(event);
  }
  if (flow == 0) flow = begin();
  append(flow, shown);
  hold(flow);
  const Bits bits{event.component, event.address, event.value};
  descriptors_.emplace(bits, flow);
  if (place.guest != 0) orders_[place.guest].push_back({flow, bits, event.pasid, event.code});
}

void Flows::descriptor_end(const Shown& shown) {
  const Bits bits{shown.event.component, shown.event.address, shown.event.value};
  const auto oldest = descriptors_.lower_bound(bits);
  if (oldest == descriptors_.end() || oldest->first != bits) return give({shown});
  const Id flow = oldest->second;
  descriptors_.erase(oldest);
  if (const auto orders = orders_.find(place_of(shown.event).guest); orders != orders_.end()) {
    std::vector<Order>& all = orders->second;
    const auto order =
        std::find_if(all.begin(), all.end(), [&](const Order& one) { return one.bits == bits; });
    if (order != all.end()) all.erase(order);
  }
  append(flow, shown);
  release(flow);
}

Flows::Id Flows::cause_of(const TraceEvent& submission) {
  auto& last = last_submission_;
  const bool goes_with_it = last.component == submission.component &&
                            last.time == submission.time && last.pasid == submission.pasid &&
                            flows_.contains(last.flow);
  if (goes_with_it) return last.flow;
  const Order* const order = order_for(submission);
  if (order == nullptr) return 0;
  last = {submission.component, submission.pasid, submission.time, order->flow};
  return order->flow;
}

// The guest's that names what the host's does comes before one that names the PASID, and that before
// one of all PASIDs; of equals the oldest.
const Flows::Order* Flows::order_for(const TraceEvent& submission) const {
  const auto known = guests_numbers_.find({place_of(submission).host, submission.pasid});
  if (known == guests_numbers_.end()) return nullptr;
  const Order* best = nullptr;
  int least = 3;
  for (const auto& [number, functions] : known->second) {
    const auto orders = orders_.find(number.machine);
    if (orders == orders_.end()) continue;
    for (const Order& order : orders->second) {
      if (!makes_others(order.type) || (order.pasid != number.pasid && order.pasid != 0)) continue;
      const bool same_pages = order.bits.high == submission.address;
      const int rank = order.pasid == 0 ? 2 : (same_pages ? 0 : 1);
      if (rank > least || (rank == least && best->flow <= order.flow)) continue;
      best = &order;
      least = rank;
    }
  }
  return best;
}

// Which of a guest's numbers a host's stands for; and what has made the hypervisor bind it.
bool Flows::bound(const Shown& shown, bool binds) {
  const TraceEvent& event = shown.event;
  const Place place = place_of(event);
  if (event.code != trace_code::for_guest || place.guest == 0) return false;
  const auto pasid = static_cast<std::uint32_t>(event.address);
  count_bound({place.host, event.pasid}, {place.guest, pasid}, binds);
  const auto orders = orders_.find(place.guest);
  if (orders == orders_.end()) return false;
  const auto order =
      std::find_if(orders->second.begin(), orders->second.end(), [&](const Order& one) {
        return shows_entries(one.type) && (one.pasid == pasid || one.pasid == 0);
      });
  if (order == orders->second.end()) return false;
  append(order->flow, shown);
  return true;
}

// By several functions at a time.
void Flows::count_bound(const Number& host, const Number& guest, bool binds) {
  auto& numbers = guests_numbers_[host];
  if (binds) {
    ++numbers[guest];
  } else if (const auto known = numbers.find(guest);
             known != numbers.end() && --known->second == 0) {
    numbers.erase(known);
  }
  if (numbers.empty()) guests_numbers_.erase(host);
}

}  // namespace viosim
