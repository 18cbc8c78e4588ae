// Writing mappings into page tables, and taking them out again.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/page_table.hpp"

#include "core/base/error.hpp"

#include <algorithm>

namespace viosim {
namespace {

constexpr std::uint64_t pages_per_table = 512;

}  // namespace

PageTable::PageTable(PhysicalMemory& memory, TableFormat format, unsigned levels)
    : memory_(memory), format_(format), levels_(levels), root_(memory.allocate_frames()) {
  ensure(levels >= 3 && levels <= 5, "page tables have 3, 4 or 5 levels");
}

// The level-1 table of an address; Hpa(0) when there is none and none is to be created.
Hpa PageTable::leaf_table(Iova iova, bool create) {
  Hpa table = root_;
  for (unsigned level = levels_; level > 1; --level) {
    const Hpa slot = entry_address(table, iova, level);
    TableEntry entry{memory_.read(slot)};
    if (!entry.present(format_)) {
      if (!create) return Hpa(0);
      entry = TableEntry::make_table(format_, memory_.allocate_frames());
      memory_.write(slot, entry.bits);
    }
    table = entry.address();
  }
  return table;
}

void PageTable::map(Iova iova, Hpa to, std::uint64_t pages, Permissions permissions) {
  ensure(iova.value() + pages * page_4k.count() <= limit().value(),
         "a mapping lies beyond the table's address width");
  while (pages > 0) {
    const Hpa table = leaf_table(iova, true);
    const std::uint64_t first = (iova.value() >> 12U) % pages_per_table;
    const std::uint64_t here = std::min(pages, pages_per_table - first);
    for (std::uint64_t i = 0; i < here; ++i) {
      memory_.write(table + Bytes((first + i) * 8),
                    TableEntry::make_leaf(format_, to + Bytes(i << 12U), permissions).bits);
    }
    iova = iova + Bytes(here << 12U);
    to = to + Bytes(here << 12U);
    pages -= here;
  }
}

void PageTable::unmap(Iova iova, std::uint64_t pages) {
  while (pages > 0) {
    const Hpa table = leaf_table(iova, false);
    const std::uint64_t first = (iova.value() >> 12U) % pages_per_table;
    const std::uint64_t here = std::min(pages, pages_per_table - first);
    for (std::uint64_t i = first; table != Hpa(0) && i < first + here; ++i) {
      const Hpa slot = table + Bytes(i * 8);
      if (memory_.read(slot) != 0) memory_.write(slot, 0);
    }
    iova = iova + Bytes(here << 12U);
    pages -= here;
  }
}

bool PageTable::mapped(Iova iova) {
  const Hpa table = leaf_table(iova, false);
  return table != Hpa(0) &&
         TableEntry{memory_.read(entry_address(table, iova, 1))}.present(format_);
}

}  // namespace viosim
