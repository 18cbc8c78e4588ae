// Which life of a PASID it is: how often each number of a kernel was allocated.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"

#include <cstdint>
#include <vector>

namespace viosim {

// The first life of a number is 1; 0 is before, and what no kernel allocates. Numbers are given out
// from below, so the table is no longer than the most that lived at a time.
class PasidLives {
 public:
  std::uint32_t of(Pasid pasid) const {
    return pasid.value() < lives_.size() ? lives_[pasid.value()] : 0;
  }
  void begin(Pasid pasid) {
    if (pasid.value() >= lives_.size()) lives_.resize(pasid.value() + std::size_t{1});
    ++lives_[pasid.value()];
  }

 private:
  std::vector<std::uint32_t> lives_;
};

}  // namespace viosim
