// A RISC-V IOMMU as software meets it: its tables in memory, its command queue, and behind them the
// caches and walkers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/iommu/iommu.hpp"
#include "models/iommu/riscv/architecture.hpp"
#include "models/iommu/riscv/command_queue.hpp"
#include "models/iommu/riscv/tables.hpp"

#include <cstdint>
#include <string>
#include <tuple>

namespace viosim::riscv {

struct UnitParams : IommuParams {
  DirectoryMode directory = DirectoryMode::three_level;
  ContextFormat contexts = ContextFormat::base;
  ProcessMode processes = ProcessMode::pd20;
  CommandQueueParams commands;

  static constexpr auto fields() {
    using P = UnitParams;
    return Fields{field("directory", &P::directory, "The device directory (ddtp.iommu_mode)."),
                  field("contexts", &P::contexts, "The format of device contexts."),
                  field("processes", &P::processes,
                        "The process directory of devices whose requests carry a PASID.")} +
           IommuParams::fields() + Fields{field("commands", &P::commands, "The command queue.")};
  }
  bool operator==(const UnitParams&) const = default;
};

class Unit {
 public:
  // `number`: its place in the order of events at one instant.
  Unit(std::string path, const UnitParams& params, std::uint32_t number, Agenda& agenda,
       PhysicalMemory& memory, std::uint64_t seed);
  Unit(const Unit&) = delete;
  Unit& operator=(const Unit&) = delete;

  const UnitParams& params() const { return params_; }
  const std::string& path() const { return iommu_.path(); }
  Iommu& iommu() { return iommu_; }
  const Iommu& iommu() const { return iommu_; }
  Tables& tables() { return tables_; }
  CommandQueue& queue() { return queue_; }
  const CommandQueue& queue() const { return queue_; }
  // The register ddtp; forgets everything.
  void write_directory(DirectoryPointer directory);

 private:
  UnitParams params_;
  Tables tables_;
  RiscvArchitecture architecture_;
  Iommu iommu_;
  CommandQueue queue_;
};

}  // namespace viosim::riscv
