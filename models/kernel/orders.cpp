// The right orders, and how they are disturbed.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/orders.hpp"

#include <algorithm>
#include <utility>

namespace viosim {
namespace {

using S = Step;
constexpr When caching = When::caching_mode;
constexpr When not_caching = When::no_caching_mode;
constexpr When not_emulated = When::not_emulated;

using Steps = std::vector<OrderStep>;

Steps right(Order order) {
  switch (order) {
    case Order::add:  // domain_context_mapping_one, iommu_enable_pci_caps
      return {{S::write_context},
              {S::flush_write_buffer, not_caching},
              {S::flush_context_cache, caching},
              {S::flush_iotlb_of_domain, caching},
              {S::enable_pasid},
              {S::enable_page_requests},
              {S::enable_ats}};
    case Order::set_up:  // intel_pasid_setup_*, pasid_flush_caches
      return {{S::write_fields},
              {S::barrier},
              {S::set_present},
              {S::flush_write_buffer, not_caching},
              {S::flush_pasid_cache, caching},
              {S::flush_iotlb_of_pasid, caching}};
    case Order::change:  // intel_pasid_setup_page_snoop_control
      return {{S::write_changes},
              {S::barrier},
              {S::flush_pasid_cache},
              {S::flush_iotlb_of_entry},
              {S::flush_device_tlb, not_emulated}};
    case Order::replace:  // intel_pasid_replace_nested, intel_pasid_flush_present (Linux 6.13)
      return {{S::write_entry},
              {S::barrier},
              {S::flush_pasid_cache},
              {S::flush_iotlb_of_entry},
              {S::flush_device_tlb, not_emulated}};
    case Order::tear_down:  // intel_pasid_tear_down_entry
      return {{S::clear_present},
              {S::barrier},
              {S::flush_pasid_cache},
              {S::flush_iotlb_of_entry},
              {S::flush_device_tlb, not_emulated},
              {S::zero_entry}};
    case Order::unmap_first:  // intel_flush_svm_range_dev
      return {{S::flush_iotlb_pages}, {S::flush_device_tlb_pages}};
    case Order::unmap_second:  // iommu_flush_iotlb_psi, iommu_flush_dev_iotlb
      return {{S::flush_iotlb_pages}, {S::flush_device_tlb_pages}};
    case Order::map:  // __mapping_notify_one
      return {{S::flush_write_buffer, not_caching}, {S::flush_iotlb_pages, caching}};
    case Order::attach:
      return {{S::set_up_default}, {S::enable_pasid}, {S::enable_page_requests}, {S::enable_ats}};
    case Order::detach:  // dmar_remove_one_dev_info
      return {{S::disable_ats},
              {S::disable_page_requests},
              {S::disable_pasid},
              {S::tear_down_default},
              {S::release_domain}};
    case Order::remove:  // domain_context_clear_one
      return {{S::tear_down_default},     {S::disable_ats},
              {S::disable_page_requests}, {S::disable_pasid},
              {S::clear_context_present}, {S::barrier},
              {S::flush_context_cache},   {S::flush_pasid_cache_of_domain},
              {S::flush_iotlb_of_domain}, {S::flush_device_tlb},
              {S::zero_context},          {S::release_domain}};
    case Order::drain:  // intel_svm_drain_prq
      return {{S::wait_for_queue}, {S::flush_faults}, {S::drain_hardware}};
  }
  return {};
}

}  // namespace

Orders::Orders() {
  for (const auto& choice : choices(Order{}))
    steps_[static_cast<std::size_t>(choice.value)] = right(choice.value);
}

bool Orders::drop(Order order, Step step) {
  return std::erase_if(steps_[static_cast<std::size_t>(order)],
                       [&](const OrderStep& at) { return at.step == step; }) > 0;
}

bool Orders::swap(Order order, Step one, Step other) {
  Steps& steps = steps_[static_cast<std::size_t>(order)];
  const auto find = [&](Step step) {
    return std::find_if(steps.begin(), steps.end(),
                        [&](const OrderStep& at) { return at.step == step; });
  };
  const auto first = find(one);
  const auto second = find(other);
  if (first == steps.end() || second == steps.end()) return false;
  std::iter_swap(first, second);
  return true;
}

}  // namespace viosim
