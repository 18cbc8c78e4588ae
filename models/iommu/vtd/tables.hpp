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
#include "models/iommu/architecture.hpp"
#include "models/iommu/bits.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace viosim::vtd {

enum class Mode : std::uint8_t { legacy, scalable };

// Host physical addresses have 52 bits: what entries hold above that is reserved.
inline constexpr std::uint64_t beyond_host_width = ~((std::uint64_t{1} << 52U) - 1);

constexpr auto choices(Mode) {
  return std::array{
      Choice{Mode::legacy, "legacy",
             "root and context tables, one second-level table per requester"},
      Choice{Mode::scalable, "scalable", "root, context and PASID tables, a page table per PASID"}};
}

// Root entry, 16 bytes a bus. Legacy: P 0, context table 63:12. Scalable: the same twice, for
// functions 0-127 and 128-255.
namespace root_entry {
constexpr Hpa address(Hpa root_table, Bdf source) { return root_table + Bytes(source.bus() * 16); }
constexpr bool present(std::uint64_t word) { return (word & 1U) != 0; }
constexpr Hpa context_table(std::uint64_t word) { return Hpa(word & ~std::uint64_t{0xfff}); }
constexpr std::uint64_t encode(Hpa context_table) { return context_table.value() | 1U; }
// Whether reserved bits are set: in the half that is used; legacy, the other half is reserved.
bool malformed(Words words, Mode mode);
}  // namespace root_entry

// Legacy context entry, 16 bytes: P 0, FPD 1, TT 3:2, table 63:12; AW 66:64, DID 87:72.
struct LegacyContext {
  bool present = false;
  bool fault_disable = false;
  std::uint8_t translation_type = 0;  // TT: 0 second-level, 1 the same with ATS, 2 pass-through
  std::uint8_t address_width = 0;     // 1: 39 bits, 2: 48 bits, 3: 57 bits
  Hpa table;
  DomainId domain;
  static LegacyContext decode(Words words);
  std::array<std::uint64_t, 2> encode() const;
  bool valid() const { return translation_type <= 2 && address_width >= 1 && address_width <= 3; }
  static bool malformed(Words words);  // reserved bits are set
  DeviceEntry config() const;
  bool operator==(const LegacyContext&) const = default;
};

// Scalable context entry, 32 bytes: P 0, FPD 1, DTE 2, PASIDE 3, PRE 4, PDTS 11:9, directory 63:12;
// RID_PASID 83:64, RID_PRIV 84.
struct ScalableContext {
  Hpa directory;
  Pasid rid_pasid{0};
  std::uint8_t directory_size = 0;  // PDTS: the directory has 2^(PDTS+7) entries
  bool present = false;
  bool fault_disable = false;
  bool device_tlb_enable = false;    // DTE: translation and translated requests are allowed
  bool pasid_enable = false;         // PASIDE
  bool page_request_enable = false;  // PRE
  bool rid_privileged = false;       // RID_PRIV: requests without a PASID are supervisor requests
  static ScalableContext decode(Words words);
  static bool malformed(Words words);  // reserved bits are set
  std::array<std::uint64_t, 4> encode() const;
  constexpr std::uint32_t pasid_limit() const {
    return 1U << (directory_size + 13U);
  }  // first PASID beyond the table
  DeviceEntry config() const;
  bool operator==(const ScalableContext&) const = default;
};

// PASID entry, 64 bytes: P 0, FPD 1, AW 4:2, SLEE 5, PGTT 8:6, SLADE 9, second-level table 63:12;
// DID 79:64, PWSNP 87, PGSNP 88; SRE 128, ERE 129, FLPM 131:130, WPE 132, NXE 133, EAFE 135,
// first-level table 191:140 (nested: a guest physical address).
struct PasidEntry {
  enum class Type : std::uint8_t {
    first_level = 1,
    second_level = 2,
    nested = 3,
    pass_through = 4
  };
  bool present = false;
  bool fault_disable = false;
  std::uint8_t address_width = 0;  // AW: of the second level; 1: 39 bits, 2: 48, 3: 57
  bool second_execute = false;     // SLEE
  Type type = Type::first_level;
  bool second_updates = false;  // SLADE
  Hpa second_level;
  DomainId domain;
  bool walk_snoop = false;            // PWSNP: no effect here, memory is coherent
  bool page_snoop = false;            // PGSNP: as above
  bool supervisor_requests = false;   // SRE
  bool execute_requests = false;      // ERE
  std::uint8_t first_level_mode = 0;  // FLPM: 0 is 4 levels, 1 is 5 levels
  bool write_protect = false;         // WPE
  bool no_execute = false;            // NXE
  bool extended_accessed = false;     // EAFE
  Hpa first_level;
  static PasidEntry decode(Words words);
  // Reserved bits are set. Those of a table's address count where the table is used; CD, EMTE, EMT and
  // PAT are reserved where there are no memory types (ECAP.MTS), as here.
  static bool malformed(Words words);
  PhysicalMemory::Line encode() const;
  bool valid() const;
  AddressSpace space(Pasid pasid) const;
  bool operator==(const PasidEntry&) const = default;
};

// The table that a word of an entry names, bits 63:12.
constexpr Hpa table_of(std::uint64_t word) { return Hpa(word & frame_bits); }

// A PASID directory entry: P 0, FPD 1, table 63:12. A directory entry covers 64 PASIDs, one 4 KiB page.
constexpr bool directory_entry_malformed(std::uint64_t word) {
  return (word & (beyond_host_width | 0xffcU)) != 0;
}
constexpr Hpa directory_entry_address(Hpa directory, Pasid pasid) {
  return directory + Bytes((pasid.value() >> 6U) * 8);
}
constexpr Hpa pasid_entry_address(Hpa table, Pasid pasid) {
  return table + Bytes((pasid.value() & 63U) * 64);
}

// Software's view of an IOMMU's tables.
class Tables {
 public:
  // `memory`: the host's, or a guest's, whose addresses the entries then hold.
  Tables(TableMemory& memory, Mode mode);

  Mode mode() const { return mode_; }
  Hpa root() const { return root_; }

  // Legacy mode: what requests of `source` use.
  void attach(Bdf source, const LegacyContext& context);
  // Scalable mode: gives `source` a PASID table, once; the table reaches to `pasid_limit` or
  // beyond. What else `context` says (ATS, PRI, RID_PASID) is taken from it.
  void attach(Bdf source, std::uint32_t pasid_limit, const ScalableContext& context);
  void attach(Bdf source, std::uint32_t pasid_limit, Pasid rid_pasid);
  // Scalable mode: the function's context entry; none where it is not present.
  std::optional<ScalableContext> context(Bdf source) const;
  // Scalable mode: where it is; none before a table for it was made.
  std::optional<Hpa> context_at(Bdf source) const;
  // Scalable mode: what requests of `source` with this PASID use. The function was attached.
  // Present last, as software does.
  void set_entry(Bdf source, Pasid pasid, const PasidEntry& entry);
  // Scalable mode: clears Present and leaves the rest, as software does first when it tears down.
  void clear_present(Bdf source, Pasid pasid);
  // Scalable mode: where the entry is; none before a table page for it was made.
  std::optional<Hpa> entry(Bdf source, Pasid pasid) const;
  // The same for software that writes the entry by itself: a page is made when there is none. The
  // function was attached, and its table reaches that far.
  Hpa make_entry(Bdf source, Pasid pasid);
  PasidEntry read_entry(Hpa at) const;
  // What `source` asks next is refused.
  void detach(Bdf source);

 private:
  Hpa context_slot(Bdf source);

  TableMemory& memory_;
  Mode mode_;
  Hpa root_;
};

}  // namespace viosim::vtd
