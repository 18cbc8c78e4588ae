// Common divisors, zigzag, planes of bytes and their compression.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/column.hpp"

#include "core/base/error.hpp"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace viosim {
namespace {

// Planes shorter than this are stored as they are: a zstd frame would be longer.
constexpr std::size_t shortest_compressed = 32;
// Folding reads up to this much past the last value.
constexpr std::size_t fold_slack = 8;

// The inverse of an odd number modulo 2^64, by Newton's iteration: each step doubles the correct
// bits, and an odd number is its own inverse modulo 8.
constexpr std::uint64_t inverse(std::uint64_t odd) {
  std::uint64_t x = odd;
  for (int step = 0; step < 5; ++step) x *= 2 - odd * x;
  return x;
}
static_assert(inverse(125) * 125 == 1);

// Exact division by one divisor without a divide instruction: multiply by the inverse of the odd
// part, rotate the even part away. What is not divisible comes out above the largest quotient.
class ExactDivider {
 public:
  explicit ExactDivider(std::uint64_t divisor)
      : inverse_(inverse(divisor >> static_cast<unsigned>(std::countr_zero(divisor)))),
        shift_(std::countr_zero(divisor)),
        largest_(~std::uint64_t{0} / divisor) {}

  std::uint64_t divide(std::uint64_t value) const { return std::rotr(value * inverse_, shift_); }
  bool divides(std::uint64_t value) const { return divide(value) <= largest_; }

 private:
  std::uint64_t inverse_;
  int shift_;
  std::uint64_t largest_;
};

constexpr std::uint64_t magnitude(std::uint64_t value) {
  const std::uint64_t sign = 0 - (value >> 63U);
  return (value ^ sign) - sign;
}

// A divisor of all magnitudes: the gcd of a sample if it divides the rest too, else its largest
// power of two that does.
std::uint64_t common_divisor(std::span<const std::uint64_t> values) {
  constexpr std::size_t samples = 64;
  std::uint64_t divisor = 0;
  const std::size_t stride = std::max<std::size_t>(1, values.size() / samples);
  for (std::size_t i = 0; i < values.size() && divisor != 1; i += stride)
    divisor = std::gcd(divisor, magnitude(values[i]));
  if (divisor <= 1) return 1;
  const ExactDivider divider(divisor);
  bool all = true;
  std::uint64_t bits = 0;
  for (const std::uint64_t value : values) {
    all &= divider.divides(magnitude(value));
    bits |= value;
  }
  if (all) return divisor;
  return bits == 0 ? 1 : std::uint64_t{1} << static_cast<unsigned>(std::countr_zero(bits));
}

std::uint64_t subtract_minimum(std::span<std::uint64_t> values) {
  // Signed, so that differences around zero stay together.
  std::int64_t minimum = static_cast<std::int64_t>(values[0]);
  for (const std::uint64_t value : values)
    minimum = std::min(minimum, static_cast<std::int64_t>(value));
  const auto reference = static_cast<std::uint64_t>(minimum);
  for (std::uint64_t& value : values) value -= reference;
  return reference;
}

void divide(std::span<std::uint64_t> values, std::uint64_t divisor) {
  if (divisor == 1) return;
  const ExactDivider divider(divisor);
  for (std::uint64_t& value : values) value = divider.divide(value);
}

void divide_and_zigzag(std::span<std::uint64_t> values, std::uint64_t divisor) {
  if (divisor == 1) {
    for (std::uint64_t& value : values) value = zigzag(value);
    return;
  }
  const ExactDivider divider(divisor);
  for (std::uint64_t& value : values) {
    const std::uint64_t sign = 0 - (value >> 63U);
    value = (divider.divide((value ^ sign) - sign) << 1U) + sign;
  }
}

// Unsigned division of distances needs unsigned divisibility, which magnitude() would spoil above
// 2^63: such columns are left undivided.
bool fits_signed(std::span<const std::uint64_t> values) {
  std::uint64_t bits = 0;
  for (const std::uint64_t value : values) bits |= value;
  return (bits >> 63U) == 0;
}

// A plane holds `bits` (8, 4, 2 or 1) of each value, starting at bit `shift`.
struct Plane {
  unsigned shift;
  unsigned bits;
  std::size_t bytes(std::size_t values) const { return (values * bits + 7) / 8; }
};

// The planes of a column whose values have `width` bits: whole bytes first, then what is left.
// Fields keep their place within a byte, so that zstd's entropy coder still sees how they are
// distributed.
struct Planes {
  std::array<Plane, 11> all{};
  std::size_t count = 0;
  explicit Planes(unsigned width) {
    unsigned shift = 0;
    for (const unsigned bits : {8U, 4U, 2U, 1U})
      for (; width - shift >= bits; shift += bits) all[count++] = {shift, bits};
  }
  auto begin() const { return all.begin(); }
  auto end() const { return all.begin() + static_cast<std::ptrdiff_t>(count); }
};

// Values i, i + stride, i + 2 * stride ... share byte i of a folded plane: plain loops over bytes,
// which compilers turn into vector code.
void fold(std::byte* bytes, std::size_t values, Plane plane) {
  const std::size_t stride = plane.bytes(values);
  std::fill_n(bytes + values, stride * (8 / plane.bits) - values, std::byte{0});
  for (unsigned part = 1; part < 8 / plane.bits; ++part) {
    const std::byte* from = bytes + part * stride;
    const unsigned shift = part * plane.bits;
    for (std::size_t i = 0; i < stride; ++i) bytes[i] |= from[i] << shift;
  }
}

void unfold(std::byte* bytes, std::size_t values, Plane plane) {
  const std::size_t stride = plane.bytes(values);
  const auto mask = static_cast<std::byte>((1U << plane.bits) - 1U);
  for (unsigned part = 8 / plane.bits; part-- > 0;) {
    std::byte* to = bytes + part * stride;
    const unsigned shift = part * plane.bits;
    for (std::size_t i = 0; i < stride; ++i) to[i] = (bytes[i] >> shift) & mask;
  }
}

template <class T>
void cut(std::span<const T> values, Plane plane, std::byte* out) {
  const auto mask = static_cast<std::uint8_t>((1U << plane.bits) - 1U);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(values[i] >> plane.shift);
    out[i] = static_cast<std::byte>(static_cast<std::uint8_t>(byte & mask));
  }
}

// The first plane of a column overwrites what was there.
template <class T>
void join(const std::byte* in, Plane plane, std::span<T> values) {
  if (plane.shift == 0) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(in[i]);
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto field = static_cast<T>(static_cast<T>(in[i]) << plane.shift);
    values[i] = static_cast<T>(values[i] | field);
  }
}

}  // namespace

ColumnEncoder::ColumnEncoder() : zstd_(ZSTD_createCCtx()) {
  ensure(zstd_ != nullptr, "zstd gives a compression context");
  ZSTD_CCtx_setParameter(zstd_, ZSTD_c_compressionLevel, 1);
  ZSTD_CCtx_setParameter(zstd_, ZSTD_c_contentSizeFlag, 0);
  plane_.resize(trace_block_events + fold_slack);
  halves_.resize(trace_block_events);
  compressed_.resize(ZSTD_compressBound(trace_block_events));
}

ColumnEncoder::~ColumnEncoder() { ZSTD_freeCCtx(zstd_); }

// zstd stores what does not shrink. One number says which form follows: a length of 1 is a
// constant, the plane's own length is the plane as it is, anything between is a zstd frame.
void ColumnEncoder::write_plane(std::span<const std::byte> plane, ByteWriter& out) {
  const bool constant = std::memcmp(plane.data(), plane.data() + 1, plane.size() - 1) == 0;
  if (constant) {
    out.varint(1);
    out.append(plane.first(1));
    return;
  }
  if (plane.size() >= shortest_compressed) {
    const std::size_t size =
        ZSTD_compress2(zstd_, compressed_.data(), compressed_.size(), plane.data(), plane.size());
    ensure(ZSTD_isError(size) == 0, "zstd compresses a plane");
    if (size < plane.size()) {
      out.varint(size);
      out.append(std::span(compressed_).first(size));
      return;
    }
  }
  out.varint(plane.size());
  out.append(plane);
}

template <class T>
void ColumnEncoder::write_planes(std::span<const T> values, unsigned width, ByteWriter& out) {
  for (const Plane plane : Planes(width)) {
    cut(values, plane, plane_.data());
    if (plane.bits < 8) fold(plane_.data(), values.size(), plane);
    write_plane(std::span(plane_).first(plane.bytes(values.size())), out);
  }
}

template <class T>
void ColumnEncoder::write_planes(std::span<const T> values, ByteWriter& out) {
  T used = 0;
  for (const T value : values) used = static_cast<T>(used | value);
  const auto width = static_cast<unsigned>(std::bit_width(used));
  out.varint(width);
  if (sizeof(T) <= 4 || width > 32) return write_planes(values, width, out);
  // Twice as many values in a vector register from here on.
  for (std::size_t i = 0; i < values.size(); ++i)
    halves_[i] = static_cast<std::uint32_t>(values[i]);
  write_planes(std::span<const std::uint32_t>(halves_).first(values.size()), width, out);
}

void ColumnEncoder::write(std::span<std::uint64_t> values, ColumnKind kind, ByteWriter& out) {
  ensure(values.size() <= trace_block_events, "a column has at most one block's values");
  if (values.empty()) return;
  if (kind == ColumnKind::distances) {
    out.varint(zigzag(subtract_minimum(values)));
    const std::uint64_t divisor = fits_signed(values) ? common_divisor(values) : 1;
    divide(values, divisor);
    out.varint(divisor);
  } else if (kind == ColumnKind::differences) {
    const std::uint64_t divisor = common_divisor(values);
    divide_and_zigzag(values, divisor);
    out.varint(divisor);
  }
  write_planes(std::span<const std::uint64_t>(values), out);
}

void ColumnEncoder::write(std::span<const std::uint16_t> values, ByteWriter& out) {
  ensure(values.size() <= trace_block_events, "a column has at most one block's values");
  if (!values.empty()) write_planes(values, out);
}

ColumnDecoder::ColumnDecoder() : zstd_(ZSTD_createDCtx()) {
  ensure(zstd_ != nullptr, "zstd gives a decompression context");
  plane_.resize(trace_block_events + fold_slack);
}

ColumnDecoder::~ColumnDecoder() { ZSTD_freeDCtx(zstd_); }

void ColumnDecoder::read_plane(ByteReader& in, std::span<std::byte> plane) {
  const std::uint64_t size = in.varint();
  if (size == 0 || size > plane.size()) throw BadBytes("a column's plane has an impossible length");
  const auto stored = in.take(size);
  if (size == plane.size()) {
    std::memcpy(plane.data(), stored.data(), stored.size());
  } else if (size == 1) {
    std::memset(plane.data(), std::to_integer<int>(stored[0]), plane.size());
  } else {
    const std::size_t got =
        ZSTD_decompressDCtx(zstd_, plane.data(), plane.size(), stored.data(), stored.size());
    if (got != plane.size()) throw BadBytes("a column's plane does not decompress");
  }
}

template <class T>
void ColumnDecoder::read_planes(ByteReader& in, std::span<T> values) {
  const std::uint64_t width = in.varint();
  if (width > 8 * sizeof(T)) throw BadBytes("a column is too wide");
  if (width == 0) std::fill(values.begin(), values.end(), T{0});
  for (const Plane plane : Planes(static_cast<unsigned>(width))) {
    read_plane(in, std::span(plane_).first(plane.bytes(values.size())));
    if (plane.bits < 8) unfold(plane_.data(), values.size(), plane);
    join(plane_.data(), plane, values);
  }
}

void ColumnDecoder::read(ByteReader& in, ColumnKind kind, std::span<std::uint64_t> values) {
  if (values.size() > trace_block_events) throw BadBytes("a column is too long");
  if (values.empty()) return;
  if (kind == ColumnKind::small) return read_planes(in, values);
  const std::uint64_t reference =
      kind == ColumnKind::distances ? unzigzag(in.varint()) : std::uint64_t{0};
  const std::uint64_t divisor = in.varint();
  read_planes(in, values);
  if (kind == ColumnKind::distances) {
    for (std::uint64_t& value : values) value = value * divisor + reference;
  } else {
    for (std::uint64_t& value : values) value = unzigzag(value) * divisor;
  }
}

void ColumnDecoder::read(ByteReader& in, std::span<std::uint16_t> values) {
  if (values.size() > trace_block_events) throw BadBytes("a column is too long");
  if (!values.empty()) read_planes(in, values);
}

}  // namespace viosim
