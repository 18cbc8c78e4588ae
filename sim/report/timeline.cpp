// Gives each event of the trace to those who count it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/timeline.hpp"

#include "core/base/error.hpp"
#include "sim/record/block_stream.hpp"
#include "sim/report/breakdown.hpp"
#include "sim/report/depths.hpp"
#include "sim/report/marks.hpp"
#include "sim/report/owners.hpp"
#include "sim/report/roles.hpp"
#include "sim/trace/event_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace viosim::report {
namespace {

constexpr std::int64_t latest = std::int64_t{1} << 53;  // what a run can last, in ps

TimeGrid grid_of(const RunReader& reader) {
  std::int64_t end = 0;
  for (const BlockInfo& block : reader.blocks()) end = std::max(end, block.last_time);
  if (end > latest)
    throw ConfigError({reader.file(), "",
                       fmt::format("the run database is damaged: its trace ends at {} ps", end)});
  return TimeGrid::until(end);
}

class Counting {
 public:
  explicit Counting(RunReader& reader)
      : grid_(grid_of(reader)),
        components_(reader.components()),
        roles_(reader.kinds()),
        names_(reader),
        owners_(grid_),
        depths_(grid_, roles_, components_),
        marks_(grid_),
        breakdown_(grid_, roles_, components_.size()) {
    std::size_t number = 0;
    for (const ViolationRow& violation : reader.violations()) marks_.add(violation, ++number);
  }

  void add(const TraceEvent& event) {
    depths_.add(event);
    switch (roles_.of(event.kind)) {
      case Role::translate:
        return breakdown_.translated(event);
      case Role::part:
        return breakdown_.part(event);
      case Role::allocate:
        return owners_.allocated(event);
      case Role::free:
        return owners_.freed(event);
      case Role::mark:
        return marks_.add(event, roles_, names_);
      default:
        return;
    }
  }

  Value json() const {
    Value::Object object;
    viosim::add(object, "end", grid_.end);
    viosim::add(object, "bin", grid_.width);
    viosim::add(object, "bins", grid_.bins);
    viosim::add(object, "owners", owners_.json(components_));
    viosim::add(object, "marks", marks_.json());
    viosim::add(object, "depths", depths_.json());
    viosim::add(object, "breakdown", breakdown_.json(components_));
    return Value(std::move(object));
  }

 private:
  TimeGrid grid_;
  const std::vector<std::string>& components_;
  Roles roles_;
  EventNames names_;
  Owners owners_;
  Depths depths_;
  Marks marks_;
  Breakdown breakdown_;
};

}  // namespace

Value timeline_json(RunReader& reader) {
  if (reader.event_count() == 0) return {};
  Counting counting(reader);
  std::vector<std::size_t> numbers(reader.blocks().size());
  std::iota(numbers.begin(), numbers.end(), std::size_t{0});
  BlockStream blocks(reader, std::move(numbers));
  while (const std::vector<TraceEvent>* events = blocks.next()) {
    for (const TraceEvent& event : *events) counting.add(event);
  }
  return counting.json();
}

}  // namespace viosim::report
