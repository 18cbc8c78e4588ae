// Entries of page tables, understood and made; writing mappings, and taking them out again.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/page_table.hpp"

#include "core/base/error.hpp"
#include "models/iommu/decode_entry.hpp"

#include <algorithm>

namespace viosim {
namespace {

constexpr std::uint64_t entries_per_table = 512;

}  // namespace

TableEntry TableEntry::make_leaf(TableFormat format, Hpa page, unsigned level,
                                 Permissions permissions) {
  const auto put = [](bool value, unsigned at) { return std::uint64_t{value} << at; };
  const std::uint64_t used =
      accessed_bit(format) | (permissions.write ? dirty_bit(format) : std::uint64_t{0});
  const bool large = level > 1;
  switch (format) {
    case TableFormat::first_level:
      return {page.value() | 1U | put(permissions.write, 1) | put(permissions.user, 2) | used |
              put(large, 7)};
    case TableFormat::second_level:
      return {page.value() | put(permissions.read, 0) | put(permissions.write, 1) |
              put(permissions.execute, 2) | used | put(large, 7)};
    case TableFormat::sv:
    case TableFormat::sv_guest:
      return {page.value() >> 2U | 1U | put(permissions.read, 1) | put(permissions.write, 2) |
              put(permissions.execute, 3) | put(permissions.user, 4) | used};
  }
  return {};
}

TableEntry TableEntry::make_table(TableFormat format, Hpa table) {
  switch (format) {
    case TableFormat::first_level:
      return {table.value() | 0b111U | accessed_bit(format)};
    case TableFormat::second_level:
      return {table.value() | 0b111U | accessed_bit(format)};
    case TableFormat::sv:
    case TableFormat::sv_guest:
      return {table.value() >> 2U | 1U};
  }
  return {};
}

// In all formats the address is one field; the mark of a large page is bit 7 where there is one.
TableEntry TableEntry::moved(TableFormat format, Hpa page, unsigned level) const {
  const std::uint64_t large = 1U << 7U;
  if (is_sv(format)) {
    constexpr std::uint64_t number = ((std::uint64_t{1} << 44U) - 1) << 10U;
    return {(bits & ~number) | page.value() >> 2U};
  }
  return {(bits & ~(address_mask | large)) | page.value() | (level > 1 ? large : 0U)};
}

namespace {

// The root of a RISC-V second stage takes 16 KiB, and lies at a multiple of that.
Hpa allocate_root(TableMemory& memory, TableFormat format) {
  if (format != TableFormat::sv_guest) return memory.allocate_frames();
  constexpr std::uint64_t frames = 4;
  const Hpa last = memory.allocate_frames(2 * frames - 1) + Bytes((frames - 1) << 12U);
  return last.page_base(16_KiB);
}

}  // namespace

PageTable::PageTable(TableMemory& memory, TableFormat format, unsigned levels)
    : memory_(memory), format_(format), levels_(levels), root_(allocate_root(memory, format)) {
  ensure(levels >= 3 && levels <= 5, "page tables have 3, 4 or 5 levels");
}

bool PageTable::holds(Iova iova, std::uint64_t pages) const {
  const std::uint64_t all = limit().value() >> 12U;
  return iova.value() < limit().value() && pages <= all - (iova.value() >> 12U);
}

std::optional<Hpa> PageTable::find(Iova iova) const {
  Hpa table = root_;
  for (unsigned level = levels_;; --level) {
    const std::uint64_t bits = memory_.read(entry_in(table, iova, level));
    const DecodedEntry entry = decode_entry(format_, bits, level, {});
    if (!entry.present) return {};
    const Bytes size = entry.size(level);
    if (entry.leaf) return entry.address.page_base(size) + iova.page_offset(size);
    table = entry.address;
  }
}

// Puts a table of leaves of the next level in the place of a large one; translates the same. What
// the large one permits, beside its address and its mark as a large page, goes into each.
TableEntry PageTable::split(Hpa slot, TableEntry large, unsigned level) {
  const Hpa table = memory_.allocate_frames();
  const std::uint64_t size = leaf_size(level - 1).count();
  const Hpa first = large.address(format_).page_base(leaf_size(level));
  for (std::uint64_t i = 0; i < entries_per_table; ++i) {
    memory_.write(table + Bytes(i * 8),
                  large.moved(format_, first + Bytes(i * size), level - 1).bits);
  }
  const TableEntry entry = TableEntry::make_table(format_, table);
  memory_.write(slot, entry.bits);
  return entry;
}

// The table of this level that an address goes through, made when there is none.
Hpa PageTable::table_of(Iova iova, unsigned level) {
  Hpa table = root_;
  for (unsigned above = levels_; above > level; --above) {
    const Hpa slot = entry_in(table, iova, above);
    TableEntry entry{memory_.read(slot)};
    if (!entry.present(format_)) {
      entry = TableEntry::make_table(format_, memory_.allocate_frames());
      memory_.write(slot, entry.bits);
    } else if (entry.leaf(format_, above)) {
      entry = split(slot, entry, above);
    }
    table = entry.address(format_);
  }
  return table;
}

void PageTable::map(Iova iova, Hpa to, std::uint64_t pages, Permissions permissions,
                    unsigned level) {
  const Bytes size = leaf_size(level);
  const std::uint64_t pages_each = size.count() / page_4k.count();
  ensure(level <= largest_leaf && holds(iova, pages),
         "a mapping lies beyond the table's address width");
  ensure(iova.page_offset(size) == Bytes(0) && to.page_offset(size) == Bytes(0) &&
             pages % pages_each == 0,
         "a mapping is no multiple of its page size");
  ++changes_;
  for (std::uint64_t left = pages / pages_each; left > 0;) {
    const Hpa slot = entry_in(table_of(iova, level), iova, level);
    const std::uint64_t first = iova.value() / size.count() % entries_per_table;
    const std::uint64_t here = std::min(left, entries_per_table - first);
    for (std::uint64_t i = 0; i < here; ++i) {
      const Hpa page = to + Bytes(i * size.count());
      memory_.write(slot + Bytes(i * 8),
                    TableEntry::make_leaf(format_, page, level, permissions).bits);
    }
    iova = iova + Bytes(here * size.count());
    to = to + Bytes(here * size.count());
    left -= here;
  }
}

void PageTable::unmap(Iova iova, std::uint64_t pages) {
  ensure(holds(iova, pages), "an unmapping lies beyond the table's address width");
  ++changes_;
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
    const Hpa slot = entry_in(table, iova, level);
    TableEntry entry{memory_.read(slot)};
    if (!entry.present(format_)) return here;
    const bool leaf = entry.leaf(format_, level);
    if (leaf && here == under) {
      memory_.write(slot, 0);
      return here;
    }
    if (leaf) entry = split(slot, entry, level);
    table = entry.address(format_);
  }
}

}  // namespace viosim
