// Entries of page tables, understood and made; writing mappings, and taking them out again.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/page_table.hpp"

#include "core/base/error.hpp"

#include <algorithm>

namespace viosim {
namespace {

constexpr unsigned largest_leaf = 3;  // 1 GiB, in the formats of VT-d
constexpr std::uint64_t entries_per_table = 512;

constexpr bool bit(std::uint64_t word, unsigned at) { return (word >> at & 1U) != 0; }

constexpr std::uint64_t page_bits(unsigned level) {
  return leaf_size(level).count() - page_4k.count();  // of an address, below the page's size
}

DecodedEntry decode_first_level(std::uint64_t bits, unsigned level, EntryRules rules) {
  DecodedEntry entry;
  entry.present = bit(bits, 0);
  entry.leaf = level == 1 || bit(bits, 7);
  entry.address = Hpa(bits & TableEntry::address_mask);
  constexpr std::uint64_t pat = 1U << 12U;  // of a large page: memory type, not address
  const bool misplaced = entry.leaf && (entry.address.value() & page_bits(level) & ~pat) != 0;
  entry.malformed =
      (entry.leaf && level > largest_leaf) || misplaced || (bit(bits, 63) && !rules.no_execute);
  const bool write = bit(bits, 1);
  const bool execute = !bit(bits, 63);
  entry.rights = Rights::supervisor(true, write || !rules.write_protect, execute);
  if (bit(bits, 2)) entry.rights = entry.rights | Rights::user(true, write, execute);
  return entry;
}

DecodedEntry decode_second_level(std::uint64_t bits, unsigned level, EntryRules rules) {
  DecodedEntry entry;
  entry.present = (bits & 3U) != 0;
  entry.leaf = level == 1 || bit(bits, 7);
  entry.address = Hpa(bits & TableEntry::address_mask);
  entry.malformed =
      entry.leaf && (level > largest_leaf || (entry.address.value() & page_bits(level)) != 0);
  entry.rights =
      Rights::both(bit(bits, 0), bit(bits, 1), rules.second_execute ? bit(bits, 2) : bit(bits, 0));
  return entry;
}

// RISC-V privileged architecture, 4.3.2: R, W and X all clear mean a pointer to the next table; W
// without R, and bits 63:54, are reserved here (no Svnapot, no Svpbmt). A and D are not the
// concern of this function.
DecodedEntry decode_sv(std::uint64_t bits, unsigned level, EntryRules rules) {
  DecodedEntry entry;
  const bool read = bit(bits, 1);
  const bool write = bit(bits, 2);
  const bool execute = bit(bits, 3);
  entry.present = bit(bits, 0);
  entry.leaf = read || write || execute;
  entry.address = TableEntry{bits}.address(TableFormat::sv);
  const bool misplaced = entry.leaf && (entry.address.value() & page_bits(level)) != 0;
  const bool pointer_bits = !entry.leaf && (bits & 0b1101'0000U) != 0;  // U, A, D
  entry.malformed = (write && !read) || bits >> 54U != 0 || misplaced || pointer_bits ||
                    (!entry.leaf && level == 1);
  if (!entry.leaf) {
    entry.rights = Rights::all();
  } else if (!bit(bits, 4)) {
    entry.rights = Rights::supervisor(read, write, execute);
  } else {
    entry.rights = Rights::user(read, write, execute);
    if (rules.supervisor_user) entry.rights = entry.rights | Rights::supervisor(read, write, false);
  }
  return entry;
}

}  // namespace

DecodedEntry decode_entry(TableFormat format, std::uint64_t bits, unsigned level,
                          EntryRules rules) {
  switch (format) {
    case TableFormat::first_level:
      return decode_first_level(bits, level, rules);
    case TableFormat::second_level:
      return decode_second_level(bits, level, rules);
    case TableFormat::sv:
      return decode_sv(bits, level, rules);
  }
  return {};
}

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
      return {table.value() >> 2U | 1U};
  }
  return {};
}

PageTable::PageTable(TableMemory& memory, TableFormat format, unsigned levels, bool widened)
    : memory_(memory),
      format_(format),
      levels_(levels),
      widened_(widened),
      root_(memory.allocate_frames(widened ? 4 : 1)) {
  ensure(levels >= 3 && levels <= 5, "page tables have 3, 4 or 5 levels");
}

std::optional<Hpa> PageTable::entry(Iova iova, unsigned level) const {
  Hpa table = root_;
  for (unsigned at = levels_; at > level; --at) {
    const TableEntry above{memory_.read(entry_in(table, iova, at))};
    if (!above.present(format_) || decode_entry(format_, above.bits, at, {}).leaf) return {};
    table = above.address(format_);
  }
  return entry_in(table, iova, level);
}

// The entry of a level, whose tables are made when they are missing.
Hpa PageTable::make_entry(Iova iova, unsigned level) {
  Hpa table = root_;
  for (unsigned at = levels_; at > level; --at) {
    const Hpa slot = entry_in(table, iova, at);
    TableEntry above{memory_.read(slot)};
    if (!above.present(format_)) {
      above = TableEntry::make_table(format_, memory_.allocate_frames());
      memory_.write(slot, above.bits);
    }
    table = above.address(format_);
  }
  return entry_in(table, iova, level);
}

std::optional<Hpa> PageTable::find(Iova iova) const {
  Hpa table = root_;
  for (unsigned level = levels_; level > 0; --level) {
    const std::uint64_t bits = memory_.read(entry_in(table, iova, level));
    const DecodedEntry entry = decode_entry(format_, bits, level, {});
    if (!entry.present) return {};
    if (entry.leaf) return entry.address + iova.page_offset(leaf_size(level));
    table = entry.address;
  }
  return {};
}

void PageTable::map(Iova iova, Hpa to, std::uint64_t pages, Permissions permissions,
                    unsigned leaf) {
  const std::uint64_t step = leaf_size(leaf).count() >> 12U;
  ensure(iova.value() + pages * page_4k.count() <= limit().value(),
         "a mapping lies beyond the table's address width");
  ensure((iova.value() | to.value()) % leaf_size(leaf).count() == 0 || leaf == 1,
         "a large page is not aligned to its size");
  ensure(pages % step == 0, "a range is not a multiple of its pages' size");
  while (pages > 0) {
    const Hpa first = make_entry(iova, leaf);
    const std::uint64_t index = (first.value() >> 3U) % entries_per_table;
    const std::uint64_t here = std::min(pages / step, entries_per_table - index);
    for (std::uint64_t i = 0; i < here; ++i) {
      const TableEntry made = TableEntry::make_leaf(format_, to, leaf, permissions);
      memory_.write(first + Bytes(i * 8), made.bits);
      to = to + leaf_size(leaf);
    }
    iova = iova + Bytes(here * leaf_size(leaf).count());
    pages -= here * step;
  }
}

void PageTable::unmap(Iova iova, std::uint64_t pages, unsigned leaf) {
  const std::uint64_t step = leaf_size(leaf).count() >> 12U;
  for (std::uint64_t done = 0; done < pages;) {
    const std::uint64_t index = iova.value() / leaf_size(leaf).count() % entries_per_table;
    const std::uint64_t here =
        std::min((pages - done + step - 1) / step, entries_per_table - index);
    if (const std::optional<Hpa> first = entry(iova, leaf)) {
      for (std::uint64_t i = 0; i < here; ++i) {
        const Hpa slot = *first + Bytes(i * 8);
        if (memory_.read(slot) != 0) memory_.write(slot, 0);
      }
    }
    iova = iova + Bytes(here * leaf_size(leaf).count());
    done += here * step;
  }
}

}  // namespace viosim
