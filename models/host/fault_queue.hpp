// Groups of page requests that user space is to answer: iommufd's FAULT object.
// SPDX-License-Identifier: Apache-2.0
//
// A group is delivered when its last request has come, read once, and answered once: by whoever
// writes its cookie, or by the host when its address space goes or its time is over.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "models/host/assigned_device.hpp"
#include "models/pcie/ats.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace viosim::iommufd {

struct FaultGroup {
  std::uint32_t cookie = 0;  // 0: not read yet
  std::uint32_t device = 0;  // its object
  Pasid pasid = no_pasid;    // as it was attached
  AssignedDevice from;
  std::vector<PageRequest> requests;  // with the host's PASID; the last one is its last
  Instant deadline;
};

struct FaultStats {
  std::uint64_t delivered = 0;
  std::uint64_t answered = 0;
  std::uint64_t unmatched = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t answered_for_user = 0;
  static constexpr auto fields() {
    using S = FaultStats;
    return Fields{
        metric("delivered", &S::delivered, Unit::count, "Groups delivered."),
        metric("answered", &S::answered, Unit::count, "Groups that user space answered."),
        metric("unmatched", &S::unmatched, Unit::count, "Answers with a cookie nobody waits for."),
        metric("timed_out", &S::timed_out, Unit::count,
               "Groups that the host answered because user space took too long."),
        metric("answered_for_user", &S::answered_for_user, Unit::count,
               "Groups that the host answered because their address space was detached, replaced "
               "or gone.")};
  }
};

class FaultQueue final : public EventHandler {
 public:
  using Groups = std::vector<FaultGroup>;

  // `limit`: of the time that an answer may take; zero: none. `expired`: sees to it that answer_expired() is called.
  // Outlives the run, for its timer.
  FaultQueue(Engine& engine, Ps limit, std::uint32_t number, FaultStats& counted,
             std::function<void(FaultQueue&)> expired)
      : stats(counted),
        engine_(engine),
        limit_(limit),
        number_(number),
        expired_(std::move(expired)) {}
  FaultQueue(const FaultQueue&) = delete;
  FaultQueue& operator=(const FaultQueue&) = delete;

  void listen(GuestFaultListener& listener) { listener_ = &listener; }
  void deliver(FaultGroup group);
  // All that were not read yet; they have their cookies now.
  Groups read();
  // The group is answered by its reader, and waits no more.
  std::optional<FaultGroup> match(std::uint32_t cookie);
  // Groups that exceed the limit wait until they are answered here, and their turn has come.
  void answer_expired(const std::function<void(const FaultGroup&)>& answer);
  // Those of an attachment, or all, are to be answered by the host.
  Groups take_of(std::uint32_t device, Pasid pasid);
  Groups take_all();
  std::size_t waiting() const { return groups_.size(); }
  void fire(std::uint64_t what) override;

  FaultStats& stats;

 private:
  template <class Which>
  Groups take_if(Which which);
  void watch();
  bool has_expired() const;

  Engine& engine_;
  Ps limit_;
  std::uint32_t number_;
  std::function<void(FaultQueue&)> expired_;
  GuestFaultListener* listener_ = nullptr;
  bool told_ = false;
  bool watching_ = false;
  std::uint32_t last_cookie_ = 0;
  std::deque<FaultGroup> groups_;  // in the order of their deadlines
};

}  // namespace viosim::iommufd
