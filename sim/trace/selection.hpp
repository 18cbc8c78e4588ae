// Which events of a trace somebody wants to see.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/time.hpp"
#include "sim/record/block_stream.hpp"
#include "sim/record/run_reader.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

// Of each list an event needs one; an empty list asks nothing.
struct TraceFilter {
  std::vector<std::string> components{};  // patterns of paths, with all below: "host0.acc[0-3]"
  std::vector<std::string> guests{};      // the same; the host may be left out: "vm[1]"
  std::vector<std::string> kinds{};
  std::vector<std::uint32_t> pasids{};
  std::optional<Ps> from{};   // events that ended no earlier,
  std::optional<Ps> until{};  // and no later
  std::optional<std::uint64_t> limit{};
};

class Selection {
 public:
  // Throws ConfigError when a name or pattern means nothing in this run.
  Selection(const RunReader& reader, const TraceFilter& filter);

  bool holds(const TraceEvent& event) const {
    return event.time >= from_ && event.time <= until_ &&
           (components_.empty() ||
            (event.component < components_.size() && components_[event.component])) &&
           (kinds_.empty() || (event.kind < kinds_.size() && kinds_[event.kind])) &&
           (pasids_.empty() || is_wanted_pasid(event.pasid));
  }
  // Of all blocks those that may hold such events, by the times in the blocks' index.
  std::vector<std::size_t> blocks(const RunReader& reader) const;
  std::uint64_t limit() const { return limit_; }
  // The components of which events may be among these.
  bool wants_component(std::uint32_t number) const {
    return components_.empty() || components_.at(number);
  }

 private:
  bool is_wanted_pasid(std::uint32_t pasid) const;

  std::vector<bool> components_;  // by number; empty: all
  std::vector<bool> kinds_;       // likewise
  std::vector<std::uint32_t> pasids_;
  std::int64_t from_;
  std::int64_t until_;
  std::uint64_t limit_;
};

// Calls visit(const TraceEvent&) for each event of the selection, in the order of the trace, up to its
// limit. Returns how many there were.
template <class Visit>
std::uint64_t for_each_selected(RunReader& reader, const Selection& selection, Visit&& visit) {
  std::uint64_t seen = 0;
  if (seen == selection.limit()) return seen;
  BlockStream blocks(reader, selection.blocks(reader));
  while (const std::vector<TraceEvent>* events = blocks.next()) {
    for (const TraceEvent& event : *events) {
      if (!selection.holds(event)) continue;
      visit(event);
      if (++seen == selection.limit()) return seen;
    }
  }
  return seen;
}

}  // namespace viosim
