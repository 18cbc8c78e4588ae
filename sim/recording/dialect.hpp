// Each kind of IOMMU was recorded in words of its own: a dialect turns its records into operations.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/recording/record.hpp"
#include "sim/recording/recording.hpp"
#include "sim/recording/stream_builder.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace viosim::recording {

class Dialect {
 public:
  Dialect() = default;
  Dialect(const Dialect&) = delete;
  Dialect& operator=(const Dialect&) = delete;
  virtual ~Dialect() = default;

  // One record of the given kind; kinds that mean nothing here are ignored.
  virtual void apply(std::string_view kind, const Record& record) = 0;
};

std::unique_ptr<Dialect> make_vtd(RecordedStream& stream, StreamBuilder& builder,
                                  bool write_implies_read);
std::unique_ptr<Dialect> make_smmu(RecordedStream& stream, StreamBuilder& builder);
std::unique_ptr<Dialect> make_virtio(StreamBuilder& builder);

inline constexpr std::uint64_t sid_max = 0xffff;

std::uint16_t requester(const Record& record);

// What a hypervisor's model of an IOMMU says of a request, in its own words.
struct OutcomeName {
  std::string_view name;
  RecordedOutcome outcome;
};

// iova, pa and outcome of a `req`, which is one of these; whether a translation was found is told by
// has_translation.
RecordedOp read_request(const Record& record, std::span<const OutcomeName> outcomes);
inline bool has_translation(const RecordedOp& op) {
  return op.outcome != RecordedOutcome::fault && op.outcome != RecordedOutcome::bypass;
}

// The permission that a request needs, as a bit of Mapping::permissions.
inline std::uint8_t needed_permission(const RecordedOp& op) { return op.permissions == 1 ? 2 : 1; }

// `full` says that the recorder's IOTLB was full and dropped everything before it took one more
// entry. It is held against what was inserted since the table was surely empty: that many entries
// at most can be in it.
class InsertionCount {
 public:
  void dropped_all() { inserted_ = 0; }
  // `capacity` 0: not known.
  void request(const Record& record, const RecordedOp& op, std::uint32_t capacity);

 private:
  std::uint64_t inserted_ = 0;
};

// `iova`, `pgsz`, `n` of a guest record, and its page size.
struct GuestPages {
  PageRange range;
  std::uint8_t page_shift = 12;
};
GuestPages guest_pages(const Record& record);

// `pa` of a mapping of these pages; VT-d's tables hold 52 bits of address.
std::uint64_t physical_page(const Record& record, const GuestPages& pages);

// The requester id behind "0000:02:00.0".
std::uint16_t device_sid(const Record& record);

}  // namespace viosim::recording
