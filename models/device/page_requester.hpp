// The page requests (PCIe 10.4) of a function, or of a physical function and its virtual ones: groups
// and their indexes, credits, and who waits for what. Without time: it says what is to be sent.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/device/ats_params.hpp"
#include "models/pcie/ats.hpp"

#include <bitset>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace viosim {

// Who lacks a page: a function, for one of its address spaces.
struct PageAsker {
  Bdf source{};
  Pasid pasid{};
  bool privileged = false;
  Iova end;  // no page at or above it is asked for in advance
  // Whether they mean the same page by the same address.
  bool same_space(const PageAsker& other) const {
    return source == other.source && pasid == other.pasid && privileged == other.privileged;
  }
};

// A request of a function that waits for a page, by the number that the function gave it.
struct PageWaiter {
  Bdf source{};
  std::uint32_t number = 0;
};

// A request that lacks a page joins a group that has asked for it, or else waits until there are
// credits and an index for a group of its own. Groups are sent in the order in which they were wanted.
class PageRequester {
 public:
  static constexpr std::uint16_t indexes = PriParams::group_indexes;

  PageRequester(const PriParams& params, const AtsMisbehaviour& wrong)
      : params_(params), wrong_(wrong) {}

  InjectionPort injection;  // of misdeeds: of the physical function for all that share them

  bool enabled() const { return enabled_; }
  std::uint32_t credits() const { return params_.credits; }
  void enable() { enabled_ = true; }

  // `waiter` lacks a page. Only while enabled. What is to be sent now is added to `sends`.
  void want(const PageAsker& asker, std::uint32_t waiter, Iova page, Access access,
            std::vector<PageRequest>& sends);

  enum class Outcome : std::uint8_t { retry, end, unexpected, ignored, abandoned };
  struct Answered {
    Outcome outcome;
    std::vector<PageWaiter> waiters;  // go on by retrying, or end with an error
  };
  Answered answered(const PageResponse& response, std::vector<PageRequest>& sends);

  // Those of a function whose group was not sent yet, and of which stops(number) is true: they are
  // not waited for any more. Groups that nobody waits for are never sent.
  template <class Stops>
  std::vector<std::uint32_t> give_up_unsent(Bdf source, Stops&& stops);
  // Those of a function's address space that were sent: no response is waited for any more, and one that
  // comes is unexpected.
  struct Abandoned {
    std::uint16_t index = 0;
    std::vector<std::uint32_t> waiters;
  };
  std::vector<Abandoned> abandon(Bdf source, Pasid pasid, std::vector<PageRequest>& sends);
  // Function-level reset: nothing is outstanding any more, and page requests are disabled.
  void reset();
  // The same of one function, which leaves the others what they have.
  void forget(Bdf source, std::vector<PageRequest>& sends);

  std::uint32_t outstanding() const { return outstanding_; }  // page requests
  std::uint32_t outstanding(Bdf source) const;
  std::uint64_t groups_sent(Bdf source) const;

 private:
  struct Wanted {
    PageAsker asker;
    Iova page;
    Access access;
    std::vector<std::uint32_t> waiters;  // of the asker's function
  };
  struct Group {
    std::uint16_t index;
    std::uint32_t requests;  // the first of them for the page that is wanted
    Wanted wanted;
    std::optional<PageRequestData> data;
    bool asks_for(const PageAsker& asker, Iova page, Access access) const;
  };

  // What a group takes the liberty to do wrong.
  struct Liberties {
    bool exceeds_credits = false;
    bool reuses_index = false;
    bool asked_within = false;  // whether it exceeds credits, at the page that would do so
  };
  std::optional<Liberties> may_send() const;
  bool has_credit(std::uint32_t requests, Liberties& liberties) const;
  bool does(Misdeed misdeed) const;
  void send(std::vector<PageRequest>& sends);
  void send_group(Wanted wanted, Liberties liberties, std::vector<PageRequest>& sends);
  bool asked_for(const PageAsker& asker, Iova page, Access access) const;
  std::uint16_t take_index(const Liberties& liberties);
  void end_group(const Group& group);
  std::vector<PageWaiter> drop_all();

  PriParams params_;
  AtsMisbehaviour wrong_;
  bool enabled_ = true;
  std::deque<Wanted> unsent_;
  std::vector<Group> groups_;  // sent and not answered, oldest first
  std::bitset<indexes> index_in_use_;
  std::uint16_t next_index_ = 0;
  std::uint32_t outstanding_ = 0;
  std::map<Bdf, std::uint64_t> groups_sent_;
};

template <class Stops>
std::vector<std::uint32_t> PageRequester::give_up_unsent(Bdf source, Stops&& stops) {
  std::vector<std::uint32_t> given_up;
  std::deque<Wanted> kept;
  for (Wanted& wanted : unsent_) {
    std::vector<std::uint32_t> go_on;
    for (const std::uint32_t waiter : wanted.waiters) {
      const bool stopped = wanted.asker.source == source && stops(waiter);
      (stopped ? given_up : go_on).push_back(waiter);
    }
    wanted.waiters = std::move(go_on);
    if (!wanted.waiters.empty()) kept.push_back(std::move(wanted));
  }
  unsent_ = std::move(kept);
  return given_up;
}

}  // namespace viosim
