// Flushes that an unmapping has to wait for.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/descriptor.hpp"
#include "sim/check/by_number.hpp"
#include "sim/check/scene.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace viosim::check {

// Of I26 what is about pages: when software goes on after an unmapping, what was unmapped has been flushed
// from the IOTLB, and from the TLB of each function that its PASID is bound to. A guest's pages are
// looked for under the host's numbers that stand for its own.
class Unmaps {
 public:
  explicit Unmaps(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  using Place = std::pair<std::uint32_t, std::uint16_t>;  // unit, function
  struct Entry {
    std::uint32_t machine = 0;
    std::uint16_t domain = 0;
    bool device_tlb = false;
    Link set;
  };
  struct Flush {
    vtd::Descriptor order;
    std::int64_t begun = 0;  // by hardware, in the order of its queue
    std::int64_t done = 0;
  };
  // The last of a unit in which something that may be unmapped is present. What took longer than these is
  // not judged.
  struct Flushes {
    bool wanted = false;
    std::deque<Flush> last;
    std::int64_t forgotten = -1;  // when the last that is not among them was done
  };
  void forget_guest(std::uint32_t machine);
  bool has_forgotten(const Entry& entry, std::uint16_t source, std::int64_t since) const;
  void written(const TraceEvent& event);
  void completed(const TraceEvent& event);
  void unmapped(const TraceEvent& event);
  void unmapped(const TraceEvent& event, const Number& number);
  void check(const TraceEvent& event, const Number& number, const Place& place, const Entry& entry);
  void complain(Invariant invariant, const TraceEvent& event, const Number& number,
                const Entry& entry, const std::string& what);

  Scene& scene_;
  FlatMap<Number, std::map<Place, Entry>> present_;
  std::map<Number, std::set<Number>> stand_for_;  // a guest's number: the host's
  ByNumber<Flushes> flushes_;                     // by unit
  std::map<Place, std::int64_t> forgot_;          // by machine and function: its TLB was emptied
};

}  // namespace viosim::check
