// RISC-V's way from a request to its address space, and its fault causes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/architecture.hpp"
#include "models/iommu/riscv/faults.hpp"
#include "models/iommu/riscv/structures.hpp"

#include <cstdint>
#include <string_view>

namespace viosim::riscv {

// The register ddtp: how devices are found.
struct DirectoryPointer {
  DirectoryMode mode = DirectoryMode::off;
  Hpa root;
};

class RiscvArchitecture final : public Architecture {
 public:
  RiscvArchitecture(ContextFormat format, DirectoryPointer directory)
      : format_(format), directory_(directory) {}

  // Takes effect for requests whose walk begins from now on; the caches are the caller's.
  void set_directory(DirectoryPointer directory) { directory_ = directory; }
  DirectoryPointer directory() const { return directory_; }
  // Whether the device directory is wide enough for this id.
  bool reaches(std::uint32_t device) const {
    return device < device_limit(directory_.mode, format_);
  }

  bool caches_absent_first_pages() const override { return true; }
  bool has_process_tables() const override { return true; }
  ConfigStep begin(ConfigWalk& walk) const override;
  ConfigStep with_config(ConfigWalk& walk) const override;
  ConfigStep advance(ConfigWalk& walk, Words words) const override;
  FaultCode refused(const ConfigWalk& walk) const override;
  FaultCode code(PageFault fault, const ConfigWalk& walk) const override;
  // RISC-V IOMMU 1.0, 2.6: page faults are answers without rights, misconfigured entries included.
  bool answers_translation(PageFault /*fault*/) const override { return true; }
  std::string_view describe(FaultCode code) const override;

 private:
  ConfigStep want_device(ConfigWalk& walk, Hpa table, unsigned level) const;
  ConfigStep have_device(ConfigWalk& walk, Words words, unsigned level) const;

  ContextFormat format_;
  DirectoryPointer directory_;
};

}  // namespace viosim::riscv
