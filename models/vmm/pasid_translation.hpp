// The tables by which a processor turns a guest's PASIDs into the host's when the guest submits work
// with ENQCMD, and the kernel that fills them.
// SPDX-License-Identifier: Apache-2.0
//
// One pair of directories for a virtual machine (the control structures of all its vCPUs point to
// them): bit 19 of the guest's number chooses the directory, bits 18:10 its entry, bits 9:0 the
// entry of a table. Directory entry, 8 bytes: present 0, table 63:12. Table entry, 4 bytes: host's
// number 19:0, valid 31.
#pragma once

#include "core/base/address.hpp"
#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "ioasid/notifier.hpp"
#include "models/host/iommufd.hpp"
#include "models/host/table_memory.hpp"
#include "models/injection.hpp"
#include "models/trace_point.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace viosim {

struct PasidTranslationStats {
  std::uint64_t filled = 0;
  std::uint64_t cleared = 0;
  std::uint64_t enqcmd_exits = 0;
  std::uint64_t enqcmds_exits = 0;
  static constexpr auto fields() {
    using S = PasidTranslationStats;
    return Fields{metric("filled", &S::filled, Unit::count, "Translations set."),
                  metric("cleared", &S::cleared, Unit::count, "Translations removed."),
                  metric("enqcmd_exits", &S::enqcmd_exits, Unit::count,
                         "ENQCMD with a PASID that has none (exit reason 72)."),
                  metric("enqcmds_exits", &S::enqcmds_exits, Unit::count,
                         "ENQCMDS with a PASID that has none (exit reason 73).")};
  }
};

class PasidTranslation final : public ioasid::Notifier, public PasidListener {
 public:
  enum class Instruction : std::uint8_t { enqcmd, enqcmds };

  // `memory`: the host's.
  PasidTranslation(const Engine& engine, TableMemory& memory);

  // What the processor looks up. Nothing: the instruction leaves the guest.
  std::optional<Pasid> translate(Pasid guest, Instruction instruction);
  // The same, without executing anything.
  std::optional<Pasid> find(Pasid guest) const;

  // A PASID of the machine's set gets its alias, or loses it. The kernel is told first (Priority::cpu).
  void notify(const ioasid::Notice& notice) noexcept override;
  // The same by an iommufd file.
  void pasid_attached(Pasid guest, Pasid host) override { bound(guest, host); }
  void pasid_detached(Pasid guest) override { unbound(guest); }

  PasidTranslationStats stats;
  TracePoint trace;
  InjectionPort injection;  // of notices

 private:
  static constexpr std::uint32_t valid = 1U << 31U;
  std::optional<Hpa> table_of(Pasid guest) const;
  std::uint32_t read(Hpa table, Pasid guest) const;
  void write(Hpa table, Pasid guest, std::uint32_t entry);
  void bound(Pasid guest, Pasid host);
  void unbound(Pasid guest);
  void set(Pasid guest, Pasid host);
  void clear(Pasid guest);
  void tell(Pasid guest, Pasid host, std::uint16_t what) const;
  Hpa directory_slot(Pasid guest) const;

  const Engine& engine_;
  TableMemory& memory_;
  std::array<Hpa, 2> directories_;
};

}  // namespace viosim
