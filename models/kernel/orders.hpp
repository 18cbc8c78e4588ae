// In which order an IOMMU driver does what: tables first, then what caches know of them.
// SPDX-License-Identifier: Apache-2.0
//
// Each order is a list of named steps, as Linux 6.1's drivers/iommu/intel takes them. A wrong order
// is a bug that real drivers have had: an injection drops a step or swaps two, without touching
// code.
#pragma once

#include "core/base/fields.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace viosim {

enum class Order : std::uint8_t {
  add,
  set_up,
  change,
  replace,
  tear_down,
  unmap_first,
  unmap_second,
  map,
  attach,
  detach,
  remove,
  drain
};
inline constexpr std::size_t order_count = 12;

constexpr auto choices(Order) {
  return std::array{
      Choice{Order::add, "add", "a function gets its context entry and PASID table"},
      Choice{Order::set_up, "set_up", "a PASID entry becomes present"},
      Choice{Order::change, "change", "a present PASID entry changes"},
      Choice{Order::replace, "replace", "a present PASID entry makes way for another one"},
      Choice{Order::tear_down, "tear_down", "a PASID entry goes"},
      Choice{Order::unmap_first, "unmap_first", "pages were unmapped in a first level"},
      Choice{Order::unmap_second, "unmap_second", "pages were unmapped in a second level"},
      Choice{Order::map, "map", "pages were mapped in a second level"},
      Choice{Order::attach, "attach", "a function joins a domain"},
      Choice{Order::detach, "detach", "a function leaves its domain"},
      Choice{Order::remove, "remove", "a function goes"},
      Choice{Order::drain, "drain", "no page request of a PASID is left anywhere"}};
}

enum class Step : std::uint8_t {
  // Tables, under the IOMMU's lock.
  write_context,
  clear_context_present,
  zero_context,
  write_fields,
  set_present,
  write_changes,
  write_entry,
  clear_present,
  zero_entry,
  barrier,
  // What caches know.
  flush_write_buffer,
  flush_context_cache,
  flush_pasid_cache,
  flush_pasid_cache_of_domain,
  flush_iotlb_of_entry,
  flush_iotlb_of_pasid,
  flush_iotlb_of_domain,
  flush_iotlb_pages,
  flush_device_tlb,
  flush_device_tlb_pages,
  // The function.
  enable_pasid,
  enable_page_requests,
  enable_ats,
  disable_ats,
  disable_page_requests,
  disable_pasid,
  // Others.
  set_up_default,
  tear_down_default,
  release_domain,
  wait_for_queue,
  flush_faults,
  drain_hardware
};

// Some of them.
class StepSet {
 public:
  constexpr void add(Step step) { bits_ |= bit(step); }
  constexpr bool contains(Step step) const { return (bits_ & bit(step)) != 0; }

 private:
  static constexpr std::uint64_t bit(Step step) {
    return std::uint64_t{1} << static_cast<unsigned>(step);
  }
  std::uint64_t bits_ = 0;
};

constexpr auto choices(Step) {
  return std::array{
      Choice{Step::write_context, "write_context", "the context entry, present last"},
      Choice{Step::clear_context_present, "clear_context_present", "P of the context entry"},
      Choice{Step::zero_context, "zero_context", "the rest of it, and the PASID table"},
      Choice{Step::write_fields, "write_fields", "all of a PASID entry but P"},
      Choice{Step::set_present, "set_present", "P of it"},
      Choice{Step::write_changes, "write_changes", "words of a present PASID entry"},
      Choice{Step::write_entry, "write_entry", "all of a PASID entry, by one store of 64 bytes"},
      Choice{Step::clear_present, "clear_present", "P of it; with FPD set where it is to be quiet"},
      Choice{Step::zero_entry, "zero_entry", "the rest of it; FPD stays"},
      Choice{Step::barrier, "barrier", "what was written is seen before what follows"},
      Choice{Step::flush_write_buffer, "flush_write_buffer", "where hardware has one (RWBF)"},
      Choice{Step::flush_context_cache, "flush_context_cache", "of the function"},
      Choice{Step::flush_pasid_cache, "flush_pasid_cache", "of the PASID in its domain"},
      Choice{Step::flush_pasid_cache_of_domain, "flush_pasid_cache_of_domain", "all PASIDs of it"},
      Choice{Step::flush_iotlb_of_entry, "flush_iotlb_of_entry",
             "of the PASID; of the whole domain where a second level is used"},
      Choice{Step::flush_iotlb_of_pasid, "flush_iotlb_of_pasid", "all of the PASID"},
      Choice{Step::flush_iotlb_of_domain, "flush_iotlb_of_domain", "all of the domain"},
      Choice{Step::flush_iotlb_pages, "flush_iotlb_pages", "the range, of the PASID or domain"},
      Choice{Step::flush_device_tlb, "flush_device_tlb", "everything of the PASID, in the device"},
      Choice{Step::flush_device_tlb_pages, "flush_device_tlb_pages",
             "the range, in the device or in all of the domain"},
      Choice{Step::enable_pasid, "enable_pasid", "in the function's configuration space"},
      Choice{Step::enable_page_requests, "enable_page_requests", "there, after a reset of PRI"},
      Choice{Step::enable_ats, "enable_ats", "there; after PASID, as PCIe asks"},
      Choice{Step::disable_ats, "disable_ats", "there"},
      Choice{Step::disable_page_requests, "disable_page_requests", "there"},
      Choice{Step::disable_pasid, "disable_pasid", "there"},
      Choice{Step::set_up_default, "set_up_default", "the order set_up on RID_PASID"},
      Choice{Step::tear_down_default, "tear_down_default", "the order tear_down on RID_PASID"},
      Choice{Step::release_domain, "release_domain",
             "flushes the domain's id when its last function leaves"},
      Choice{Step::wait_for_queue, "wait_for_queue",
             "until the page request queue holds none of the PASID"},
      Choice{Step::flush_faults, "flush_faults", "until software has handled those it took"},
      Choice{Step::drain_hardware, "drain_hardware",
             "requests and responses on their way; again after an overflow"}};
}

// Whether a step writes tables: such steps in a row are taken under one hold of the IOMMU's lock.
constexpr bool writes_tables(Step step) { return step <= Step::barrier; }

enum class When : std::uint8_t { always, caching_mode, no_caching_mode, not_emulated };

struct OrderStep {
  Step step;
  When when = When::always;
  bool operator==(const OrderStep&) const = default;
};

class Orders {
 public:
  Orders();  // the right ones

  const std::vector<OrderStep>& of(Order order) const {
    return steps_[static_cast<std::size_t>(order)];
  }
  // False: it is not in that order.
  bool drop(Order order, Step step);
  bool swap(Order order, Step one, Step other);
  void restore() { *this = Orders(); }

 private:
  std::array<std::vector<OrderStep>, order_count> steps_;
};

}  // namespace viosim
