// Context entries, and the flushes that have to follow when one is removed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/descriptor.hpp"
#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace viosim::check {

// Of I20, I26, I27 and I31 what is about context entries. VT-d's guidance to software for
// invalidations: who takes one away flushes the context cache, then what PASID cache and IOTLB hold of
// its domains, then the function's TLB where it is used. Of an emulated IOMMU its hypervisor has to be
// told the same, and of one that is new before it is used.
class Contexts {
 public:
  explicit Contexts(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  using Place = std::pair<std::uint32_t, std::uint16_t>;  // unit, source
  enum class Cache : std::uint8_t { context, pasid, iotlb, device_tlb };
  struct Due {
    Cache cache{};
    std::optional<std::uint16_t> domain = {};  // none: any
    bool early = false;
    bool done = false;
  };
  struct Context {
    Story story = {};
    std::uint32_t machine = 0;
    bool present = false;
    bool unannounced = false;   // caching mode: made present, and its vIOMMU was not told
    std::vector<Due> due = {};  // in the order in which they have to be done
    bool flushed() const;
  };

  void entry_written(const TraceEvent& event);
  void written(const TraceEvent& event);
  void begin_flushes(const TraceEvent& event, const ContextWritten& how, const Place& place,
                     Context& context);
  void completed(const TraceEvent& event);
  void bound(const TraceEvent& event);
  void left(const TraceEvent& event);
  void presence(const TraceEvent& viommu);
  bool behind_gone(std::uint32_t driver) const;
  static bool reaches(const vtd::Descriptor& order, const Due& due, std::uint16_t source);
  static bool in_turn(const std::vector<Due>& all, const Due& due);
  void complain(Invariant invariant, const TraceEvent& at, const Place& place,
                const Context& context, const std::string& what);
  void complain_of_flushes(const TraceEvent& at, const Place& place, const Context& context,
                           const std::string& what);

  Scene& scene_;
  std::map<Place, Context> contexts_;                       // present, or with flushes due
  std::map<std::uint32_t, std::set<std::uint32_t>> units_;  // of each machine, that have or had any
  std::set<Place> open_;  // those for which a completed descriptor may mean something, and others
  // Domains of the PASID entries that are present, by PASID.
  std::map<Place, std::map<std::uint32_t, std::uint16_t>> domains_;
  std::map<std::uint32_t, std::uint32_t> drivers_;  // who writes the tables of each unit
  std::set<std::uint32_t> gone_;                    // vIOMMUs
};

}  // namespace viosim::check
