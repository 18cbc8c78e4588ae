// Quantities that scenario files carry with their units: sizes, rates, bandwidths. Times are in
// time.hpp.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/strong.hpp"
#include "core/base/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// A number of bytes; also the distance between two addresses.
class Bytes {
 public:
  constexpr Bytes() = default;
  explicit constexpr Bytes(std::uint64_t count) : count_(count) {}
  constexpr std::uint64_t count() const { return count_; }
  constexpr auto operator<=>(const Bytes&) const = default;

 private:
  std::uint64_t count_ = 0;
};

constexpr Bytes operator""_B(unsigned long long n) { return Bytes(n); }
constexpr Bytes operator""_KiB(unsigned long long n) { return Bytes(n << 10); }
constexpr Bytes operator""_MiB(unsigned long long n) { return Bytes(n << 20); }
constexpr Bytes operator""_GiB(unsigned long long n) { return Bytes(n << 30); }

// Events per second, as an exact period: "5 M/s" is one every 200 ns. A period that is not a whole
// number of picoseconds is refused when read.
using Rate = Strong<struct RateTag, Ps>;

// Bytes per second.
using Bandwidth = Strong<struct BandwidthTag, std::uint64_t>;
// What so many bytes take, rounded up; and what fits into a time, rounded down.
Ps time_for(Bytes bytes, Bandwidth bandwidth);
Bytes bytes_in(Ps time, Bandwidth bandwidth);

// Reading: a decimal number, optional blanks, a unit. nullopt when the text is malformed, the unit
// is missing or unknown, the value is negative, or it is not exact in the target's resolution.
std::optional<Ps> parse_time(std::string_view text);  // ps ns us ms s          "250 ns", "1.5 us"
std::optional<Bytes> parse_bytes(std::string_view text);  // B KiB MiB GiB TiB KB MB GB TB   "4 KiB"
std::optional<Rate> parse_rate(std::string_view text);    // /s K/s M/s G/s         "5 M/s"

// B/s KB/s MB/s GB/s Mbit/s Gbit/s, the last two also as Mb/s Gb/s   "12.5 GB/s"
std::optional<Bandwidth> parse_bandwidth(std::string_view text);

// The units that each of them knows.
enum class Quantity { time, size, rate, bandwidth };
std::vector<std::string_view> unit_names(Quantity quantity);

// Writing: the shortest exact text that the functions above read back as the same value.
std::string to_text(Ps);
std::string to_text(Bytes);
std::string to_text(Rate);
std::string to_text(Bandwidth);

}  // namespace viosim
