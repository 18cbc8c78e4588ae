// Finding, filling and forgetting a function's translations.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/device_tlb.hpp"

#include <algorithm>

namespace viosim {

unsigned DeviceTlb::level_of(Bytes size) {
  unsigned level = levels;
  while (level > 1 && size < leaf_size(level)) --level;
  return level;
}

std::optional<DeviceTlb::Found> DeviceTlb::look_up(Space space, Iova iova, Access access,
                                                   UseStamp stamp) {
  for (unsigned level = 1; level <= largest_level_; ++level) {
    const std::uint32_t slot = cache_.probe(PageTag::of(iova, level, space.bits()));
    if (slot == decltype(cache_)::none || !cache_.value(slot).allows(access)) continue;
    cache_.touch(slot, stamp);
    ++cache_.stats.hits;
    return Found{cache_.value(slot), iova.page_base(leaf_size(level)), leaf_size(level)};
  }
  ++cache_.stats.misses;
  return {};
}

void DeviceTlb::insert(Space space, Iova iova, const TranslationCompletion& completion,
                       UseStamp stamp) {
  const unsigned level = level_of(completion.size);
  largest_level_ = std::max(largest_level_, level);
  const Hpa address = completion.page + iova.page_offset(completion.size);
  cache_.insert(PageTag::of(iova, level, space.bits()),
                {address.page_base(leaf_size(level)), completion.read, completion.write,
                 completion.execute, completion.untranslated_only},
                stamp);
}

void DeviceTlb::invalidate(const AtsInvalidation& invalidation) {
  cache_.invalidate_if([&](const PageTag& tag, const Entry&) {
    const Pasid pasid(static_cast<std::uint32_t>(tag.space));
    return invalidation.covers(pasid, Iova(tag.first_page() << 12U), leaf_size(tag.level()));
  });
}

void DeviceTlb::clear() { cache_.invalidate_all(); }

}  // namespace viosim
