// VT-d's tables in memory: root, context, PASID directory and PASID table, bit for bit, and the
// software that writes them.
// SPDX-License-Identifier: Apache-2.0
//
// Layouts: Intel VT-d specification 3.x, chapter 9. Field positions as Linux' drivers/iommu/intel
// uses them.
#pragma once

#include "core/base/address.hpp"
#include "core/base/fields.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/page_table.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace viosim::vtd {

enum class Mode : std::uint8_t { legacy, scalable };

constexpr auto choices(Mode) {
  return std::array{
      Choice{Mode::legacy, "legacy",
             "root and context tables, one second-level table per requester"},
      Choice{Mode::scalable, "scalable", "root, context and PASID tables, a page table per PASID"}};
}

// Where a page table is and how to read it: all that a page walk needs to know.
struct AddressSpace {
  Hpa root;
  DomainId domain;
  std::uint8_t levels = 0;  // 3, 4 or 5
  TableFormat format = TableFormat::second_level;
  bool pass_through = false;
  bool fault_disable = false;  // FPD: faults are not reported
  bool operator==(const AddressSpace&) const = default;
};

using Words = std::span<const std::uint64_t>;

// Root entry, 16 bytes a bus. Legacy: P 0, context table 63:12. Scalable: the same twice, for
// functions 0-127 and 128-255.
namespace root_entry {
constexpr Hpa address(Hpa root_table, Bdf source) { return root_table + Bytes(source.bus() * 16); }
constexpr bool present(std::uint64_t word) { return (word & 1U) != 0; }
constexpr Hpa context_table(std::uint64_t word) { return Hpa(word & ~std::uint64_t{0xfff}); }
constexpr std::uint64_t encode(Hpa context_table) { return context_table.value() | 1U; }
}  // namespace root_entry

// Legacy context entry, 16 bytes: P 0, FPD 1, TT 3:2, table 63:12; AW 66:64, DID 87:72.
struct LegacyContext {
  bool present = false;
  bool fault_disable = false;
  std::uint8_t translation_type = 0;  // 0 second-level, 1 the same with device TLB, 2 pass-through
  std::uint8_t address_width = 0;     // 1: 39 bits, 2: 48 bits, 3: 57 bits
  Hpa table;
  DomainId domain;
  static LegacyContext decode(Words words);
  std::array<std::uint64_t, 2> encode() const;
  bool valid() const { return translation_type <= 2 && address_width >= 1 && address_width <= 3; }
  AddressSpace space() const;
  bool operator==(const LegacyContext&) const = default;
};

// Scalable context entry, 32 bytes: P 0, FPD 1, DTE 2, PASIDE 3, PRE 4, PDTS 11:9, directory 63:12;
// RID_PASID 83:64.
struct ScalableContext {
  Hpa directory;
  Pasid rid_pasid;
  std::uint8_t directory_size = 0;  // PDTS: the directory has 2^(PDTS+7) entries
  bool present = false;
  bool fault_disable = false;
  bool pasid_enable = false;
  static ScalableContext decode(Words words);
  std::array<std::uint64_t, 4> encode() const;
  constexpr std::uint32_t pasid_limit() const {
    return 1U << (directory_size + 13U);
  }  // first PASID beyond the table
  bool operator==(const ScalableContext&) const = default;
};

// PASID entry, 64 bytes. What this model reads: P 0, AW 4:2, PGTT 8:6, second-level table 63:12;
// DID 79:64; FLPM 131:130, first-level table 191:140.
struct PasidEntry {
  enum class Type : std::uint8_t {
    first_level = 1,
    second_level = 2,
    nested = 3,
    pass_through = 4
  };
  bool present = false;
  bool fault_disable = false;
  std::uint8_t address_width = 0;
  Type type = Type::first_level;
  Hpa second_level;
  DomainId domain;
  std::uint8_t first_level_mode = 0;  // 0: 4 levels, 1: 5 levels
  Hpa first_level;
  static PasidEntry decode(Words words);
  PhysicalMemory::Line encode() const;
  bool valid()
      const;  // of a type and width that this model walks: nested translation is not among them yet
  AddressSpace space() const;
  bool operator==(const PasidEntry&) const = default;
};

// A PASID directory entry: P 0, table 63:12. A directory entry covers 64 PASIDs, one 4 KiB page.
constexpr Hpa directory_entry_address(Hpa directory, Pasid pasid) {
  return directory + Bytes((pasid.value() >> 6U) * 8);
}
constexpr Hpa pasid_entry_address(Hpa table, Pasid pasid) {
  return table + Bytes((pasid.value() & 63U) * 64);
}

// Software's view of an IOMMU's tables.
class Tables {
 public:
  Tables(PhysicalMemory& memory, Mode mode);

  Mode mode() const { return mode_; }
  Hpa root() const { return root_; }

  // Legacy mode: what requests of `source` use.
  void attach(Bdf source, const LegacyContext& context);
  // Scalable mode: gives `source` a PASID table, once; the table reaches to `pasid_limit` or
  // beyond.
  void attach(Bdf source, std::uint32_t pasid_limit, Pasid rid_pasid);
  // Scalable mode: what requests of `source` with this PASID use. The function was attached.
  // Present last, as software does.
  void set_entry(Bdf source, Pasid pasid, const PasidEntry& entry);
  // What `source` asks next is refused.
  void detach(Bdf source);

 private:
  Hpa context_slot(Bdf source);

  PhysicalMemory& memory_;
  Mode mode_;
  Hpa root_;
};

}  // namespace viosim::vtd
