// The software that writes a RISC-V IOMMU's directories.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/host/physical_memory.hpp"
#include "models/iommu/riscv/architecture.hpp"
#include "models/iommu/riscv/structures.hpp"

#include <cstdint>
#include <optional>

namespace viosim::riscv {

// Software's view of a process directory. `memory`: the host's, or a guest's for devices with a
// second stage, whose addresses the directory then holds.
class ProcessTable {
 public:
  ProcessTable(TableMemory& memory, ProcessMode mode)
      : memory_(memory), mode_(mode), root_(memory.allocate_frames()) {}

  // As fsc names it.
  Root root() const { return {static_cast<std::uint8_t>(mode_), root_}; }
  ProcessMode mode() const { return mode_; }
  // Valid last, as software does. The process id is below limit(mode).
  void set(Pasid process, const ProcessContext& context);
  // Clears Valid and leaves the rest.
  void clear_valid(Pasid process);
  // Where the context is; none before a table for it was made.
  std::optional<Hpa> context(Pasid process) const;

 private:
  TableMemory& memory_;
  ProcessMode mode_;
  Hpa root_;
};

// Software's view of the device directory.
class Tables {
 public:
  Tables(PhysicalMemory& memory, ContextFormat format, DirectoryMode mode);

  ContextFormat format() const { return format_; }
  DirectoryPointer pointer() const { return {mode_, root_}; }

  // What requests of `source`, which the directory reaches, use. Valid last.
  void attach(Bdf source, const DeviceContext& context);
  // What `source` asks next is refused.
  void detach(Bdf source);
  // Where the context is; none before a table for it was made.
  std::optional<Hpa> context(Bdf source) const;

 private:
  PhysicalMemory& memory_;
  ContextFormat format_;
  DirectoryMode mode_;
  Hpa root_;
};

}  // namespace viosim::riscv
