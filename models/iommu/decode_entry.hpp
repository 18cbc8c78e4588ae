// What an entry of a page table says, format by format; in a header, since every read of a walk ends
// here.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/page_table.hpp"

#include <cstdint>

namespace viosim {

inline constexpr unsigned largest_leaf = 3;  // 1 GiB, in the formats of VT-d

constexpr bool bit_of_entry(std::uint64_t word, unsigned at) { return (word >> at & 1U) != 0; }

constexpr std::uint64_t page_bits(unsigned level) {
  return leaf_size(level).count() - page_4k.count();  // of an address, below the page's size
}

inline DecodedEntry decode_first_level(std::uint64_t bits, unsigned level, EntryRules rules) {
  DecodedEntry entry;
  entry.present = bit_of_entry(bits, 0);
  entry.leaf = level == 1 || bit_of_entry(bits, 7);
  entry.address = Hpa(bits & TableEntry::address_mask);
  constexpr std::uint64_t pat = 1U << 12U;  // of a large page: memory type, not address
  const bool misplaced = entry.leaf && (entry.address.value() & page_bits(level) & ~pat) != 0;
  entry.malformed = (entry.leaf && level > largest_leaf) || misplaced ||
                    (bit_of_entry(bits, 63) && !rules.no_execute);
  const bool write = bit_of_entry(bits, 1);
  const bool execute = !bit_of_entry(bits, 63);
  entry.rights = Rights::supervisor(true, write || !rules.write_protect, execute);
  if (bit_of_entry(bits, 2)) entry.rights = entry.rights | Rights::user(true, write, execute);
  return entry;
}

inline DecodedEntry decode_second_level(std::uint64_t bits, unsigned level, EntryRules rules) {
  DecodedEntry entry;
  entry.present = (bits & 3U) != 0;
  entry.leaf = level == 1 || bit_of_entry(bits, 7);
  entry.address = Hpa(bits & TableEntry::address_mask);
  // SNP and TM are of pages; in pointers to tables they are reserved.
  constexpr std::uint64_t of_pages = std::uint64_t{1} << 62U | 1U << 11U;
  entry.malformed =
      entry.leaf ? level > largest_leaf || (bits & page_bits(level)) != 0 : (bits & of_pages) != 0;
  const bool read = bit_of_entry(bits, 0);
  entry.rights = Rights::both(read, bit_of_entry(bits, 1),
                              read && (!rules.second_execute || bit_of_entry(bits, 2)));
  return entry;
}

// RISC-V privileged architecture, 4.3.2: R, W and X all clear mean a pointer to the next table; W
// without R, and bits 62:54, are reserved here (no Svpbmt, no Svrsw60t59b). N (Svnapot, chapter 5)
// makes a leaf one of 16 of a 64 KiB page, which its number says by ending in 1000. A and D are not
// the concern of this function.
inline DecodedEntry decode_sv(std::uint64_t bits, unsigned level, EntryRules rules, bool guest) {
  DecodedEntry entry;
  const bool read = bit_of_entry(bits, 1);
  const bool write = bit_of_entry(bits, 2);
  const bool execute = bit_of_entry(bits, 3);
  entry.present = bit_of_entry(bits, 0);
  entry.leaf = read || write || execute;
  entry.address = TableEntry{bits}.address(TableFormat::sv);
  entry.contiguous = bit_of_entry(bits, 63);
  const bool wrong_run = entry.contiguous &&
                         (!entry.leaf || level != 1 || entry.address.page_offset(64_KiB) != 32_KiB);
  const bool misplaced = entry.leaf && (entry.address.value() & page_bits(level)) != 0;
  const bool pointer_bits = !entry.leaf && (bits & 0b1101'0000U) != 0;  // U, A, D
  const bool reserved = (bits >> 54U & 0x1ffU) != 0;
  entry.malformed = (write && !read) || reserved || wrong_run || misplaced || pointer_bits ||
                    (!entry.leaf && level == 1);
  if (entry.contiguous) entry.address = entry.address.page_base(64_KiB);
  if (!entry.leaf) {
    entry.rights = Rights::all();
  } else if (guest) {
    const bool user = bit_of_entry(bits, 4);
    entry.rights = Rights::both(user && read, user && write, user && execute);
  } else if (!bit_of_entry(bits, 4)) {
    entry.rights = Rights::supervisor(read, write, execute);
  } else {
    entry.rights = Rights::user(read, write, execute);
    if (rules.supervisor_user) entry.rights = entry.rights | Rights::supervisor(read, write, false);
  }
  return entry;
}

inline DecodedEntry decode_entry(TableFormat format, std::uint64_t bits, unsigned level,
                                 EntryRules rules) {
  switch (format) {
    case TableFormat::first_level:
      return decode_first_level(bits, level, rules);
    case TableFormat::second_level:
      return decode_second_level(bits, level, rules);
    case TableFormat::sv:
      return decode_sv(bits, level, rules, false);
    case TableFormat::sv_guest:
      return decode_sv(bits, level, rules, true);
  }
  return {};
}

}  // namespace viosim
