// Something that happens to a running system: at an instant, on a condition, or after another event.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/actions/actions.hpp"
#include "sim/scenario/expectation.hpp"

#include <optional>
#include <string>
#include <vector>

namespace viosim {

struct EventConfig {
  std::string name;
  std::optional<Ps> at;
  std::optional<std::string> after;
  std::optional<MetricClause> when;
  Ps delay{0};
  Ps look_every = 1us;
  Action action;

  static constexpr auto fields() {
    using E = EventConfig;
    return Fields{
        field("name", &E::name, "How other events and results call it; empty: by its number."),
        field("at", &E::at, "It happens at this time."),
        field("after", &E::after, "It happens when the event of that name is over."),
        field("when", &E::when,
              "It happens as soon as a figure is within bounds, of each component that is named."),
        field("delay", &E::delay, "With `after` or `when`: this much later."),
        field("look_every", &E::look_every, "With `when`: how often software looks.").from(1ns),
        embedded(&E::action)};
  }
  void check(const Where& where) const;
  bool operator==(const EventConfig&) const = default;
};

// Its name, or "event 3".
std::string name_of(const EventConfig& event, std::size_t number);

// What one event cannot know: names, and who comes after whom. `ends`: the scenario has a duration.
void check_events(const std::vector<EventConfig>& events, bool ends, const Where& where);

}  // namespace viosim
