// Writing and reading the bytes of a trace block: varints and raw spans, every read checked.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/wide.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

namespace viosim {

static_assert(std::endian::native == std::endian::little, "blocks are written as memory has them");

// The bytes are not what the writer writes. Callers know the file and the place, and say them.
class BadBytes : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class ByteWriter {
 public:
  void clear() { bytes_.clear(); }
  std::span<const std::byte> bytes() const { return bytes_; }

  void varint(std::uint64_t value) { put_sevens(value); }
  void wide_varint(WideSum value) { put_sevens(value); }  // of 64 bits the same bytes
  void append(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

 private:
  template <class Number>
  void put_sevens(Number value) {
    for (; value >= 0x80U; value >>= 7U) bytes_.push_back(static_cast<std::byte>(value | 0x80U));
    bytes_.push_back(static_cast<std::byte>(value));
  }

  std::vector<std::byte> bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }

  std::uint64_t varint() { return take_sevens<std::uint64_t>(); }
  WideSum wide_varint() { return take_sevens<WideSum>(); }
  std::span<const std::byte> take(std::size_t count) {
    if (count > rest_.size()) throw BadBytes("it ends too early");
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

 private:
  template <class Number>
  Number take_sevens() {
    Number value = 0;
    for (unsigned shift = 0; shift < 8 * sizeof value; shift += 7) {
      const auto byte = std::to_integer<std::uint64_t>(take(1)[0]);
      value |= static_cast<Number>(byte & 0x7fU) << shift;
      if (byte < 0x80U) return value;
    }
    throw BadBytes("a number has too many bytes");
  }

  std::span<const std::byte> rest_;
};

constexpr std::uint64_t zigzag(std::uint64_t value) { return (value << 1U) ^ (0 - (value >> 63U)); }
constexpr std::uint64_t unzigzag(std::uint64_t value) { return (value >> 1U) ^ (0 - (value & 1U)); }

}  // namespace viosim
