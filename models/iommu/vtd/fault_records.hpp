// VT-d's primary fault logging: a few registers that hardware fills with what it refused, and the
// overflow that says that there were more.
// SPDX-License-Identifier: Apache-2.0
//
// VT-d 3.x, 7.2.1. A fault is written to the next register in turn. Where that is still in use, the
// overflow flag is set, and until software clears it nothing more is recorded.
#pragma once

#include "models/iommu/iommu.hpp"
#include "models/iommu/vtd/event_control.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace viosim::vtd {

// Software that is interrupted. Called from hardware events.
class FaultEventListener {
 public:
  virtual void fault_event() = 0;

 protected:
  ~FaultEventListener() = default;
};

class FaultRecords final : public FaultListener {
 public:
  // FRCD: address 63:12; then requester id 15:0, T2 28, Priv 29, Exe 30, PASID present 31, reason
  // 39:32, PASID 59:40, address type 61:60, T1 62, F 63. T2 and T1: 01 a read, 10 a page request.
  using Record = std::array<std::uint64_t, 2>;
  static constexpr std::uint64_t in_use = std::uint64_t{1} << 63U;  // F, of the second word

  explicit FaultRecords(std::uint32_t records) : records_(records) {}

  void faulted(const Request& request, FaultCode fault) override;

  const std::vector<Record>& records() const { return records_; }
  bool pending() const;                           // PPF: one of them is in use
  bool overflow() const { return overflow_; }     // PFO
  std::uint32_t first() const { return first_; }  // FRI: the first one, when pending() began
  void clear(std::uint32_t record);
  void clear_overflow();

  EventControl& event() { return event_; }
  const EventControl& event() const { return event_; }
  void mask_event(bool on);
  void listen(FaultEventListener& listener) { listener_ = &listener; }

 private:
  void raise();
  void look_whether_serviced();

  std::vector<Record> records_;
  std::uint32_t next_ = 0;
  std::uint32_t first_ = 0;
  bool overflow_ = false;
  EventControl event_;
  FaultEventListener* listener_ = nullptr;
};

}  // namespace viosim::vtd
