// By what events name a function: its requester id, the domain of its entries, its component.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/private_numbers.hpp"

#include "models/iommu/vtd/descriptor.hpp"

namespace viosim::check {

std::optional<std::uint32_t> PrivateNumbers::space_of(const TraceEvent& event) {
  const auto kind = static_cast<EventKind>(event.kind);
  if (kind == EventKind::plug)
    requesters_[event.component] = static_cast<std::uint16_t>(event.value);
  if (kind == EventKind::own_numbers) own(event);
  if (functions_.empty()) return {};
  switch (kind) {
    case EventKind::table_write:
      return written(event);
    case EventKind::submit:
    case EventKind::invalidate:
    case EventKind::timed_out:
    case EventKind::aborted:
    case EventKind::given_up:
      return described(event);
    case EventKind::bind:
    case EventKind::unbind:
      if (event.code != trace_code::for_guest) return {};
      return space_of(
          Key{scene_.host_of_files(event.component), static_cast<std::uint16_t>(event.value)});
    case EventKind::nested:
    case EventKind::fault:
    case EventKind::work_begun:
      return space_of(event, static_cast<std::uint16_t>(event.value));
    case EventKind::page_request:
    case EventKind::request_dropped:
    case EventKind::group_taken:
    case EventKind::respond:
    case EventKind::group_answered:
      return space_of(event, GroupBits::decode(event.value).source);
    case EventKind::translate: {
      const auto requester = requesters_.find(event.component);
      return requester == requesters_.end() ? Space{} : space_of(event, requester->second);
    }
    default:
      return {};
  }
}

std::uint32_t PrivateNumbers::epoch_of(const TraceEvent& event, std::uint32_t space) const {
  const auto found = lives_.find({space, event.pasid});
  if (found == lives_.end()) return 0;
  const Lives& lives = found->second;
  return event.time - event.duration < lives.since ? lives.epoch - 1 : lives.epoch;
}

void PrivateNumbers::own(const TraceEvent& event) {
  const Key function{scene_.machine_of(event.component), static_cast<std::uint16_t>(event.value)};
  if (event.code == 0) {
    functions_.erase(function);
    return;
  }
  functions_.insert(function);
  if (!spaces_.contains(function)) spaces_[function] = scene_.add_space(function.first);
}

std::optional<std::uint32_t> PrivateNumbers::space_of(const Key& function) const {
  return functions_.contains(function) ? Space(spaces_.at(function)) : Space{};
}

// A domain is theirs until another function's entry has it.
std::optional<std::uint32_t> PrivateNumbers::written(const TraceEvent& event) {
  const EntryWritten entry = EntryWritten::decode(event.value);
  const Key domain{scene_.unit_of(event.component), entry.domain};
  const Space space = space_of(event, entry.source);
  if (!space) {
    domains_.erase(domain);
    return space;
  }
  domains_[domain] = *space;
  if (event.code == trace_code::entry_set) {
    Lives& lives = lives_[{*space, event.pasid}];
    ++lives.epoch;
    lives.since = event.time;
  }
  return space;
}

std::optional<std::uint32_t> PrivateNumbers::described(const TraceEvent& event) const {
  if (!vtd::Descriptor::decodable(event.value)) return {};
  const auto descriptor = vtd::Descriptor::decode(event.value, event.address);
  switch (descriptor.type) {
    case vtd::DescriptorType::pasid_cache:
    case vtd::DescriptorType::pasid_iotlb: {
      const auto its = domains_.find(
          {scene_.unit_of(event.component), static_cast<std::uint16_t>(descriptor.domain.value())});
      return its == domains_.end() ? Space{} : Space(its->second);
    }
    case vtd::DescriptorType::pasid_device_tlb:
    case vtd::DescriptorType::page_response:
      return space_of(event, descriptor.source.value());
    default:
      return {};
  }
}

}  // namespace viosim::check
