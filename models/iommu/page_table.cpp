// Writing mappings into page tables, and taking them out again.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/page_table.hpp"

#include "core/base/error.hpp"

#include <algorithm>

namespace viosim {
namespace {

constexpr std::uint64_t entries_per_table = 512;

}  // namespace

PageTable::PageTable(PhysicalMemory& memory, TableFormat format, unsigned levels)
    : memory_(memory), format_(format), levels_(levels), root_(memory.allocate_frames()) {
  ensure(levels >= 3 && levels <= 5, "page tables have 3, 4 or 5 levels");
}

bool PageTable::holds(Iova iova, std::uint64_t pages) const {
  const std::uint64_t all = limit().value() >> 12U;
  return iova.value() < limit().value() && pages <= all - (iova.value() >> 12U);
}

// Puts a table of leaves of the next level in the place of a large one; translates the same.
TableEntry PageTable::split(Hpa slot, TableEntry large, unsigned level) {
  const Hpa table = memory_.allocate_frames();
  const std::uint64_t size = leaf_size(level - 1).count();
  const Hpa first = large.address().page_base(leaf_size(level));
  for (std::uint64_t i = 0; i < entries_per_table; ++i) {
    memory_.write(table + Bytes(i * 8), TableEntry::make_leaf(format_, first + Bytes(i * size),
                                                              large.permissions(format_), level - 1)
                                            .bits);
  }
  const TableEntry entry = TableEntry::make_table(format_, table);
  memory_.write(slot, entry.bits);
  return entry;
}

// The table of this level that an address goes through, made when there is none.
Hpa PageTable::table_of(Iova iova, unsigned level) {
  Hpa table = root_;
  for (unsigned above = levels_; above > level; --above) {
    const Hpa slot = entry_address(table, iova, above);
    TableEntry entry{memory_.read(slot)};
    if (!entry.present(format_)) {
      entry = TableEntry::make_table(format_, memory_.allocate_frames());
      memory_.write(slot, entry.bits);
    } else if (entry.leaf(above)) {
      entry = split(slot, entry, above);
    }
    table = entry.address();
  }
  return table;
}

void PageTable::map(Iova iova, Hpa to, std::uint64_t pages, Permissions permissions,
                    unsigned level) {
  const Bytes size = leaf_size(level);
  const std::uint64_t pages_each = size.count() / page_4k.count();
  ensure(level <= 3 && holds(iova, pages), "a mapping lies beyond the table's address width");
  ensure(iova.page_offset(size) == Bytes(0) && to.page_offset(size) == Bytes(0) &&
             pages % pages_each == 0,
         "a mapping is no multiple of its page size");
  for (std::uint64_t left = pages / pages_each; left > 0;) {
    const Hpa table = table_of(iova, level);
    const std::uint64_t first = iova.value() / size.count() % entries_per_table;
    const std::uint64_t here = std::min(left, entries_per_table - first);
    for (std::uint64_t i = 0; i < here; ++i) {
      memory_.write(
          table + Bytes((first + i) * 8),
          TableEntry::make_leaf(format_, to + Bytes(i * size.count()), permissions, level).bits);
    }
    iova = iova + Bytes(here * size.count());
    to = to + Bytes(here * size.count());
    left -= here;
  }
}

void PageTable::unmap(Iova iova, std::uint64_t pages) {
  ensure(holds(iova, pages), "an unmapping lies beyond the table's address width");
  while (pages > 0) {
    const std::uint64_t here = unmap_entry(iova, pages);
    iova = iova + Bytes(here << 12U);
    pages -= here;
  }
}

// Deals with the first entry that is absent or a leaf; returns how many of the pages lay under it.
std::uint64_t PageTable::unmap_entry(Iova iova, std::uint64_t pages) {
  Hpa table = root_;
  for (unsigned level = levels_;; --level) {
    const std::uint64_t under = leaf_size(level).count() / page_4k.count();
    const std::uint64_t here = std::min(pages, under - (iova.value() >> 12U) % under);
    const Hpa slot = entry_address(table, iova, level);
    TableEntry entry{memory_.read(slot)};
    if (!entry.present(format_)) return here;
    if (entry.leaf(level) && here == under) {
      memory_.write(slot, 0);
      return here;
    }
    if (entry.leaf(level)) entry = split(slot, entry, level);
    table = entry.address();
  }
}

bool PageTable::mapped(Iova iova) const {
  Hpa table = root_;
  for (unsigned level = levels_;; --level) {
    const TableEntry entry{memory_.read(entry_address(table, iova, level))};
    if (!entry.present(format_)) return false;
    if (entry.leaf(level)) return true;
    table = entry.address();
  }
}

}  // namespace viosim
