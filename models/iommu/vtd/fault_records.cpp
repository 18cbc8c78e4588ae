// Recording faults, and when software is told.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/fault_records.hpp"

#include <algorithm>

namespace viosim::vtd {
namespace {

FaultRecords::Record record_of(const Request& request, FaultCode fault) {
  const auto put = [](std::uint64_t value, unsigned at) { return value << at; };
  const bool page_request = request.type == AddressType::page_request;
  const bool read = !page_request && request.access != Access::write;
  const std::uint64_t type = page_request ? 0 : static_cast<std::uint64_t>(request.type);
  std::uint64_t word = FaultRecords::in_use | request.source.value() | put(page_request, 28) |
                       put(static_cast<std::uint64_t>(fault) & 0xff, 32) | put(type, 60) |
                       put(read, 62);
  if (request.pasid != no_pasid) {
    word |= put(request.privileged, 29) | put(request.access == Access::execute, 30) | put(1, 31) |
            put(request.pasid.value() & 0xfffffU, 40);
  }
  return {request.iova.page_base(page_4k).value(), word};
}

}  // namespace

bool FaultRecords::pending() const {
  return std::any_of(records_.begin(), records_.end(),
                     [](const Record& record) { return (record[1] & in_use) != 0; });
}

void FaultRecords::faulted(const Request& request, FaultCode fault) {
  if (overflow_) return;
  const bool told = pending();
  if ((records_[next_][1] & in_use) != 0) {
    overflow_ = true;
    return;  // software was told of what is pending, and finds the overflow there
  }
  if (!told) first_ = next_;
  records_[next_] = record_of(request, fault);
  next_ = (next_ + 1) % static_cast<std::uint32_t>(records_.size());
  if (!told) raise();
}

void FaultRecords::raise() {
  if (event_.raise() && listener_ != nullptr) listener_->fault_event();
}

void FaultRecords::mask_event(bool on) {
  if (event_.mask(on) && listener_ != nullptr) listener_->fault_event();
}

void FaultRecords::clear(std::uint32_t record) {
  records_[record][1] &= ~in_use;
  look_whether_serviced();
}

void FaultRecords::clear_overflow() {
  overflow_ = false;
  look_whether_serviced();
}

void FaultRecords::look_whether_serviced() {
  if (!overflow_ && !pending()) event_.serviced();
}

}  // namespace viosim::vtd
