// Each kind of IOMMU was recorded in words of its own: a dialect turns its records into operations.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/recording/record.hpp"
#include "sim/recording/recording.hpp"
#include "sim/recording/stream_builder.hpp"

#include <memory>
#include <optional>
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

// iova, pa and outcome of a `req`; whether a translation was found is told by has_translation.
RecordedOp read_request(const Record& record);
inline bool has_translation(const RecordedOp& op) {
  return op.outcome != RecordedOutcome::fault && op.outcome != RecordedOutcome::bypass;
}

// The permission that a request needs, as a bit of Mapping::permissions.
inline std::uint8_t needed_permission(const RecordedOp& op) { return op.permissions == 1 ? 2 : 1; }

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
