// Page tables in memory: the two formats VT-d walks, and the software that writes them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "core/base/fields.hpp"
#include "models/host/physical_memory.hpp"

#include <array>
#include <cstdint>

namespace viosim {

// What an access may do. A set of bits.
struct Permissions {
  bool read = false;
  bool write = false;
  constexpr bool allow(Access access) const { return access == Access::write ? write : read; }
  friend constexpr Permissions operator&(Permissions a, Permissions b) {
    return {a.read && b.read, a.write && b.write};
  }
  bool operator==(const Permissions&) const = default;
};

// VT-d 3.x, 9.8-9.10: 512 entries of 8 bytes a level, 9 address bits a level.
enum class TableFormat : std::uint8_t {
  first_level,  // the processor's format: P 0, R/W 1, U/S 2, A 5, D 6, PS 7
  second_level  // R 0, W 1, SP 7; present when any of R and W is set
};

constexpr auto choices(TableFormat) {
  return std::array{Choice{TableFormat::first_level, "first-level", "the processor's format"},
                    Choice{TableFormat::second_level, "second-level", "VT-d's own format"}};
}

struct TableEntry {
  std::uint64_t bits = 0;

  static constexpr std::uint64_t address_mask = 0x000f'ffff'ffff'f000U;

  constexpr bool present(TableFormat format) const {
    return format == TableFormat::first_level ? (bits & 1U) != 0 : (bits & 3U) != 0;
  }
  // At level 1 every entry is a leaf; above, bit 7 says so in both formats.
  constexpr bool leaf(unsigned level) const { return level == 1 || (bits >> 7U & 1U) != 0; }
  constexpr Hpa address() const { return Hpa(bits & address_mask); }
  constexpr Permissions permissions(TableFormat format) const {
    if (format == TableFormat::first_level) return {true, (bits >> 1U & 1U) != 0};
    return {(bits & 1U) != 0, (bits >> 1U & 1U) != 0};
  }

  static constexpr TableEntry make_leaf(TableFormat format, Hpa page, Permissions permissions,
                                        unsigned level = 1) {
    const std::uint64_t bits = page.value() | (level == 1 ? 0U : 1U << 7U);
    if (format == TableFormat::first_level) {
      constexpr std::uint64_t user = 1U << 2U;
      constexpr std::uint64_t accessed_dirty = 3U << 5U;
      return {bits | 1U | (permissions.write ? 2U : 0U) | user | accessed_dirty};
    }
    return {bits | (permissions.read ? 1U : 0U) | (permissions.write ? 2U : 0U)};
  }
  static constexpr TableEntry make_table(TableFormat format, Hpa table) {
    constexpr std::uint64_t user = 1U << 2U;
    return {table.value() | 3U | (format == TableFormat::first_level ? user : 0U)};
  }
};

// The place of an address' entry in a table of the given level (1 is the leaf level).
constexpr Hpa entry_address(Hpa table, Iova iova, unsigned level) {
  const std::uint64_t index = (iova.value() >> (12 + 9 * (level - 1))) & 511U;
  return table + Bytes(index * 8);
}

// The size of the page that a leaf at this level maps.
constexpr Bytes leaf_size(unsigned level) {
  return Bytes(std::uint64_t{1} << (12 + 9 * (level - 1)));
}

// Software's view of one page table. Writes take effect in memory at once: the caller chooses the
// instant.
class PageTable {
 public:
  // levels: 3 (39 bits), 4 (48 bits) or 5 (57 bits).
  PageTable(PhysicalMemory& memory, TableFormat format, unsigned levels);

  Hpa root() const { return root_; }
  unsigned levels() const { return levels_; }
  TableFormat format() const { return format_; }
  Iova limit() const {
    return Iova(std::uint64_t{1} << (12 + 9 * levels_));
  }  // the first address beyond

  // Maps `pages` consecutive 4 KiB pages by leaves of the given level, of whose size both addresses
  // and the range are multiples; replaces what was there. The range lies below limit().
  void map(Iova iova, Hpa to, std::uint64_t pages, Permissions permissions, unsigned level = 1);
  // Removes the mappings of `pages` pages; pages without one are passed over. A large leaf of which
  // a part remains is split. Table pages are kept. The range lies below limit().
  void unmap(Iova iova, std::uint64_t pages);
  bool mapped(Iova iova) const;

 private:
  bool holds(Iova iova, std::uint64_t pages) const;
  Hpa table_of(Iova iova, unsigned level);
  std::uint64_t unmap_entry(Iova iova, std::uint64_t pages);
  TableEntry split(Hpa slot, TableEntry large, unsigned level);

  PhysicalMemory& memory_;
  TableFormat format_;
  unsigned levels_;
  Hpa root_;
};

}  // namespace viosim
