// By what events name a function: its requester id, the domain of its entries, its component.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/private_numbers.hpp"

#include "models/iommu/vtd/descriptor.hpp"

namespace viosim::check {

bool PrivateNumbers::concerns(const TraceEvent& event) {
  const auto kind = static_cast<EventKind>(event.kind);
  if (kind == EventKind::plug)
    requesters_[event.component] = static_cast<std::uint16_t>(event.value);
  if (kind == EventKind::own_numbers) own(event);
  if (functions_.empty()) return false;
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
      return event.code == trace_code::for_guest &&
             functions_.contains({scene_.host_of(scene_.machine_of(event.component)),
                                  static_cast<std::uint16_t>(event.value)});
    case EventKind::nested:
    case EventKind::fault:
      return is_of(event, static_cast<std::uint16_t>(event.value));
    case EventKind::page_request:
    case EventKind::request_dropped:
    case EventKind::group_taken:
    case EventKind::respond:
    case EventKind::group_answered:
      return is_of(event, GroupBits::decode(event.value).source);
    case EventKind::translate: {
      const auto requester = requesters_.find(event.component);
      return requester != requesters_.end() && is_of(event, requester->second);
    }
    default:
      return false;
  }
}

void PrivateNumbers::own(const TraceEvent& event) {
  const Key function{scene_.machine_of(event.component), static_cast<std::uint16_t>(event.value)};
  if (event.code != 0)
    functions_.insert(function);
  else
    functions_.erase(function);
}

bool PrivateNumbers::is_of(const TraceEvent& event, std::uint16_t source) const {
  return functions_.contains({scene_.machine_of(event.component), source});
}

// A domain is theirs until another function's entry has it.
bool PrivateNumbers::written(const TraceEvent& event) {
  const EntryWritten entry = EntryWritten::decode(event.value);
  const Key domain{scene_.unit_of(event.component), entry.domain};
  const bool is_private = is_of(event, entry.source);
  if (is_private)
    domains_.insert(domain);
  else
    domains_.erase(domain);
  return is_private;
}

bool PrivateNumbers::described(const TraceEvent& event) const {
  if (!vtd::Descriptor::decodable(event.value)) return false;
  const auto descriptor = vtd::Descriptor::decode(event.value, event.address);
  switch (descriptor.type) {
    case vtd::DescriptorType::pasid_cache:
    case vtd::DescriptorType::pasid_iotlb:
      return domains_.contains(
          {scene_.unit_of(event.component), static_cast<std::uint16_t>(descriptor.domain.value())});
    case vtd::DescriptorType::pasid_device_tlb:
    case vtd::DescriptorType::page_response:
      return is_of(event, descriptor.source.value());
    default:
      return false;
  }
}

}  // namespace viosim::check
