// What is kept, and what of it belongs to a violation.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/chains.hpp"

#include "models/trace_events.hpp"

#include <algorithm>

namespace viosim::check {

void Story::add(const Link& link) {
  constexpr std::size_t usual = 6;  // most objects see no more
  if (links_.empty()) links_.reserve(usual);
  if (links_.size() == first + last) links_.erase(links_.begin() + first);
  links_.push_back(link);
}

void Chains::note(const TraceEvent& event, const Number& number, bool lasting) {
  Past& past = pasts_[number];
  const Link link = now(event);
  if (past.recent.size() < most_recent) {
    past.recent.reserve(most_recent);
    past.recent.push_back(link);
  } else {
    past.recent[past.oldest] = link;
    past.oldest = (past.oldest + 1) % most_recent;
  }
  if (!lasting) return;
  if (static_cast<EventKind>(event.kind) == EventKind::allocate) {
    std::erase_if(past.roots, [&](const Link& one) { return one.event.epoch + 1 < event.epoch; });
  }
  // What came first matters more than how often it was done again; but the last may be a free.
  if (past.roots.size() == most_roots)
    past.roots.back() = link;
  else
    past.roots.push_back(link);
}

void Chains::note_injection(const TraceEvent& event, std::uint32_t host) {
  if (injections_.size() == most_injections) injections_.pop_front();
  injections_.push_back({now(event), host});
}

std::span<const Link> Chains::roots(const Number& number) const {
  const Past* const past = pasts_.find(number);
  return past == nullptr ? std::span<const Link>() : std::span(past->roots);
}

// Of the object's life and of the present one.
void Chains::add_roots(std::vector<Link>& to, const Wanted& wanted) const {
  const std::span<const Link> all = roots(wanted.number);
  if (all.empty()) return;
  const std::uint32_t present = all.back().event.epoch;
  for (const Link& link : all) {
    const std::uint32_t epoch = link.event.epoch;
    if (epoch == wanted.epoch || epoch == present) to.push_back(link);
  }
}

// Those about this number, or about none, in its host and its guests: the last before it began, the
// first two after that, and the last. Where there are none, those of the whole run.
void Chains::add_injections(std::vector<Link>& to, const Wanted& wanted) const {
  const auto concerns = [&](const Injection& one) {
    const std::uint32_t pasid = one.link.event.pasid;
    return one.host == wanted.host && (pasid == 0 || pasid == wanted.number.pasid);
  };
  const bool any = std::any_of(injections_.begin(), injections_.end(), concerns);
  const std::uint64_t opened =
      wanted.evidence.empty() ? position_ : wanted.evidence.front().position;
  const Link* before = nullptr;
  const Link* last = nullptr;
  std::size_t after = 0;
  for (const Injection& one : injections_) {
    if (any && !concerns(one)) continue;
    if (one.link.position <= opened) {
      before = &one.link;
    } else if (after++ < 2) {
      to.push_back(one.link);
    } else {
      last = &one.link;
    }
  }
  if (before != nullptr) to.push_back(*before);
  if (last != nullptr) to.push_back(*last);
}

void Chains::add_recent(std::vector<Link>& to, const Wanted& wanted) const {
  const Past* const past = pasts_.find(wanted.number);
  if (past == nullptr) return;
  const std::vector<Link>& ring = past->recent;
  constexpr std::size_t least = 4;
  const std::size_t room = std::max(least, longest - std::min(longest, to.size()));
  const std::size_t count = std::min({room, ring.size(), most_recent});
  for (std::size_t i = ring.size() - count; i < ring.size(); ++i)
    to.push_back(ring[(past->oldest + i) % ring.size()]);
}

std::vector<TraceEvent> Chains::chain(const Wanted& wanted) const {
  std::vector<Link> links(wanted.evidence.begin(), wanted.evidence.end());
  add_roots(links, wanted);
  add_injections(links, wanted);
  if (wanted.with_others) add_recent(links, wanted);
  std::sort(links.begin(), links.end(),
            [](const Link& a, const Link& b) { return a.position < b.position; });
  links.erase(std::unique(links.begin(), links.end(),
                          [](const Link& a, const Link& b) { return a.position == b.position; }),
              links.end());
  std::vector<TraceEvent> events;
  events.reserve(links.size());
  for (const Link& link : links) events.push_back(link.event);
  return events;
}

}  // namespace viosim::check
