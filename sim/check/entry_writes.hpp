// How PASID entries are written.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/by_number.hpp"
#include "sim/check/scene.hpp"

#include <cstdint>

namespace viosim::check {

// I25: hardware may read an entry at any time, and finds one that is whole.
class EntryWrites {
 public:
  explicit EntryWrites(Scene& scene) : scene_(scene) {}
  // Whoever writes entries tells of their fields, too. Otherwise it is known of a unit when it has.
  void expect_fields() { expects_fields_ = true; }
  void observe(const TraceEvent& event);

 private:
  using Place = EntryPlace;
  enum class State : std::uint8_t { not_written, fields_written, present };
  struct Entry {
    State state = State::not_written;
    Link last;  // that wrote it
    // Where it leads, which may change only when it is not present, or as a whole.
    std::uint64_t table = 0;
    std::uint16_t domain = 0;
    std::uint8_t type = 0;
  };

  void written(const TraceEvent& event, const EntryWritten& how, const Place& place);
  void changed(const TraceEvent& event, const EntryWritten& how, Entry& entry);
  void complain(const TraceEvent& event, const Entry& entry, const char* what);
  void forget(const TraceEvent& viommu);
  bool tells_fields(std::uint32_t unit) { return expects_fields_ || tells_fields_[unit] != 0; }

  Scene& scene_;
  FlatMap<Place, Entry> entries_;
  ByNumber<std::uint32_t> drivers_;  // who writes the tables of each unit
  bool expects_fields_ = false;
  ByNumber<std::uint8_t> tells_fields_;  // units
};

}  // namespace viosim::check
