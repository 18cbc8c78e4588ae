// Chains wait for their whole; both are found by what they have in common.
// SPDX-License-Identifier: Apache-2.0
#include "sim/trace/requests.hpp"

#include <algorithm>

namespace viosim {
namespace {

std::int64_t begin_of(const TraceEvent& event) { return event.time - event.duration; }

}  // namespace

Requests::Number Requests::number_of(const TraceEvent& part) const {
  return {part.component, part.value, names_.kind(part.kind).value.text()};
}

Requests::Address Requests::address_of(const TraceEvent& event) const {
  return {event.pasid, event.address, names_.kind(event.kind).address.text()};
}

void Requests::add(const Shown& shown) {
  if (shown.event.duration == 0) return give({shown});
  const KindMeaning& kind = names_.kind(shown.event.kind);
  if (kind.value.numbers_a_whole() && kind.address.used()) {
    add_part(shown);
  } else {
    add_whole(shown);
  }
}

void Requests::add_part(const Shown& shown) {
  const Number number = number_of(shown.event);
  const auto known = by_number_.find(number);
  if (known != by_number_.end() && known->second->last().time == begin_of(shown.event)) {
    known->second->parts.push_back(shown);
    return;
  }
  // The number stands for another whole now; the chain that had it goes on waiting.
  const auto chain = chains_.insert(chains_.end(), Chain{{shown}});
  by_number_.insert_or_assign(number, chain);
  by_address_.emplace(address_of(shown.event), chain);
  if (chains_.size() <= most_waiting) return;
  std::vector<Shown> group;
  take_chain(chains_.begin(), group);
  give(std::move(group));
}

void Requests::add_whole(const Shown& shown) {
  const TraceEvent& whole = shown.event;
  std::vector<Chains::iterator> fitting;
  const auto [first, last] = by_address_.equal_range(address_of(whole));
  for (auto at = first; at != last; ++at) {
    const Chain& chain = *at->second;
    if (begin_of(chain.first()) >= begin_of(whole) && chain.last().time <= whole.time)
      fitting.push_back(at->second);
  }
  // Those of the whole's own component first: they say for sure who the requester is.
  const auto order = [&](const Chains::iterator& chain) {
    const TraceEvent& part = chain->first();
    return std::pair(part.component != whole.component, begin_of(part));
  };
  std::stable_sort(fitting.begin(), fitting.end(),
                   [&](const auto& a, const auto& b) { return order(a) < order(b); });
  std::vector<Shown> group{shown};
  std::map<std::uint32_t, std::int64_t> ends;  // of what was taken of each component
  for (const auto& chain : fitting) {
    if (group.size() > 1 && group[1].event.code != chain->first().code) continue;
    const auto [end, none_yet] = ends.try_emplace(chain->first().component, chain->last().time);
    if (!none_yet && begin_of(chain->first()) < end->second) continue;
    end->second = chain->last().time;
    take_chain(chain, group);
  }
  give(std::move(group));
}

void Requests::take_chain(Chains::iterator chain, std::vector<Shown>& group) {
  const auto numbered = by_number_.find(number_of(chain->first()));
  if (numbered != by_number_.end() && numbered->second == chain) by_number_.erase(numbered);
  const auto [first, last] = by_address_.equal_range(address_of(chain->first()));
  by_address_.erase(
      std::find_if(first, last, [&](const auto& entry) { return entry.second == chain; }));
  group.insert(group.end(), chain->parts.begin(), chain->parts.end());
  chains_.erase(chain);
}

// The whole comes before its first part where both begin at once.
void Requests::give(std::vector<Shown> group) {
  std::stable_sort(group.begin(), group.end(), [](const Shown& a, const Shown& b) {
    return begin_of(a.event) < begin_of(b.event);
  });
  take_(group);
}

void Requests::finish() {
  while (!chains_.empty()) {
    std::vector<Shown> group;
    take_chain(chains_.begin(), group);
    give(std::move(group));
  }
}

}  // namespace viosim
