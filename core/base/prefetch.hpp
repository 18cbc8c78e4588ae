// A hint to the machine we run on: this will be needed soon.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace viosim {

// Fetches the line at this address, which need not be readable, into the nearest cache, to be written to.
inline void prefetch_line(const void* at) {
  __builtin_prefetch(at, 1);
  // g++ 12 takes functions that do nothing but prefetch for ones without effects, and removes calls of them.
  asm volatile("" : : "r"(at));
}

}  // namespace viosim
