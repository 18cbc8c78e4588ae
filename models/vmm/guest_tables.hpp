// A guest's root, context and PASID tables, as its hypervisor reads them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "models/host/table_memory.hpp"
#include "models/iommu/vtd/tables.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace viosim {

// Addresses are guest physical; scalable mode. Reads at the instant of the call.
class GuestTables {
 public:
  explicit GuestTables(const TableMemory& memory) : memory_(memory) {}

  std::optional<vtd::ScalableContext> context(Hpa root, Bdf source) const;
  // Not present where a table on the way to it is missing.
  vtd::PasidEntry entry(Hpa root, Bdf source, Pasid pasid) const;
  // Of all present entries, ascending.
  std::vector<Pasid> present(Hpa root, Bdf source) const;

 private:
  template <std::size_t N>
  std::array<std::uint64_t, N> words(Hpa at) const {
    std::array<std::uint64_t, N> read{};
    for (std::size_t i = 0; i < N; ++i) read[i] = memory_.read(at + Bytes(i * 8));
    return read;
  }
  const TableMemory& memory_;
};

}  // namespace viosim
