// A run's own names, and numbers that it has no name for.
// SPDX-License-Identifier: Apache-2.0
#include "sim/trace/event_names.hpp"

#include "core/base/time.hpp"

#include <fmt/format.h>

namespace viosim {

EventNames::EventNames(const RunReader& reader) : components_(reader.components()) {
  for (const EventKindRow& row : reader.kinds()) {
    if (row.kind >= kinds_.size()) kinds_.resize(row.kind + std::size_t{1});
    kinds_[row.kind] =
        KindMeaning({EventKind{row.kind}, row.name, row.sentence, row.address, row.value, row.code},
                    &components_);
  }
}

const std::string& EventNames::component(std::uint32_t number) const {
  if (number < components_.size()) return components_[number];
  for (const auto& [known, name] : unknown_components_)
    if (known == number) return name;
  return unknown_components_.emplace_back(number, fmt::format("?{}", number)).second;
}

const KindMeaning& EventNames::kind(std::uint16_t number) const {
  if (number < kinds_.size() && !kinds_[number].name.empty()) return kinds_[number];
  for (const auto& [known, meaning] : unknown_kinds_)
    if (known == number) return meaning;
  const std::string name = fmt::format("?{}", number);
  const EventKindInfo row{EventKind{number}, name, "", "unknown", "unknown", "unknown"};
  return unknown_kinds_.emplace_back(number, KindMeaning(row, nullptr)).second;
}

std::string event_text(const TraceEvent& event, const EventNames& names) {
  const KindMeaning& kind = names.kind(event.kind);
  std::string text = fmt::format("{} {} at {}", names.component(event.component), kind.name,
                                 format_time(Ps(event.time), 12));
  if (event.duration != 0) text += fmt::format(" after {}", format_time(Ps(event.duration), 12));
  if (event.pasid != 0) text += fmt::format(", PASID {}", event.pasid);
  if (event.epoch != 0) text += fmt::format(", epoch {}", event.epoch);
  const std::string fields = kind.fields_of(event);
  return fields.empty() ? text : text + ", " + fields;
}

}  // namespace viosim
