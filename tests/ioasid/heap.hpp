// The heap as the tests of memory see it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

extern std::atomic<std::int64_t> heap_bytes;        // taken just now, malloc's own included
extern std::atomic<std::int64_t> allocations_left;  // negative: as many as wanted
