// Putting the parts of a RISC-V IOMMU together.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/riscv/unit.hpp"

#include <utility>

namespace viosim::riscv {

Unit::Unit(std::string path, const UnitParams& params, std::uint32_t number, Agenda& agenda,
           PhysicalMemory& memory, std::uint64_t seed)
    : params_(params),
      tables_(memory, params.contexts, params.directory),
      architecture_(params.contexts, tables_.pointer()),
      iommu_(std::move(path), params, architecture_, number, agenda, memory, seed),
      queue_(params.commands, architecture_, number, agenda, memory, iommu_) {}

void Unit::write_directory(DirectoryPointer directory) {
  architecture_.set_directory(directory);
  iommu_.drop_all();
}

}  // namespace viosim::riscv
