// Where an event is drawn: the process and the thread that stand for its component.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/trace.hpp"
#include "sim/trace/part_names.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

// A thread's slices must not overlap, and a component may have many requests in flight: it gets as
// many lanes, each a thread, as it takes.
class Tracks {
 public:
  struct Process {
    std::uint32_t number;
    std::string name;  // "guest host0.vm[1]"
  };
  struct Place {
    std::uint32_t track;  // the thread's number, which no other thread and no process has
    std::uint32_t lane;   // of its component, from 0
    bool is_new;          // nothing was drawn there before
  };

  Tracks(const std::vector<std::string>& components, const PartNames& parts);

  const std::vector<Process>& processes() const { return processes_; }
  std::uint32_t process_of(std::uint32_t component) const;
  std::uint64_t sort_index(std::uint32_t component, std::uint32_t lane) const;
  Place place(const TraceEvent& event);

 private:
  struct Lanes {
    std::vector<std::uint32_t> tracks;                       // by lane
    std::set<std::pair<std::int64_t, std::uint32_t>> until;  // when each lane is free again
  };

  std::vector<Process> processes_;
  std::vector<std::uint32_t> process_of_;  // by component
  std::vector<Lanes> lanes_;               // by component
  std::uint32_t next_track_;
};

}  // namespace viosim
