// What has happened, as far as a violation may have come of it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/flat_map.hpp"
#include "core/des/trace.hpp"
#include "sim/check/keys.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

namespace viosim::check {

// An event, and which of those that were observed it is: events of one instant have an order, too.
struct Link {
  std::uint64_t position = 0;
  TraceEvent event;
};

// Of one object, from when it opened: how it began, and what came last.
class Story {
 public:
  static constexpr std::size_t first = 4;
  static constexpr std::size_t last = 8;

  void add(const Link& link);
  void clear() { links_.clear(); }
  const std::vector<Link>& links() const { return links_; }

 private:
  std::vector<Link> links_;
};

// Lives of PASIDs with how they began and ended, what happened to each number last, and injections.
class Chains {
 public:
  static constexpr std::size_t longest = 24;

  // Of the event that is observed now; once for each.
  void step() { ++position_; }
  Link now(const TraceEvent& event) const { return {position_, event}; }
  // Remembers it for its number. `lasting`: how a life began, was used first, and ended.
  void note(const TraceEvent& event, const Number& number, bool lasting);
  void note_injection(const TraceEvent& event, std::uint32_t host);
  void prefetch(const Number& number) const { pasts_.prefetch(number); }
  // How a number was allocated, bound and freed, in its life and the one before.
  std::span<const Link> roots(const Number& number) const;

  struct Wanted {
    Number number;
    std::uint32_t host = 0;   // of the number's machine
    std::uint32_t epoch = 0;  // of the object
    bool with_others = true;  // and what else happened to the number last
    std::span<const Link> evidence;
  };
  // Oldest first.
  std::vector<TraceEvent> chain(const Wanted& wanted) const;

 private:
  static constexpr std::size_t most_roots = 12;
  static constexpr std::size_t most_recent = 12;
  static constexpr std::size_t most_injections = 4096;
  struct Past {
    std::vector<Link> roots;
    std::vector<Link> recent;  // a ring once it is full
    std::size_t oldest = 0;
  };
  struct Injection {
    Link link;
    std::uint32_t host = 0;
  };
  void add_roots(std::vector<Link>& to, const Wanted& wanted) const;
  void add_injections(std::vector<Link>& to, const Wanted& wanted) const;
  void add_recent(std::vector<Link>& to, const Wanted& wanted) const;

  std::uint64_t position_ = 0;
  FlatMap<Number, Past> pasts_;
  std::deque<Injection> injections_;
};

}  // namespace viosim::check
