// From the file's number to the name, from the name to this program's number.
// SPDX-License-Identifier: Apache-2.0
#include "sim/trace/own_kinds.hpp"

#include "core/base/error.hpp"
#include "models/trace_events.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace viosim {

OwnKinds::OwnKinds(const RunReader& reader) : file_(reader.file()) {
  for (const EventKindRow& row : reader.kinds()) {
    if (row.kind >= kinds_.size()) kinds_.resize(row.kind + std::size_t{1});
    Kind& kind = kinds_[row.kind].emplace();
    kind.name = row.name;
    for (const EventKindInfo& info : event_kinds())
      if (info.name == row.name) kind.own = static_cast<std::uint16_t>(info.kind);
  }
  for (const EventKindInfo& info : event_kinds()) {
    const auto named = [&](const EventKindRow& row) { return row.name == info.name; };
    if (std::none_of(reader.kinds().begin(), reader.kinds().end(), named))
      absent_.emplace_back(info.name);
  }
}

std::optional<TraceEvent> OwnKinds::own(const TraceEvent& event) {
  if (event.kind >= kinds_.size() || !kinds_[event.kind])
    throw ConfigError({file_, "",
                       fmt::format("an event at {} ps is of kind {}, which the file's table "
                                   "event_kind does not have",
                                   event.time, event.kind)});
  const Kind& kind = *kinds_[event.kind];
  if (!kind.own) {
    ++unknown_[kind.name];
    return std::nullopt;
  }
  TraceEvent own = event;
  own.kind = *kind.own;
  return own;
}

}  // namespace viosim
