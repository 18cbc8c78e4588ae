// One column of a trace block: numbers made small, cut into planes of bytes, each plane compressed
// by itself.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/trace.hpp"
#include "sim/record/bytes.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace viosim {

// What is done to the numbers of a column before they are cut into bytes. Distances and differences
// are also divided by a common divisor, because times are often whole nanoseconds.
enum class ColumnKind : std::uint8_t {
  small,        // nothing: they are already near zero
  distances,    // close to each other: their minimum is subtracted
  differences,  // positive or negative, near zero: zigzag, so that small ones have zero high bits
};

class ColumnEncoder {
 public:
  ColumnEncoder();
  ~ColumnEncoder();
  ColumnEncoder(const ColumnEncoder&) = delete;
  ColumnEncoder& operator=(const ColumnEncoder&) = delete;

  // At most trace_block_events values, which are overwritten.
  void write(std::span<std::uint64_t> values, ColumnKind kind, ByteWriter& out);
  void write(std::span<const std::uint16_t> values, ByteWriter& out);

 private:
  template <class T>
  void write_planes(std::span<const T> values, ByteWriter& out);
  template <class T>
  void write_planes(std::span<const T> values, unsigned width, ByteWriter& out);
  void write_plane(std::span<const std::byte> plane, ByteWriter& out);

  ZSTD_CCtx_s* zstd_;
  std::vector<std::byte> plane_;
  std::vector<std::uint32_t> halves_;
  std::vector<std::byte> compressed_;
};

class ColumnDecoder {
 public:
  ColumnDecoder();
  ~ColumnDecoder();
  ColumnDecoder(const ColumnDecoder&) = delete;
  ColumnDecoder& operator=(const ColumnDecoder&) = delete;

  // Fills `values`, whose size says how many there are. Throws BadBytes.
  void read(ByteReader& in, ColumnKind kind, std::span<std::uint64_t> values);
  void read(ByteReader& in, std::span<std::uint16_t> values);

 private:
  template <class T>
  void read_planes(ByteReader& in, std::span<T> values);
  void read_plane(ByteReader& in, std::span<std::byte> plane);

  ZSTD_DCtx_s* zstd_;
  std::vector<std::byte> plane_;
};

}  // namespace viosim
