// arm-smmuv3 recordings: an ASID stands for a domain, invalidations come decoded.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/dialect.hpp"
#include "sim/recording/problem.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>

namespace viosim::recording {
namespace {

constexpr std::uint64_t asid_max = 0xffff;
constexpr std::uint8_t read_write = 3;
constexpr std::uint64_t highest_page = std::numeric_limits<std::uint64_t>::max() >> 12U;

constexpr std::array smmu_outcomes = {OutcomeName{"hit", RecordedOutcome::hit},
                                      OutcomeName{"miss", RecordedOutcome::miss},
                                      OutcomeName{"fault", RecordedOutcome::fault},
                                      OutcomeName{"abort", RecordedOutcome::fault},
                                      OutcomeName{"bypass", RecordedOutcome::bypass},
                                      OutcomeName{"disable", RecordedOutcome::bypass}};

// log2 of the translation granule behind `tg`: 1 is 4 KiB, 2 is 16 KiB, 3 is 64 KiB.
unsigned granule_shift(const Record& record) {
  constexpr std::array<unsigned, 4> shifts = {0, 12, 14, 16};
  return shifts[record.integer(Key::tg, 1, 3)];
}

class Smmu : public Dialect {
 public:
  Smmu(RecordedStream& stream, StreamBuilder& builder) : stream_(stream), builder_(builder) {}

  void apply(std::string_view kind, const Record& record) override {
    if (kind == "req") {
      request(record);
    } else if (kind == "inv") {
      invalidate(record);
    } else if (kind == "inv_all") {
      insertions_.dropped_all();
      builder_.drop_all();
    } else if (kind == "map") {
      map(record);
    } else if (kind == "unmap") {
      unmap(record);
    } else if (kind == "attach") {
      attach(record);
    } else if (kind == "release") {
      builder_.detach(device_sid(record));
      builder_.flush_context(device_sid(record));
    }
  }

 private:
  static std::uint32_t domain_of(const Record& record) {
    return static_cast<std::uint32_t>(record.integer(Key::asid, 0, asid_max));
  }

  void request(const Record& record) {
    RecordedOp op = read_request(record, smmu_outcomes);
    insertions_.request(record, op, stream_.iotlb_capacity);
    if (has_translation(op) || record.has(Key::asid)) {
      op.domain = domain_of(record);
      attach(op.sid, op.domain);
    } else {
      builder_.attached(op.sid, op.domain);
    }
    if (op.outcome == RecordedOutcome::miss) prove_mapped(record, op);
    builder_.request(op);
  }

  // The size of the entry that a walk found follows from its granule and level (Arm ARM D8.2: each
  // level resolves granule_shift - 3 bits).
  void prove_mapped(const Record& record, const RecordedOp& op) {
    const unsigned granule = granule_shift(record);
    const auto level = static_cast<unsigned>(record.integer(Key::lvl, 1, 3));
    const unsigned shift = granule + (3 - level) * (granule - 3);
    const std::uint64_t offset = (std::uint64_t{1} << shift) - 1;
    const std::uint64_t first = (op.iova & ~offset) >> 12U;
    builder_.prove_mapped(
        op.domain, {first, first + (offset >> 12U)},
        {(op.pa & ~offset) >> 12U, permissions(record), static_cast<std::uint8_t>(shift)},
        needed_permission(op));
  }

  static std::uint8_t permissions(const Record& record) {
    const std::string_view read = record.string(Key::perm);
    if (read == "r") return 1;
    if (read == "w") return 2;
    if (read == "rw") return read_write;
    record.reject(Key::perm, "r, w or rw");
  }

  void invalidate(const Record& record) {
    const std::string_view granularity = record.string(Key::gran);
    if (granularity == "all") {
      insertions_.dropped_all();
      builder_.invalidate_all(RecordedOp::every_domain);
    } else if (granularity == "asid") {
      builder_.invalidate_all(domain_of(record));
    } else if (granularity == "range") {
      const bool any = record.raw(Key::asid) == "-1";
      builder_.invalidate(any ? RecordedOp::every_domain : domain_of(record), range_of(record));
    } else {
      record.reject(Key::gran, "all, asid or range");
    }
  }

  static PageRange range_of(const Record& record) {
    const unsigned granule = granule_shift(record);
    const std::uint64_t pages_each = std::uint64_t{1} << (granule - 12U);
    const std::uint64_t most = std::numeric_limits<std::uint32_t>::max() / pages_each;
    const std::uint64_t pages = record.integer(Key::n, 1, most) * pages_each;
    const std::uint64_t first = (record.hex(Key::addr) >> granule) << (granule - 12U);
    if (pages - 1 > highest_page - first) record.reject(Key::n, "pages that end within 64 bits");
    return {first, first + pages - 1};
  }

  // Recorded at a tracepoint, which does not see the permissions.
  void map(const Record& record) {
    const GuestPages pages = guest_pages(record);
    const std::uint64_t pa_page = physical_page(record, pages);
    if (unplaced(record)) return;
    builder_.map(domain_of(record), pages.range, {pa_page, read_write, pages.page_shift});
  }

  void unmap(const Record& record) {
    const GuestPages pages = guest_pages(record);
    if (!unplaced(record)) builder_.unmap(domain_of(record), pages.range);
  }

  bool unplaced(const Record& record) {
    if (record.has(Key::asid)) return false;
    ++stream_.unplaced;
    return true;
  }

  void attach(const Record& record) {
    const std::uint16_t sid = device_sid(record);
    if (record.has(Key::asid)) attach(sid, domain_of(record));
  }

  // What a request proves was changed earlier, and the cached entry flushed since.
  void attach(std::uint16_t sid, std::uint32_t domain) {
    std::uint32_t before = 0;
    const bool moves = builder_.attached(sid, before) && before != domain;
    builder_.attach(sid, domain);
    if (moves) builder_.flush_context(sid);
  }

  RecordedStream& stream_;
  StreamBuilder& builder_;
  InsertionCount insertions_;
};

}  // namespace

std::unique_ptr<Dialect> make_smmu(RecordedStream& stream, StreamBuilder& builder) {
  return std::make_unique<Smmu>(stream, builder);
}

}  // namespace viosim::recording
