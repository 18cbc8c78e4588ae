// Reads both traces side by side; blocks that are the same bytes are hashed and not decoded.
// SPDX-License-Identifier: Apache-2.0
#include "sim/compare/trace_compare.hpp"

#include "sim/record/block_stream.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>
#include <string>

namespace viosim {
namespace {

// Numbers of one table that stand for the same names in another; what has no such name gets a
// number of its own.
template <class Number>
std::vector<Number> translation(const std::map<std::string, Number>& to,
                                const std::vector<std::pair<Number, std::string>>& from) {
  std::vector<Number> table;
  Number own = std::numeric_limits<Number>::max();
  for (const auto& [number, name] : from) {
    const auto known = to.find(name);
    if (table.size() <= number) table.resize(number + std::size_t{1});
    table[number] = known != to.end() ? known->second : own--;
  }
  return table;
}

// Makes events of B comparable with those of A.
class NumbersOfA {
 public:
  NumbersOfA(const RunReader& a, const RunReader& b) {
    std::map<std::string, std::uint32_t> components;
    for (std::size_t i = 0; i < a.components().size(); ++i)
      components.emplace(a.components()[i], static_cast<std::uint32_t>(i));
    std::vector<std::pair<std::uint32_t, std::string>> b_components;
    for (std::size_t i = 0; i < b.components().size(); ++i)
      b_components.emplace_back(static_cast<std::uint32_t>(i), b.components()[i]);
    components_ = translation(components, b_components);
    std::map<std::string, std::uint16_t> kinds;
    for (const EventKindRow& kind : a.kinds()) kinds.emplace(kind.name, kind.kind);
    std::vector<std::pair<std::uint16_t, std::string>> b_kinds;
    for (const EventKindRow& kind : b.kinds()) b_kinds.emplace_back(kind.kind, kind.name);
    kinds_ = translation(kinds, b_kinds);
    identity_ = is_identity(components_) && is_identity(kinds_);
  }
  bool identity() const { return identity_; }
  TraceEvent of(TraceEvent event) const {
    if (event.component < components_.size()) event.component = components_[event.component];
    if (event.kind < kinds_.size()) event.kind = kinds_[event.kind];
    return event;
  }

 private:
  template <class Number>
  static bool is_identity(const std::vector<Number>& table) {
    for (std::size_t i = 0; i < table.size(); ++i)
      if (table[i] != i) return false;
    return true;
  }

  std::vector<std::uint32_t> components_;
  std::vector<std::uint16_t> kinds_;
  bool identity_ = false;
};

// The events of a trace from some block on.
class Cursor {
 public:
  Cursor(RunReader& reader, std::size_t first_block)
      : blocks_(reader, numbers(reader, first_block)) {
    refill();
  }
  // What is left of the block at hand; empty only at the end of the trace.
  std::span<const TraceEvent> at_hand() const { return at_hand_; }
  void skip(std::size_t events) {
    at_hand_ = at_hand_.subspan(events);
    if (at_hand_.empty()) refill();
  }

 private:
  static std::vector<std::size_t> numbers(const RunReader& reader, std::size_t first) {
    std::vector<std::size_t> all(reader.blocks().size() - first);
    std::iota(all.begin(), all.end(), first);
    return all;
  }
  void refill() {
    do {
      const std::vector<TraceEvent>* const events = blocks_.next();
      if (events == nullptr) return;
      at_hand_ = *events;
    } while (at_hand_.empty());
  }

  BlockStream blocks_;
  std::span<const TraceEvent> at_hand_;
};

TraceEvent untimed(TraceEvent event) {
  event.time = 0;
  event.duration = 0;
  return event;
}

// Sums of hashes, which do not depend on order.
class EventBag {
 public:
  void add(const TraceEvent& event) {
    const TraceEvent plain = untimed(event);
    std::array<std::uint64_t, sizeof plain / sizeof(std::uint64_t)> words;
    std::memcpy(words.data(), &plain, sizeof plain);
    std::uint64_t hash = 0x9e3779b97f4a7c15U;
    for (const std::uint64_t word : words) {
      hash = (hash ^ word) * 0xbf58476d1ce4e5b9U;
      hash ^= hash >> 31U;
    }
    sum_ += hash;
    squares_ += hash * (hash | 1U);
    ++count_;
  }
  bool operator==(const EventBag&) const = default;

 private:
  std::uint64_t sum_ = 0;
  std::uint64_t squares_ = 0;
  std::uint64_t count_ = 0;
};

class Comparison {
 public:
  Comparison(RunReader& a, RunReader& b, TraceRule rule, std::size_t context)
      : numbers_(a, b),
        rule_(rule),
        context_(context),
        start_(same_blocks(a, b)),
        a_(a, start_),
        b_(b, start_) {
    difference_.events_a = static_cast<std::uint64_t>(a.event_count());
    difference_.events_b = static_cast<std::uint64_t>(b.event_count());
    for (std::size_t i = 0; i < start_; ++i)
      position_ += static_cast<std::uint64_t>(a.blocks()[i].events);
  }

  TraceDifference run() {
    while (!a_.at_hand().empty() && !b_.at_hand().empty()) {
      const std::size_t same = same_at_hand();
      remember(a_.at_hand().first(same));
      const std::size_t length = std::min(a_.at_hand().size(), b_.at_hand().size());
      position_ += same;
      a_.skip(same);
      b_.skip(same);
      if (same < length) break;
    }
    if (!a_.at_hand().empty() || !b_.at_hand().empty()) part();
    return difference_;
  }

 private:
  // How many blocks at the beginning are the same bytes, as their checksums say, which are verified; the
  // last of them is read for its last events.
  std::size_t same_blocks(RunReader& a, RunReader& b) const {
    if (!numbers_.identity()) return 0;
    const auto [end, other] =
        std::mismatch(a.blocks().begin(), a.blocks().end(), b.blocks().begin(), b.blocks().end());
    const auto same = static_cast<std::size_t>(end - a.blocks().begin());
    const std::size_t skipped = same == 0 ? 0 : same - 1;
    for (std::size_t i = 0; i < skipped; ++i) {
      a.verify_block(i);
      b.verify_block(i);
    }
    return skipped;
  }

  bool same(const TraceEvent& a, const TraceEvent& b) const {
    const TraceEvent of_b = numbers_.of(b);
    return rule_ == TraceRule::exact ? a == of_b : untimed(a) == untimed(of_b);
  }
  // Of the events at hand, how many are the same on both sides.
  std::size_t same_at_hand() const {
    const std::size_t length = std::min(a_.at_hand().size(), b_.at_hand().size());
    const TraceEvent* const a = a_.at_hand().data();
    const TraceEvent* const b = b_.at_hand().data();
    if (numbers_.identity() && std::memcmp(a, b, length * sizeof(TraceEvent)) == 0) return length;
    std::size_t i = 0;
    while (i < length && same(a[i], b[i])) ++i;
    return i;
  }
  void remember(std::span<const TraceEvent> events) {
    std::vector<TraceEvent>& before = difference_.before;
    const auto kept = events.last(std::min(context_, events.size()));
    before.insert(before.end(), kept.begin(), kept.end());
    if (before.size() > context_)
      before.erase(before.begin(), before.end() - static_cast<std::ptrdiff_t>(context_));
  }

  // From the first event that differs to the end of both.
  void part() {
    difference_.first = position_;
    EventBag bag_a;
    EventBag bag_b;
    drain(a_, difference_.a, [&](const TraceEvent& event) { bag_a.add(event); });
    drain(b_, difference_.b, [&](const TraceEvent& event) { bag_b.add(numbers_.of(event)); });
    difference_.same_but_for_time = bag_a == bag_b;
  }
  template <class Visit>
  void drain(Cursor& cursor, std::vector<TraceEvent>& shown, Visit&& visit) const {
    while (!cursor.at_hand().empty()) {
      for (const TraceEvent& event : cursor.at_hand()) {
        if (shown.size() <= context_) shown.push_back(event);
        visit(event);
      }
      cursor.skip(cursor.at_hand().size());
    }
  }

  NumbersOfA numbers_;
  TraceRule rule_;
  std::size_t context_;
  std::size_t start_;
  Cursor a_;
  Cursor b_;
  std::uint64_t position_ = 0;
  TraceDifference difference_;
};

}  // namespace

TraceDifference compare_traces(RunReader& a, RunReader& b, TraceRule rule, std::size_t context) {
  if (rule != TraceRule::off) return Comparison(a, b, rule, context).run();
  TraceDifference difference;
  difference.events_a = static_cast<std::uint64_t>(a.event_count());
  difference.events_b = static_cast<std::uint64_t>(b.event_count());
  difference.compared = false;
  return difference;
}

}  // namespace viosim
