// PASID table entries, and the flushes that have to follow when one is removed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/descriptor.hpp"
#include "sim/check/by_number.hpp"
#include "sim/check/scene.hpp"

#include <compare>
#include <map>
#include <set>
#include <vector>

namespace viosim::check {

// I7, I8, I20, I26, I27. What software does is compared with what hardware has completed: entries of
// emulated IOMMUs have flushes that their hypervisor takes, and the host's entries stand for them. Of
// the guest's own entries is asked whether they are present.
class Teardowns {
 public:
  explicit Teardowns(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);

 private:
  struct Row {  // of all functions of a unit
    std::uint32_t unit = 0;
    std::uint32_t pasid = 0;
    auto operator<=>(const Row&) const = default;
  };
  struct Place : Row {
    std::uint16_t source = 0;
    auto operator<=>(const Place&) const = default;
  };
  enum class Flush : std::uint8_t { none_due, due, early, done };
  struct Entry {
    std::uint16_t source = 0;
    Story story;  // how it was made present, changed, taken away and flushed
    std::uint32_t machine = 0;
    Number number;
    std::uint32_t epoch = 0;
    std::uint16_t domain = 0;
    bool present = false;
    bool caching = false;  // of a guest
    Flush pasid_cache = Flush::none_due;
    Flush iotlb = Flush::none_due;
    Flush device_tlb = Flush::none_due;
    bool flushed() const { return !open(pasid_cache) && !open(iotlb) && !open(device_tlb); }
    bool in_wrong_order() const {
      return pasid_cache != Flush::due && iotlb != Flush::due && device_tlb != Flush::due;
    }
    static bool open(Flush flush) { return flush == Flush::due || flush == Flush::early; }
  };
  using Entries = std::vector<Entry>;  // of functions, by source; mostly one

  void written(const TraceEvent& event);
  void changed(const TraceEvent& event, const EntryWritten& how, const Place& place);
  void cleared(const TraceEvent& event, const EntryWritten& how, const Place& place);
  void begin_flushes(const TraceEvent& event, const EntryWritten& how, const Place& place,
                     Entry& entry);
  void complain_of_flushes(const TraceEvent& at, const Place& place, const Entry& entry,
                           const char* what);
  void submitted(const TraceEvent& event);
  void not_told(const TraceEvent& given_up);
  void forget(const TraceEvent& viommu);
  bool behind_gone(std::uint32_t driver) const;
  void completed(const TraceEvent& event);
  // Whether it is one that the entry waits for.
  static bool flush(const vtd::Descriptor& descriptor, const Place& place, Entry& entry);
  void number_moves(const TraceEvent& event, bool allocated);
  void binding_ends(const TraceEvent& unbind);
  void left(const TraceEvent& event);
  void device_forgets(const TraceEvent& event);
  void complain(Invariant invariant, const TraceEvent& at, const Place& place, const Entry& entry,
                const char* what);
  Entry* find(const Place& place);
  Entry& add(const Place& place);
  void erase(const Place& place);
  // Calls visit(place, entry) for those of the machine that are of the PASID, in their order; it may erase the one
  // that it is shown.
  template <class Visit>
  void visit_row(const Row& row, Visit&& visit);
  template <class Visit>
  void for_each(std::uint32_t machine, std::uint32_t pasid, Visit&& visit);
  // The same of one function's.
  template <class Visit>
  void for_each_of(std::uint32_t machine, std::uint16_t source, Visit&& visit);

  Scene& scene_;
  ByNumber<FlatMap<std::uint32_t, Entries>>
      entries_;  // by unit and PASID: present, or with flushes due
  FlatMap<OfUnit, std::set<std::uint32_t>> of_functions_;   // of these, the PASIDs
  ByNumber<std::vector<Place>> unflushed_;                  // of these, with flushes due, by unit
  std::map<std::uint32_t, std::set<std::uint32_t>> units_;  // of each machine
  ByNumber<std::uint32_t> drivers_;                         // who writes the tables of each unit
  std::set<std::uint32_t> gone_;                            // vIOMMUs
  // Functions of units, as their entries were written last: whether they have a TLB that is used.
  FlatMap<OfUnit, bool> device_tlbs_;
};

}  // namespace viosim::check
