// What must be said of an event, and what events say of each other.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/event.hpp"

#include "core/base/error.hpp"

#include <fmt/format.h>

#include <map>

namespace viosim {

void EventConfig::check(const Where& where) const {
  const int triggers = (at ? 1 : 0) + (after ? 1 : 0) + (when ? 1 : 0);
  if (triggers != 1) {
    where.reject(
        fmt::format("read {} of the keys \"at\", \"after\", \"when\"; expected one of them",
                    triggers == 0 ? "none" : "several"));
  }
  if (at && delay > Ps(0)) (where / "delay").reject("read it with \"at\"; expected the sum there");
  if (!when && look_every != EventConfig{}.look_every)
    (where / "look_every").reject("read it without \"when\"; nothing else is looked at");
}

std::string name_of(const EventConfig& event, std::size_t number) {
  return event.name.empty() ? fmt::format("event {}", number) : event.name;
}

namespace {

using Numbers = std::map<std::string_view, std::size_t>;

void check_after(const std::vector<EventConfig>& events, std::size_t number, const Numbers& numbers,
                 const Where& where) {
  const std::string& before = *events[number].after;
  const auto found = numbers.find(before);
  if (found == numbers.end()) {
    std::vector<std::string_view> names;
    for (const auto& [name, unused] : numbers) names.push_back(name);
    const std::string_view nearest = nearest_name(before, names);
    where.reject(
        fmt::format("read {}; expected the name of an event{}", quote_short(before),
                    nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
    return;
  }
  // Whoever waits for itself is met again after at most as many steps as there are events.
  std::size_t at = found->second;
  for (std::size_t steps = 0; steps < events.size(); ++steps) {
    if (at == number) {
      where.reject(
          fmt::format("read {}, which comes after this event itself; expected an earlier one",
                      quote_short(before)));
      return;
    }
    const auto next = events[at].after ? numbers.find(*events[at].after) : numbers.end();
    if (next == numbers.end()) return;
    at = next->second;
  }
}

}  // namespace

void check_events(const std::vector<EventConfig>& events, bool ends, const Where& where) {
  constexpr std::size_t most = 10'000;  // each is an actor
  if (events.size() > most)
    return where.reject(fmt::format("read {} events; expected at most {}", events.size(), most));
  Numbers numbers;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].name.empty()) continue;
    if (!numbers.emplace(events[i].name, i).second) {
      (where / i / "name")
          .reject(fmt::format("read {}; expected a name that no other event has",
                              quote_short(events[i].name)));
    }
  }
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].after) check_after(events, i, numbers, where / i / "after");
    const auto* move = std::get_if<MovePages>(&events[i].action);
    if (!ends && move != nullptr && move->every > Ps(0)) {
      (where / i / "every")
          .reject(
              "read it in a scenario without \"duration\"; expected a duration: the run would "
              "never end");
    }
  }
}

}  // namespace viosim
