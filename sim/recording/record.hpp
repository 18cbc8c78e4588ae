// One line of a recording with its known fields, read with the type that is asked for.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/recording/json_scanner.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace viosim::recording {

// The fields that mean something to us, in the order of field_names.
enum class Key : std::uint8_t {
  addr,
  address_width,
  am,
  asid,
  caching_mode,
  capacity,
  data,
  dev,
  did,
  dr,
  dw,
  end,
  flags,
  fm,
  fn,
  format,
  fr,
  full,
  gran,
  hi,
  idx,
  interrupt_flag,  // "if"
  ih,
  im,
  iommu,
  iotlb,
  iova,
  k,
  lo,
  lvl,
  n,
  name,
  pa,
  perm,
  pgsz,
  policy,
  prot,
  pte,
  r,
  records,
  scalable_mode,
  sid,
  strict,
  sw,
  sz,
  t,
  tg,
  type,
  w,
  count  // of the fields above
};
inline constexpr std::size_t key_count = static_cast<std::size_t>(Key::count);
static_assert(key_count <= 64);

class Record {
 public:
  // Replaces what was held. Unknown members are checked and forgotten; a known one that comes twice
  // is refused. The text must stay alive. Throws RecordingProblem, as all below do.
  void scan(std::string_view line);

  bool has(Key key) const { return (present_ >> static_cast<unsigned>(key) & 1U) != 0; }
  bool is_null(Key key) const { return at(key).type == JsonType::null; }
  std::string_view raw(Key key) const { return at(key).text; }
  std::string_view string(Key key) const;
  bool boolean(Key key) const;
  std::uint64_t integer(Key key, std::uint64_t min, std::uint64_t max) const;
  std::uint64_t hex(Key key) const;        // "0x..", up to 64 bits
  std::string_view object(Key key) const;  // its text
  bool flag(Key key) const { return integer(key, 0, 1) == 1; }

  // "`sid` is 70000, expected ..." : for what a type cannot say.
  [[noreturn]] void reject(Key key, std::string_view expected) const;

 private:
  JsonValue at(Key key) const {
    return has(key) ? values_[static_cast<std::size_t>(key)] : JsonValue{};
  }

  std::uint64_t present_ = 0;  // bit per key; spares clearing the values for each line
  std::array<JsonValue, key_count> values_;
  std::optional<JsonScanner> scanner_;  // keeps decoded strings
};

}  // namespace viosim::recording
