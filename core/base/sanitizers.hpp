// Which sanitizers a file is compiled with. g++ says so by macros, clang by features.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define VIOSIM_ASAN 1
#elif defined(__has_feature)
#define VIOSIM_ASAN __has_feature(address_sanitizer)
#else
#define VIOSIM_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define VIOSIM_TSAN 1
#elif defined(__has_feature)
#define VIOSIM_TSAN __has_feature(thread_sanitizer)
#else
#define VIOSIM_TSAN 0
#endif

namespace viosim {

// Programs that are watched need larger stacks and several times as long.
inline constexpr bool sanitized = VIOSIM_ASAN || VIOSIM_TSAN;

}  // namespace viosim
