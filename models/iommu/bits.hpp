// Fields of a word: of entries of tables, of descriptors and commands.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace viosim {

constexpr std::uint64_t frame_bits =
    ~std::uint64_t{0xfff};  // where a table lies, or a page of 4 KiB

constexpr std::uint64_t field_of(std::uint64_t word, unsigned low, unsigned bits) {
  return word >> low & ((std::uint64_t{1} << bits) - 1);
}
constexpr bool bit_of(std::uint64_t word, unsigned at) { return (word >> at & 1U) != 0; }
constexpr std::uint64_t put(std::uint64_t value, unsigned low) { return value << low; }
constexpr std::uint64_t put(bool value, unsigned low) { return std::uint64_t{value} << low; }

}  // namespace viosim
