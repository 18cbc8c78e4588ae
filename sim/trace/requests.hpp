// Which events of a trace belong to one request: its parts, and the whole that they are parts of.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/trace/event_names.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string_view>
#include <tuple>
#include <vector>

namespace viosim {

// Events whose kind says that their value is the "number of the" something are parts. Parts of one
// component, kind of number and number, each beginning where the one before ended, form a chain. A
// chain belongs to the next event of a duration that is no part, has the chain's PASID and address
// (of the same meaning) and lasted at least from the chain's beginning to its end. Where several
// chains of one component fit, it gets the one that began first, and of the others those that begin
// when that has ended: they are the request's further attempts, and the rest belongs to others. All
// chains of one whole have the same code: several requesters may share a PASID and its addresses.
class Requests {
 public:
  // An event, and where its maker wants it shown.
  struct Shown {
    TraceEvent event;
    std::uint32_t track = 0;
  };
  // Takes what belongs together, ordered by when it began; a single event belongs to nothing.
  using Take = std::function<void(const std::vector<Shown>&)>;

  Requests(const EventNames& names, Take take) : names_(names), take_(std::move(take)) {}
  void add(const Shown& shown);
  void finish();  // what waits for its whole in vain

 private:
  // At most so many chains wait; then those that began to wait first go without.
  static constexpr std::size_t most_waiting = std::size_t{1} << 16U;

  struct Chain {
    std::vector<Shown> parts;
    const TraceEvent& first() const { return parts.front().event; }
    const TraceEvent& last() const { return parts.back().event; }
  };
  using Chains = std::list<Chain>;
  using Number =
      std::tuple<std::uint32_t, std::uint64_t, std::string_view>;  // component, number, of what
  using Address =
      std::tuple<std::uint32_t, std::uint64_t, std::string_view>;  // PASID, address, meaning

  void add_part(const Shown& shown);
  void add_whole(const Shown& shown);
  // Ends the chain's waiting: its parts are appended to `group`.
  void take_chain(Chains::iterator chain, std::vector<Shown>& group);
  void give(std::vector<Shown> group);
  Number number_of(const TraceEvent& part) const;
  Address address_of(const TraceEvent& event) const;

  const EventNames& names_;
  Take take_;
  Chains chains_;  // oldest first
  std::map<Number, Chains::iterator> by_number_;
  std::multimap<Address, Chains::iterator> by_address_;
};

}  // namespace viosim
