// Where software keeps tables that hardware walks: a host's memory, or a guest's within it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"

#include <cstdint>

namespace viosim {

// Addresses are those that the tables' entries hold: of a guest's tables, guest physical ones.
class TableMemory {
 public:
  virtual std::uint64_t read(Hpa at) const = 0;
  virtual void write(Hpa at, std::uint64_t word) = 0;
  // A run of frames that nobody uses, zeroed.
  virtual Hpa allocate_frames(std::uint64_t count = 1) = 0;

 protected:
  ~TableMemory() = default;
};

}  // namespace viosim
