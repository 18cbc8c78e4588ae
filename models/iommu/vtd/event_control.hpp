// An event control register: whether a message interrupts software, or waits behind a mask.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace viosim::vtd {

// VT-d 3.x, 11.4.7: IM 31, IP 30. A unit comes up as a driver leaves it: not masked.
class EventControl {
 public:
  bool masked() const { return masked_; }
  bool pending() const { return pending_; }

  // Both: whether the message is sent now.
  [[nodiscard]] bool raise() {
    pending_ = masked_;
    return !masked_;
  }
  [[nodiscard]] bool mask(bool on) {
    masked_ = on;
    const bool send = pending_ && !on;
    if (send) pending_ = false;
    return send;
  }
  // Software has cleared what the event was about.
  void serviced() { pending_ = false; }

 private:
  bool masked_ = false;
  bool pending_ = false;
};

}  // namespace viosim::vtd
