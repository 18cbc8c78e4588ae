// Making groups of page requests, and what their answers let go on.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/page_requester.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {

bool PageRequester::Group::asks_for(const PageAsker& asker, Iova page, Access access) const {
  return wanted.asker.same_space(asker) && access == wanted.access && page >= wanted.page &&
         page - wanted.page < Bytes(requests * page_4k.count());
}

bool PageRequester::asked_for(const PageAsker& asker, Iova page, Access access) const {
  return std::any_of(groups_.begin(), groups_.end(),
                     [&](const Group& group) { return group.asks_for(asker, page, access); });
}

void PageRequester::want(const PageAsker& asker, std::uint32_t waiter, Iova page, Access access,
                         std::vector<PageRequest>& sends) {
  for (Group& group : groups_) {
    if (group.asks_for(asker, page, access)) return group.wanted.waiters.push_back(waiter);
  }
  for (Wanted& wanted : unsent_) {
    if (wanted.asker.same_space(asker) && wanted.page == page && wanted.access == access)
      return wanted.waiters.push_back(waiter);
  }
  unsent_.push_back({asker, page, access, {waiter}});
  send(sends);
}

bool PageRequester::does(Misdeed misdeed) const {
  return viosim::does(wrong_, misdeed) || injection.ask(misdeed).fate == Fate::misbehave;
}

// What a group does wrong is asked once, and holds for all of it.
std::optional<PageRequester::Liberties> PageRequester::may_send() const {
  Liberties liberties;
  if (outstanding_ >= params_.credits) {
    liberties.exceeds_credits = does(Misdeed::exceed_credits);
    if (!liberties.exceeds_credits) return {};
  }
  liberties.reuses_index = does(Misdeed::reuse_group);
  if (index_in_use_.all() && !liberties.reuses_index) return {};
  return liberties;
}

void PageRequester::send(std::vector<PageRequest>& sends) {
  while (!unsent_.empty()) {
    const std::optional<Liberties> liberties = may_send();
    if (!liberties) return;
    Wanted next = std::move(unsent_.front());
    unsent_.pop_front();
    send_group(std::move(next), *liberties, sends);
  }
}

// Whether one more page may be asked for.
bool PageRequester::has_credit(std::uint32_t requests, Liberties& liberties) const {
  if (outstanding_ + requests < params_.credits || liberties.exceeds_credits) return true;
  if (liberties.asked_within) return false;
  liberties.asked_within = true;
  liberties.exceeds_credits = does(Misdeed::exceed_credits);
  return liberties.exceeds_credits;
}

// In turn, so that an index rests as long as possible before it is used again.
std::uint16_t PageRequester::take_index(const Liberties& liberties) {
  if (liberties.reuses_index) return 0;
  while (index_in_use_[next_index_])
    next_index_ = static_cast<std::uint16_t>((next_index_ + 1) % indexes);
  const std::uint16_t index = next_index_;
  index_in_use_.set(index);
  next_index_ = static_cast<std::uint16_t>((next_index_ + 1) % indexes);
  return index;
}

void PageRequester::send_group(Wanted wanted, Liberties liberties,
                               std::vector<PageRequest>& sends) {
  PageRequest request;
  request.source = wanted.asker.source;
  request.pasid = wanted.asker.pasid;
  request.group = take_index(liberties);
  request.read = wanted.access != Access::write;
  request.write = wanted.access == Access::write;
  request.execute = wanted.access == Access::execute;
  request.privileged = wanted.asker.privileged;
  std::uint32_t requests = 0;
  Iova page = wanted.page;
  do {
    request.address = page;
    sends.push_back(request);
    ++requests;
    page = page + page_4k;
  } while (requests < params_.group_pages && page < wanted.asker.end &&
           !asked_for(wanted.asker, page, wanted.access) && has_credit(requests, liberties));
  sends.back().last = !does(Misdeed::omit_last);
  outstanding_ += requests;
  const std::uint64_t number = ++groups_sent_[request.source];
  if (params_.private_data) sends.back().private_data = {number, request.source.value()};
  groups_.push_back({request.group, requests, std::move(wanted), sends.back().private_data});
}

PageRequester::Answered PageRequester::answered(const PageResponse& response,
                                                std::vector<PageRequest>& sends) {
  // PCIe 10.4.2.1: after a failure responses are ignored until page requests are enabled again.
  if (!enabled_) return {Outcome::ignored, {}};
  const auto group = std::find_if(groups_.begin(), groups_.end(), [&](const Group& sent) {
    return sent.index == response.group && sent.wanted.asker.source == response.source;
  });
  if (group == groups_.end() || group->data != response.private_data)
    return {Outcome::unexpected, {}};
  if (response.code == PageResponseCode::failure) {
    enabled_ = false;
    return {Outcome::end, drop_all()};
  }
  std::vector<PageWaiter> waiters;
  for (const std::uint32_t number : group->wanted.waiters)
    waiters.push_back({response.source, number});
  end_group(*group);
  groups_.erase(group);
  send(sends);
  const bool success = response.code == PageResponseCode::success;
  return {success ? Outcome::retry : Outcome::end, std::move(waiters)};
}

void PageRequester::end_group(const Group& group) {
  outstanding_ -= group.requests;
  index_in_use_.reset(group.index);
}

std::vector<PageWaiter> PageRequester::drop_all() {
  std::vector<PageWaiter> waiters;
  const auto drop = [&](const Wanted& wanted) {
    for (const std::uint32_t number : wanted.waiters)
      waiters.push_back({wanted.asker.source, number});
  };
  for (const Group& group : groups_) drop(group.wanted);
  for (const Wanted& wanted : unsent_) drop(wanted);
  unsent_.clear();
  groups_.clear();
  index_in_use_.reset();
  outstanding_ = 0;
  return waiters;
}

std::vector<PageRequester::Abandoned> PageRequester::abandon(Bdf source, Pasid pasid,
                                                             std::vector<PageRequest>& sends) {
  std::vector<Abandoned> abandoned;
  std::erase_if(groups_, [&](Group& group) {
    const PageAsker& asker = group.wanted.asker;
    if (asker.source != source || asker.pasid != pasid) return false;
    end_group(group);
    abandoned.push_back({group.index, std::move(group.wanted.waiters)});
    return true;
  });
  send(sends);
  return abandoned;
}

void PageRequester::reset() {
  drop_all();
  enabled_ = false;
}

void PageRequester::forget(Bdf source, std::vector<PageRequest>& sends) {
  std::erase_if(unsent_, [&](const Wanted& wanted) { return wanted.asker.source == source; });
  std::erase_if(groups_, [&](const Group& group) {
    if (group.wanted.asker.source != source) return false;
    end_group(group);
    return true;
  });
  send(sends);
}

std::uint32_t PageRequester::outstanding(Bdf source) const {
  std::uint32_t requests = 0;
  for (const Group& group : groups_)
    requests += group.wanted.asker.source == source ? group.requests : 0;
  return requests;
}

std::uint64_t PageRequester::groups_sent(Bdf source) const {
  const auto found = groups_sent_.find(source);
  return found == groups_sent_.end() ? 0 : found->second;
}

}  // namespace viosim
