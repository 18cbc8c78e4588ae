// Requests that use what software has taken away.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <optional>

namespace viosim::check {

// I28. Of processes that are bound to functions every page is known; nothing is looked at while none is bound, and
// nothing was taken away.
class StaleUse {
 public:
  explicit StaleUse(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);
  bool wants_requests() const {
    return bound_ != 0 || !gone_.empty() || !of_life_before_.empty() || !unmapped_.empty();
  }

 private:
  // What is not mapped, and since when software has known that nobody uses it: by where it ends.
  struct Range {
    std::uint64_t begin = 0;
    Link unmap;
  };
  using Ranges = std::map<std::uint64_t, Range>;
  // The pages of a process, with the addresses of their frames as its machine knows them.
  struct Pages {
    FlatMap<std::uint64_t, std::uint64_t> frames;
    FlatMap<std::uint64_t, Link> mapped_again;  // what had taken away what was there before
    std::optional<Link> bound;                  // first; from then on all is known
  };
  struct OfFunction {
    std::uint32_t component = 0;
    std::uint32_t pasid = 0;
    auto operator<=>(const OfFunction&) const = default;
    constexpr std::uint64_t bits() const { return std::uint64_t{component} << 32U | pasid; }
  };

  void used(const TraceEvent& event);
  void gone_before(const TraceEvent& event, const Link& gone, std::int64_t issue);
  bool check_unmapped(const TraceEvent& event, const Number& number, std::int64_t issue);
  void check_page(const TraceEvent& event, const Number& number, std::int64_t issue);
  std::optional<std::uint64_t> in_host(const Number& number, std::uint64_t address) const;
  void unmap(const TraceEvent& event);
  void map(const TraceEvent& event);
  void take_range(const Number& number, std::uint64_t begin, std::uint64_t end);
  void entry_written(const TraceEvent& event);
  void bound(const TraceEvent& event);
  void forget(const Number& number);
  void number_moves(const TraceEvent& event);

  Scene& scene_;
  FlatMap<Number, Ranges> unmapped_;  // by the number of who has mapped it
  FlatMap<Number, Pages> pages_;
  std::size_t bound_ = 0;                               // of these
  FlatMap<std::uint32_t, std::uint64_t> guest_memory_;  // by machine: where its address 0 is
  FlatMap<OfFunction, Link> gone_;                      // the entry was taken away, and flushed
  FlatMap<OfFunction, Link> of_life_before_;  // the same, of a number that another life has
  FlatMap<OfUnit, std::uint32_t> functions_;  // components, by machine
};

}  // namespace viosim::check
