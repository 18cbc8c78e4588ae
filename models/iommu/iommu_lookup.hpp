// The look-ups that every request begins with: part of iommu.hpp, in a header for speed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/iommu.hpp"

namespace viosim {

template <class AnyCache>
void Iommu::count_use(AnyCache& cache, std::uint32_t slot, UseStamp stamp) {
  if (slot == AnyCache::none) {
    ++cache.stats.misses;
  } else {
    ++cache.stats.hits;
    cache.touch(slot, stamp);
  }
}

inline bool Iommu::lookup_iotlb(IommuPort& port, std::uint64_t space, Iova iova, Rights needed,
                                UseStamp stamp, Hpa& answer) {
  port.iotlb_space = space;
  for (unsigned level = 1; level <= largest_level_; ++level) {
    const PageTag tag = PageTag::of(iova, level, space);
    const std::uint32_t slot =
        iotlb_.probe(tag, tag.page == port.iotlb_page ? port.iotlb_hint : decltype(iotlb_)::none);
    if (slot == decltype(iotlb_)::none) continue;
    const IotlbValue& value = iotlb_.value(slot);
    if (!value.rights.contain(needed)) break;  // walks again: the entry may be stale and too strict
    // Requests with RID_PASID and without one share entries, but not what is a message: the former's
    // addresses are not, and their translations must not be.
    const Hpa at = value.page + iova.page_offset(leaf_size(level));
    if (messages_.holds(port.pasid == no_pasid ? iova.value() : at.value())) [[unlikely]]
      break;
    iotlb_.touch(slot, stamp);
    port.iotlb_hint = slot;
    port.iotlb_page = tag.page;
    ++iotlb_.stats.hits;
    answer = at;
    return true;
  }
  ++iotlb_.stats.misses;
  return false;
}

inline void Iommu::prefetch_homes(const IommuPort& port, Iova iova) const {
  contexts_.prefetch_slot(port.context_hint);
  pasids_.prefetch_slot(port.pasid_hint);
  iotlb_.prefetch_home(PageTag::of(iova, 1, port.iotlb_space));
}

inline void Iommu::prefetch(const IommuPort& port, Iova iova) const {
  if (iotlb_.prefetch(PageTag::of(iova, 1, port.iotlb_space))) return;
  // A walk, probably, and probably through the same last tables as the last one in its region.
  const WalkHint& hint = port.walk_hint(iova);
  const std::uint64_t page = iova.value() >> 12U;
  if (page >> 9U != hint.page >> 9U) return;
  const std::uint64_t further = (page - hint.page) * 8;
  for (const Hpa entry : hint.leaf) {
    if (entry == Hpa()) continue;
    memory_.prefetch(
        Hpa((entry.value() & ~std::uint64_t{0xfff}) | ((entry.value() + further) & 0xff8U)));
  }
}

inline bool Iommu::find(IommuPort& port, Iova iova, Access access, UseStamp stamp, Hpa& answer) {
  ++stats.requests;
  if (params_.iotlb_tag == IotlbTag::source) {
    return lookup_iotlb(port, space_tag(port.source, port.pasid), iova,
                        Rights::needed(access, port.privileged), stamp, answer);
  }
  const std::uint32_t context = contexts_.probe({port.source}, port.context_hint);
  if (context == decltype(contexts_)::none) {
    ++contexts_.stats.misses;
    return false;
  }
  ++contexts_.stats.hits;
  contexts_.touch(context, stamp);
  port.context_hint = context;
  const DeviceEntry& config = contexts_.value(context);
  const AddressSpace* space = &config.space;
  bool privileged = port.privileged;
  if (port.pasid != no_pasid && !config.pasids) return false;
  if (config.by_process(port.pasid)) {
    Pasid pasid = port.pasid;
    if (pasid == no_pasid) {
      pasid = config.default_pasid;
      privileged = config.default_privileged;
    }
    const std::uint32_t entry = pasids_.probe({port.source, pasid}, port.pasid_hint);
    if (entry == decltype(pasids_)::none) {
      ++pasids_.stats.misses;
      return false;
    }
    ++pasids_.stats.hits;
    pasids_.touch(entry, stamp);
    port.pasid_hint = entry;
    space = &pasids_.value(entry);
  }
  if ((privileged || access == Access::execute) && !space->allows(access, privileged)) [[unlikely]]
    return false;
  if (space->pass_through) {
    const bool message = port.pasid == no_pasid && access == Access::write;
    if (messages_.holds(iova.value()) && !message) return false;
    answer = Hpa(iova.value());
    translation_latency_.record(hit_latency_);
    return true;
  }
  return lookup_iotlb(port, space_tag(*space), iova, Rights::needed(access, privileged), stamp,
                      answer);
}

}  // namespace viosim
