// Whole numbers of 128 bits, for sums that must not overflow.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace viosim {

__extension__ using WideSum = unsigned __int128;

}  // namespace viosim
