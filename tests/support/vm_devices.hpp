// What rigs of virtual machines call their devices.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"

namespace viosim::test {

inline constexpr Bdf device{1, 0, 0};
inline constexpr Bdf other_device{2, 0, 0};
inline constexpr Bdf neighbour{1, 0, 1};  // of the first one

}  // namespace viosim::test
