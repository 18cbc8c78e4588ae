// Reading each known field with its type, and refusing what does not fit.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/record.hpp"

#include "sim/recording/problem.hpp"

#include <fmt/format.h>

#include <charconv>
#include <string>

namespace viosim::recording {
namespace {

constexpr std::array<std::string_view, key_count> field_names = {"addr",
                                                                 "address_width",
                                                                 "am",
                                                                 "asid",
                                                                 "caching_mode",
                                                                 "capacity",
                                                                 "data",
                                                                 "dev",
                                                                 "did",
                                                                 "dr",
                                                                 "dw",
                                                                 "end",
                                                                 "flags",
                                                                 "fm",
                                                                 "fn",
                                                                 "format",
                                                                 "fr",
                                                                 "full",
                                                                 "gran",
                                                                 "hi",
                                                                 "idx",
                                                                 "if",
                                                                 "ih",
                                                                 "im",
                                                                 "iommu",
                                                                 "iotlb",
                                                                 "iova",
                                                                 "k",
                                                                 "lo",
                                                                 "lvl",
                                                                 "n",
                                                                 "name",
                                                                 "pa",
                                                                 "perm",
                                                                 "pgsz",
                                                                 "policy",
                                                                 "prot",
                                                                 "pte",
                                                                 "r",
                                                                 "records",
                                                                 "scalable_mode",
                                                                 "sid",
                                                                 "strict",
                                                                 "sw",
                                                                 "sz",
                                                                 "t",
                                                                 "tg",
                                                                 "type",
                                                                 "w"};

// A table of open addresses over the names: a line has some ten members, looked up one by one.
constexpr std::size_t slots = 128;
constexpr std::uint8_t no_key = 0xff;

constexpr std::size_t slot_of(std::string_view name) {
  const auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(name[i])}; };
  return (byte(0) * 5 + byte(name.size() - 1) * 3 + byte(name.size() / 2) + name.size()) % slots;
}

constexpr auto slot_table = [] {
  std::array<std::uint8_t, slots> table{};
  table.fill(no_key);
  for (std::size_t i = 0; i < field_names.size(); ++i) {
    std::size_t slot = slot_of(field_names[i]);
    while (table[slot] != no_key) slot = (slot + 1) % slots;
    table[slot] = static_cast<std::uint8_t>(i);
  }
  return table;
}();

std::size_t find_key(std::string_view name) {
  if (name.empty()) return key_count;
  for (std::size_t slot = slot_of(name); slot_table[slot] != no_key; slot = (slot + 1) % slots) {
    if (field_names[slot_table[slot]] == name) return slot_table[slot];
  }
  return key_count;
}

// What was read, short and printable.
std::string shown(const JsonValue& value) {
  constexpr std::size_t longest = 60;
  std::string text;
  for (const char c : value.text.substr(0, longest)) text += c >= ' ' && c <= '~' ? c : '?';
  if (value.text.size() > longest) text += "...";
  return value.type == JsonType::string ? '"' + text + '"' : text;
}

constexpr const char* byte_order_mark =
    "begins with a byte order mark, expected UTF-8 text without one";

const char* why_not_utf8(std::string_view line) {
  if (line.starts_with("\x1f\x8b"))
    return "is compressed by gzip, expected JSON lines, as they are or compressed by zstd";
  if (line.starts_with("\xff\xfe") || line.starts_with("\xfe\xff")) return byte_order_mark;
  return "read bytes that are not UTF-8, expected UTF-8 text";
}

constexpr std::string_view hex_expected = "a hexadecimal string of up to 64 bits like \"0x1000\"";

}  // namespace

void Record::scan(std::string_view line) {
  if (!is_utf8(line)) throw RecordingProblem(why_not_utf8(line));
  if (line.starts_with("\xef\xbb\xbf")) throw RecordingProblem(byte_order_mark);
  present_ = 0;
  scanner_.emplace(line);
  scanner_->object([&](std::string_view name, JsonValue value) {
    const std::size_t key = find_key(name);
    if (key == key_count) return;
    const std::uint64_t bit = std::uint64_t{1} << key;
    if ((present_ & bit) != 0)
      throw RecordingProblem(fmt::format("`{}` comes twice, expected it once", name));
    present_ |= bit;
    values_[key] = value;
  });
}

std::string_view Record::string(Key key) const {
  if (at(key).type != JsonType::string) reject(key, "a string");
  return at(key).text;
}

bool Record::boolean(Key key) const {
  if (at(key).type != JsonType::boolean) reject(key, "true or false");
  return at(key).text == "true";
}

std::uint64_t Record::integer(Key key, std::uint64_t min, std::uint64_t max) const {
  const JsonValue value = at(key);
  std::uint64_t number = 0;
  const char* const end = value.text.data() + value.text.size();
  const auto [stop, error] = std::from_chars(value.text.data(), end, number);
  if (value.type != JsonType::integer || error != std::errc{} || stop != end || number < min ||
      number > max) {
    reject(key, fmt::format("an integer from {} to {}", min, max));
  }
  return number;
}

std::uint64_t Record::hex(Key key) const {
  const JsonValue value = at(key);
  if (value.type != JsonType::string || !value.text.starts_with("0x")) reject(key, hex_expected);
  const std::string_view digits = value.text.substr(2);
  const char* const end = digits.data() + digits.size();
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), end, number, 16);
  if (error != std::errc{} || stop != end) reject(key, hex_expected);
  return number;
}

std::string_view Record::object(Key key) const {
  if (at(key).type != JsonType::object) reject(key, "an object");
  return at(key).text;
}

void Record::reject(Key key, std::string_view expected) const {
  const std::string_view name = field_names[static_cast<std::size_t>(key)];
  if (!has(key))
    throw RecordingProblem(fmt::format("`{}` is missing, expected {}", name, expected));
  throw RecordingProblem(fmt::format("`{}` is {}, expected {}", name, shown(at(key)), expected));
}

}  // namespace viosim::recording
