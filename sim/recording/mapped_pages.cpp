// Adding, splitting and removing ranges of pages.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/mapped_pages.hpp"

#include <algorithm>

namespace viosim::recording {

Mapping MappedPages::from(const Extents::value_type& extent, std::uint64_t page) {
  Mapping mapping = extent.second.mapping;
  mapping.pa_page += page - extent.first;
  return mapping;
}

std::uint64_t MappedPages::entries_of(PageRange range, const Mapping& mapping) {
  const unsigned shift = mapping.page_shift - 12U;
  return (range.last >> shift) - (range.first >> shift) + 1;
}

MappedPages::Extents::const_iterator MappedPages::first_touching(PageRange range) const {
  auto after = extents_.upper_bound(range.first);
  if (after != extents_.begin()) {
    const auto before = std::prev(after);
    if (before->second.last >= range.first) return before;
  }
  return after != extents_.end() && after->first <= range.last ? after : extents_.end();
}

bool MappedPages::find(std::uint64_t page, Mapping& found) const {
  const auto extent = first_touching({page, page});
  if (extent == extents_.end()) return false;
  found = from(*extent, page);
  return true;
}

bool MappedPages::holds(PageRange range, const Mapping& mapping) const {
  std::uint64_t next = range.first;
  for (auto it = first_touching(range); it != extents_.end() && it->first <= next; ++it) {
    Mapping expected = mapping;
    expected.pa_page += next - range.first;
    if (from(*it, next) != expected) return false;
    if (it->second.last >= range.last) return true;
    next = it->second.last + 1;
  }
  return false;
}

std::vector<PageRange> MappedPages::overlap(PageRange range) const {
  std::vector<PageRange> parts;
  for (auto it = first_touching(range); it != extents_.end() && it->first <= range.last; ++it)
    parts.push_back({std::max(it->first, range.first), std::min(it->second.last, range.last)});
  return parts;
}

void MappedPages::insert(PageRange range, const Mapping& mapping) {
  extents_.emplace(range.first, Extent{range.last, mapping});
  entries_ += entries_of(range, mapping);
}

// Takes out each extent that is touched and puts back what sticks out on either side.
void MappedPages::remove(PageRange range) {
  for (auto it = first_touching(range); it != extents_.end() && it->first <= range.last;
       it = first_touching(range)) {
    const Extents::value_type extent = *it;
    const std::uint64_t last = extent.second.last;
    entries_ -= entries_of({extent.first, last}, extent.second.mapping);
    extents_.erase(it);
    if (extent.first < range.first) insert({extent.first, range.first - 1}, extent.second.mapping);
    if (last > range.last) insert({range.last + 1, last}, from(extent, range.last + 1));
  }
}

}  // namespace viosim::recording
