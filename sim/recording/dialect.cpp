// What the dialects share.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/dialect.hpp"

#include "core/base/address.hpp"
#include "sim/recording/problem.hpp"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <limits>

namespace viosim::recording {
namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t last_page = std::numeric_limits<std::uint64_t>::max() / page_bytes;
constexpr std::uint64_t pa_max = (std::uint64_t{1} << 52U) - 1;
constexpr std::uint64_t pages_max = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t pgsz_max = std::uint64_t{1} << 30U;

RecordedOutcome read_outcome(const Record& record, std::span<const OutcomeName> outcomes) {
  const std::string_view read = record.string(Key::r);
  std::string expected;
  for (const OutcomeName& known : outcomes) {
    if (known.name == read) return known.outcome;
    expected += expected.empty() ? "" : &known == &outcomes.back() ? " or " : ", ";
    expected += known.name;
  }
  record.reject(Key::r, expected);
}

}  // namespace

std::uint16_t requester(const Record& record) {
  return static_cast<std::uint16_t>(record.integer(Key::sid, 0, sid_max));
}

RecordedOp read_request(const Record& record, std::span<const OutcomeName> outcomes) {
  RecordedOp op;
  op.sid = requester(record);
  op.iova = record.hex(Key::iova);
  op.outcome = read_outcome(record, outcomes);
  if (has_translation(op)) op.pa = record.hex(Key::pa);
  if (op.pa > pa_max) record.reject(Key::pa, "an address of at most 52 bits");
  // Without `w` the page allows both (FORMAT.md); a read is allowed there like a write.
  if (record.has(Key::w)) op.permissions = record.flag(Key::w) ? 1 : 0;
  if (record.has(Key::fr))
    op.fault_reason = static_cast<std::uint8_t>(record.integer(Key::fr, 0, 0xff));
  return op;
}

void InsertionCount::request(const Record& record, const RecordedOp& op, std::uint32_t capacity) {
  const bool inserts = op.outcome == RecordedOutcome::miss;
  if (record.has(Key::full) && record.flag(Key::full)) {
    if (!inserts) record.reject(Key::full, "it with a miss only: nothing else inserts an entry");
    if (inserted_ < capacity) {
      record.reject(Key::full,
                    fmt::format("none: {} entries were inserted since the IOTLB of {} was empty",
                                inserted_, capacity));
    }
    dropped_all();
  }
  if (inserts) ++inserted_;
}

GuestPages guest_pages(const Record& record) {
  const std::uint64_t size = record.integer(Key::pgsz, page_bytes, pgsz_max);
  if (!std::has_single_bit(size)) record.reject(Key::pgsz, "a power of two");
  const std::uint64_t pages_each = size / page_bytes;
  const std::uint64_t pages = record.integer(Key::n, 1, pages_max / pages_each) * pages_each;
  const std::uint64_t iova = record.hex(Key::iova);
  if (iova % size != 0)
    record.reject(Key::iova, fmt::format("a multiple of the page size {}", size));
  const std::uint64_t first = iova / page_bytes;
  if (pages - 1 > last_page - first) record.reject(Key::n, "pages that end within 64 bits");
  return {{first, first + pages - 1}, static_cast<std::uint8_t>(std::countr_zero(size))};
}

std::uint64_t physical_page(const Record& record, const GuestPages& pages) {
  const std::uint64_t pa = record.hex(Key::pa);
  const std::uint64_t size = std::uint64_t{1} << pages.page_shift;
  if (pa % size != 0) record.reject(Key::pa, fmt::format("a multiple of the page size {}", size));
  if (pa > pa_max || pages.range.pages() - 1 > (pa_max - pa) / page_bytes)
    record.reject(Key::pa, "memory that ends within 52 bits");
  return pa / page_bytes;
}

std::uint16_t device_sid(const Record& record) {
  constexpr const char* expected = "a PCI address like \"0000:02:00.0\"";
  const std::string_view text = record.string(Key::dev);
  constexpr std::string_view form = "0000:xx:xx.x";
  if (text.size() != form.size()) record.reject(Key::dev, expected);
  std::string digits;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] == 'x') {
      digits += text[i];
    } else if (text[i] != form[i]) {
      record.reject(Key::dev, expected);
    }
  }
  std::uint32_t number = 0;  // 0xBBDDF
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number, 16);
  const unsigned device = number >> 4U & 0xffU;
  const unsigned function = number & 0xfU;
  if (error != std::errc{} || stop != end || device > 0x1f || function > 7)
    record.reject(Key::dev, expected);
  return Bdf(number >> 12U, device, function).value();
}

}  // namespace viosim::recording
