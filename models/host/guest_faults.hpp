// Page requests that a guest is to answer: what was forwarded to it, and until when.
// SPDX-License-Identifier: Apache-2.0
//
// The host answers each group exactly once: with what the guest said, or for it when its time is
// over, when the PASID is unbound, or when the machine is gone. So nothing that a guest does or
// fails to do leaves a device waiting.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "models/pcie/ats.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace viosim {

// As the hypervisor reads it.
struct ForwardedFault {
  std::size_t device = 0;  // of the machine's container
  Pasid guest_pasid;
  PageRequest request;  // with the host's PASID
};

struct GuestFaultStats {
  std::uint64_t forwarded = 0;
  std::uint64_t answered = 0;
  std::uint64_t unmatched = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t answered_for_guest = 0;
  static constexpr auto fields() {
    using S = GuestFaultStats;
    return Fields{
        metric("forwarded", &S::forwarded, Unit::count, "Page requests forwarded to the guest."),
        metric("answered", &S::answered, Unit::count, "Groups that the guest answered."),
        metric("unmatched", &S::unmatched, Unit::count,
               "Answers of the guest to groups that are not pending."),
        metric("timed_out", &S::timed_out, Unit::count,
               "Groups that the host answered because the guest took too long."),
        metric(
            "answered_for_guest", &S::answered_for_guest, Unit::count,
            "Groups that the host answered because the PASID was unbound, or the machine gone.")};
  }
};

class GuestFaults {
 public:
  struct Pending {
    std::size_t device;
    Pasid pasid;  // the host's
    PageRequest request;
    Instant deadline;
  };

  // Groups are forwarded whole, with their last request. Whether this is one.
  bool forward(const ForwardedFault& fault, Instant deadline);
  // Requests were lost: groups that are not whole by now never will be; or this one.
  void discard_incomplete() { incomplete_.clear(); }
  void discard_group(std::size_t device, std::uint16_t group);
  // For the hypervisor: all that were forwarded since the last time.
  std::vector<ForwardedFault> take();
  bool empty() const { return pending_.empty() && region_.empty(); }
  std::size_t pending() const { return pending_.size(); }
  std::optional<Instant> next_deadline() const;

  // The pending group that a guest's answer is for; it is pending no more. Nothing: none is.
  std::optional<PageRequest> match(std::size_t device, Pasid pasid, std::uint16_t group);
  // Those to be answered without the guest; they are pending no more.
  std::optional<Pending> take_expired(Instant now);  // one of them
  std::vector<Pending> take_of(std::size_t device, Pasid pasid);
  std::vector<Pending> take_all();

  GuestFaultStats stats;

 private:
  template <class Which>
  std::vector<Pending> take_if(Which which);

  std::vector<ForwardedFault> incomplete_;
  std::vector<ForwardedFault> region_;
  std::deque<Pending> pending_;  // in the order of their deadlines
};

}  // namespace viosim
