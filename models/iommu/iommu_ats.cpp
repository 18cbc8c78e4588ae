// What an IOMMU does for functions with a translation cache of their own: look-ups of translation
// requests, and of requests that are translated already.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/iommu.hpp"

namespace viosim {

// Found by source, the caches behind the IOTLB are counted and used by start_walk().
bool Iommu::lookup_translation(IommuPort& port, Iova iova, Access access, UseStamp stamp,
                               WalkResult& answer) {
  ++stats.requests;
  const bool by_source = params_.iotlb_tag == IotlbTag::source;
  const Known found = known(port, AddressType::translation);
  if (!by_source) {
    count_use(contexts_, found.context_slot, stamp);
    if (found.config == nullptr || !found.config->translation_requests) return false;
    port.context_hint = found.context_slot;
    if (found.config->process_table && (port.pasid == no_pasid || found.config->pasids))
      count_use(pasids_, found.space_slot, stamp);
    if (found.space == nullptr) return false;
    port.pasid_hint = found.space_slot;
    if (found.space->pass_through) {
      const bool implied = port.pasid == no_pasid && found.config->by_process(no_pasid);
      const bool privileged = implied ? found.config->default_privileged : port.privileged;
      if (messages_.holds(iova.value()) || !found.space->allows(access, privileged)) return false;
      answer = {};
      answer.translation = {Hpa(iova.page_base(page_4k).value()), 1, found.space->allowed()};
      translation_latency_.record(hit_latency_);
      note_on_its_way(Access::read, stamp.instant() + hit_latency_);
      return true;
    }
  }
  const Miss asked{&port, nullptr, 0, iova, {}, {}, 0, access, AddressType::translation};
  const auto entry = cached(asked, found);
  // Absent pages (caching mode) are answered on the way that misses go.
  if (!entry || entry->result.translation.rights.empty()) {
    ++iotlb_.stats.misses;
    return false;
  }
  count_use(iotlb_, entry->slot, stamp);
  note_on_its_way(Access::read, stamp.instant() + hit_latency_);
  answer = entry->result;
  answer.translation = without_messages(port, iova, answer.translation);
  return true;
}

// A device that kept a page in which messages lie would write them to memory.
Translation Iommu::without_messages(const IommuPort& port, Iova iova,
                                    const Translation& whole) const {
  const Bytes size = leaf_size(whole.level);
  const std::uint64_t first =
      port.pasid == no_pasid ? iova.page_base(size).value() : whole.page.value();
  if (!messages_.meets(first, size.count())) return whole;
  const Hpa page(whole.address(iova).value() & ~(page_4k.count() - 1));
  return {page, 1, whole.rights};
}

bool Iommu::admit(IommuPort& port, Iova address, AddressType type, Access access, UseStamp stamp) {
  const std::uint32_t slot = contexts_.probe({port.source}, port.context_hint);
  if (params_.iotlb_tag != IotlbTag::source) count_use(contexts_, slot, stamp);
  if (slot == decltype(contexts_)::none) return false;
  port.context_hint = slot;
  ConfigWalk walk;
  walk.request.pasid = port.pasid;
  walk.request.source = port.source;
  walk.request.type = type;
  walk.config = contexts_.value(slot);
  if (architecture_.with_config(walk) != ConfigStep::found) return false;
  if (type == AddressType::translated && messages_.holds(address.value())) return false;
  if (reaches_memory(type))
    note_on_its_way(access, stamp.instant() + context_latency() + memory_latency_);
  return true;
}

}  // namespace viosim
