// Spreads numbers over 32 bits so that no regular distance between them is left.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace ioasid::detail {

// A product alone keeps equal distances equal: what is then a short way apart lies in a heap. Shifted
// upon itself in between, it does not. Its upper bits are the better ones.
constexpr std::uint32_t mix(std::uint32_t key) {
  const std::uint32_t half = (key ^ key >> 15) * 0x9e3779b1u;
  return (half ^ half >> 15) * 0x85ebca6bu;
}

}  // namespace ioasid::detail
