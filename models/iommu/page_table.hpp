// Page tables in memory: the formats that IOMMUs walk, and the software that writes them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/rights.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace viosim {

// What software allows when it maps a page.
struct Permissions {
  bool read = false;
  bool write = false;
  bool execute = false;
  bool user = true;  // false: privileged requests only, where the format knows them
  bool operator==(const Permissions&) const = default;
};

// 512 entries of 8 bytes a level, 9 address bits a level.
enum class TableFormat : std::uint8_t {
  first_level,   // the processor's format, VT-d 3.x, 9.8: P 0, R/W 1, U/S 2, A 5, D 6, PS 7, XD 63
  second_level,  // VT-d 3.x, 9.9: R 0, W 1, X 2, SP 7, A 8, D 9; present when any of R and W is set
  sv,  // RISC-V privileged architecture, 4.3: V 0, R 1, W 2, X 3, U 4, A 6, D 7, PPN 53:10, N 63
  sv_guest  // the same as a second stage: all requests are user requests; four times the root
};

constexpr bool is_sv(TableFormat format) {
  return format == TableFormat::sv || format == TableFormat::sv_guest;
}

// How the bits of entries are understood, where a table's format leaves it to a register or to the
// entry that points at the table.
struct EntryRules {
  bool write_protect : 1 = false;    // WPE: supervisor requests obey read-only, too
  bool no_execute : 1 = false;       // NXE: bit 63 of first-level entries forbids execution
  bool second_execute : 1 = false;   // SLEE: second-level entries' X counts; otherwise R implies it
  bool supervisor_user : 1 = false;  // SUM: supervisor requests may use user pages (RISC-V)
  bool extended_accessed : 1 = false;  // EAFE: first-level entries have a second accessed bit, 10
  bool operator==(const EntryRules&) const = default;
};

// An entry of a page table, understood (decode_entry.hpp).
struct DecodedEntry {
  bool present = false;
  bool malformed = false;  // present, and reserved bits are set
  bool leaf = false;
  bool contiguous = false;  // one of 16 leaves of a 64 KiB page (Svnapot); `address` is that page's
  Rights rights;            // what this entry permits, or lets later ones permit
  Hpa address;              // of the page, or of the next table

  Bytes size(unsigned level) const;  // of a leaf's page
};

// The bits that hardware sets in an entry it uses.
constexpr std::uint64_t accessed_bit(TableFormat format) {
  return std::uint64_t{1} << (format == TableFormat::first_level    ? 5U
                              : format == TableFormat::second_level ? 8U
                                                                    : 6U);
}
constexpr std::uint64_t dirty_bit(TableFormat format) { return accessed_bit(format) << 1U; }

inline constexpr std::uint64_t extended_accessed_bit = 1U << 10U;  // of first-level entries

struct TableEntry {
  std::uint64_t bits = 0;

  static constexpr std::uint64_t address_mask = 0x000f'ffff'ffff'f000U;

  constexpr bool present(TableFormat format) const {
    return format == TableFormat::second_level ? (bits & 3U) != 0 : (bits & 1U) != 0;
  }
  constexpr Hpa address(TableFormat format) const {
    return is_sv(format) ? Hpa((bits >> 10U & ((std::uint64_t{1} << 44U) - 1)) << 12U)
                         : Hpa(bits & address_mask);
  }

  constexpr bool leaf(TableFormat format, unsigned level) const {
    if (is_sv(format)) return (bits & 0b1110U) != 0;
    return level == 1 || (bits >> 7U & 1U) != 0;
  }
  // A leaf like this one for another page, of the given level.
  TableEntry moved(TableFormat format, Hpa page, unsigned level) const;

  // Accessed, and dirty where it may be written: as software makes entries that hardware need not
  // update.
  static TableEntry make_leaf(TableFormat format, Hpa page, unsigned level,
                              Permissions permissions);
  static TableEntry make_table(TableFormat format, Hpa table);
};

// The place of an address' entry in a table of the given level (1 is the leaf level).
constexpr Hpa entry_address(Hpa table, Iova iova, unsigned level) {
  const std::uint64_t index = (iova.value() >> (12 + 9 * (level - 1))) & 511U;
  return table + Bytes(index * 8);
}
// The same for a root table that is four times as large (RISC-V's second stage): two more bits.
constexpr Hpa widened_entry_address(Hpa table, Iova iova, unsigned level) {
  const std::uint64_t index = (iova.value() >> (12 + 9 * (level - 1))) & 2047U;
  return table + Bytes(index * 8);
}

// The size of the page that a leaf at this level maps.
constexpr Bytes leaf_size(unsigned level) {
  return Bytes(std::uint64_t{1} << (12 + 9 * (level - 1)));
}

inline Bytes DecodedEntry::size(unsigned level) const {
  return contiguous ? 64_KiB : leaf_size(level);
}

// Software's view of one page table. Writes take effect in memory at once: the caller chooses the
// instant.
class PageTable {
 public:
  // levels: 3 (39 bits), 4 (48 bits) or 5 (57 bits). `memory`: the host's, or a guest's, whose
  // addresses the entries then hold. The root of a table in the format sv_guest has 2048 entries,
  // two address bits more.
  PageTable(TableMemory& memory, TableFormat format, unsigned levels);

  Hpa root() const { return root_; }
  unsigned levels() const { return levels_; }
  TableFormat format() const { return format_; }
  Iova limit() const {
    return Iova(std::uint64_t{1} << (12 + 9 * levels_ + (widened() ? 2U : 0U)));
  }  // the first address beyond

  // Maps `pages` consecutive 4 KiB pages by leaves of the given level, of whose size both addresses
  // and the range are multiples; replaces what was there. The range lies below limit().
  void map(Iova iova, Hpa to, std::uint64_t pages, Permissions permissions, unsigned level = 1);
  // Removes the mappings of `pages` pages; pages without one are passed over. A large leaf of which
  // a part remains is split. Table pages are kept. The range lies below limit().
  void unmap(Iova iova, std::uint64_t pages);
  bool mapped(Iova iova) const { return find(iova).has_value(); }
  // Where an address is mapped to, as software reads its own tables.
  std::optional<Hpa> find(Iova iova) const;
  // How often map() and unmap() were called: what find() has said holds while this stays the same.
  std::uint64_t changes() const { return changes_; }

 private:
  bool widened() const { return format_ == TableFormat::sv_guest; }
  Hpa entry_in(Hpa table, Iova iova, unsigned level) const {
    return widened() && level == levels_ ? widened_entry_address(table, iova, level)
                                         : entry_address(table, iova, level);
  }
  bool holds(Iova iova, std::uint64_t pages) const;
  Hpa table_of(Iova iova, unsigned level);
  std::uint64_t unmap_entry(Iova iova, std::uint64_t pages);
  TableEntry split(Hpa slot, TableEntry large, unsigned level);

  TableMemory& memory_;
  TableFormat format_;
  unsigned levels_;
  Hpa root_;
  std::uint64_t changes_ = 0;
};

}  // namespace viosim
