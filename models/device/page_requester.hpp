// A function's page requests (PCIe 10.4): groups and their indexes, credits, and who waits for what.
// Without time: it says what is to be sent.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/device/ats_params.hpp"
#include "models/pcie/ats.hpp"

#include <bitset>
#include <cstdint>
#include <deque>
#include <vector>

namespace viosim {

// A request that lacks a page joins a group that has asked for it, or else waits until there are
// credits and an index for a group of its own. Groups are sent in the order in which they were wanted.
class PageRequester {
 public:
  static constexpr std::uint16_t indexes = 512;

  // `end`: no page at or above it is asked for in advance.
  PageRequester(const PriParams& params, const AtsMisbehaviour& wrong, Bdf source, Pasid pasid,
                bool privileged, Iova end);

  bool enabled() const { return enabled_; }
  void enable() { enabled_ = true; }

  // `waiter` lacks a page. Only while enabled. What is to be sent now is added to `sends`.
  void want(std::uint32_t waiter, Iova page, Access access, std::vector<PageRequest>& sends);

  enum class Outcome : std::uint8_t { retry, end, unexpected, ignored };
  struct Answered {
    Outcome outcome;
    std::vector<std::uint32_t> waiters;  // go on by retrying, or end with an error
  };
  Answered answered(const PageResponse& response, std::vector<PageRequest>& sends);

  // Those whose group was not sent yet, which now never is.
  std::vector<std::uint32_t> give_up_unsent();
  // Function-level reset: nothing is outstanding any more, and page requests are disabled.
  void reset();

  std::uint32_t outstanding() const { return outstanding_; }  // page requests
  std::uint64_t groups_sent() const { return groups_sent_; }

 private:
  struct Wanted {
    Iova page;
    Access access;
    std::vector<std::uint32_t> waiters;
  };
  struct Group {
    std::uint16_t index;
    std::uint32_t requests;  // the first of them for the page that is wanted
    Wanted wanted;
    bool asks_for(Iova page, Access access) const;
  };

  bool can_send() const;
  void send(std::vector<PageRequest>& sends);
  void send_group(Wanted wanted, std::vector<PageRequest>& sends);
  bool asked_for(Iova page, Access access) const;
  std::uint16_t take_index();
  std::vector<std::uint32_t> drop_all();

  PriParams params_;
  AtsMisbehaviour wrong_;
  Bdf source_;
  Pasid pasid_;
  bool privileged_;
  Iova end_;
  bool enabled_ = true;
  std::deque<Wanted> unsent_;
  std::vector<Group> groups_;  // sent and not answered, oldest first
  std::bitset<indexes> index_in_use_;
  std::uint16_t next_index_ = 0;
  std::uint32_t outstanding_ = 0;
  std::uint64_t groups_sent_ = 0;
};

}  // namespace viosim
