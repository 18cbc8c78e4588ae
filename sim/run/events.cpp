// What each event waits for, and what it then does.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/events.hpp"

#include "models/trace_events.hpp"
#include "sim/run/system.hpp"

#include <algorithm>
#include <map>

namespace viosim {

Events::Events(const std::vector<EventConfig>& configs, System& system,
               const ComponentIndex& components, const Figures& figures, Tracer& tracer,
               const Where& where)
    : engine_(system.engine()),
      components_(components),
      figures_(figures),
      tracer_(tracer),
      events_(configs.size()) {
  const Targets targets(system, components);
  std::map<std::string_view, std::size_t> numbers;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    events_[i].config = &configs[i];
    events_[i].name = name_of(configs[i], i);
    events_[i].due = std::make_unique<Signal>(engine_, events_[i].label() + " is due");
    if (!configs[i].name.empty()) numbers[configs[i].name] = i;
  }
  for (std::size_t i = 0; i < configs.size(); ++i) {
    prepare(i, targets, figures, where / i);
    if (configs[i].after) events_[numbers.at(*configs[i].after)].after.push_back(i);
  }
}

void Events::prepare(std::size_t number, const Targets& targets, const Figures& figures,
                     const Where& where) {
  Event& event = events_[number];
  event.acts = std::visit([&](const auto& action) { return action.prepare(targets, where); },
                          static_cast<const Action::Variant&>(event.config->action));
  if (!event.config->when) return;
  const MetricClause& when = *event.config->when;
  event.figures = figures.resolve(when.metric, where / "when" / "metric");
  if (!event.figures.empty())
    when.bounds.check_dimension(event.figures.front().dimension, where / "when");
}

void Events::start() {
  for (Event& event : events_) {
    const auto lifetime = event.config->at ? Lifetime::finishes : Lifetime::serves;
    engine_.spawn(event.label(), lifetime, [this, &event] { wait_and_act(event); });
  }
  const bool conditions = std::any_of(events_.begin(), events_.end(),
                                      [](const Event& event) { return event.config->when; });
  if (conditions) engine_.spawn("conditions of events", Lifetime::serves, [this] { look_on(); });
}

// Who raises `due` has taken hold of the run.
void Events::wait_and_act(Event& event) {
  const EventConfig& config = *event.config;
  if (config.at) {
    engine_.sleep_until(Instant(*config.at));
    return act(event);
  }
  event.due->wait();
  if (config.delay > Ps(0)) engine_.sleep_for(config.delay);
  act(event);
  engine_.release();
}

void Events::act(Event& event) {
  event.at = engine_.now();
  for (const Act& act : event.acts) {
    const Instant begin = engine_.now();
    const NotDone why = act.run();
    if (!why.empty())
      event.nothing_done.push_back({components_.path(act.component), std::string(why)});
    if (tracer_.on()) emit(event, act, begin);
  }
  for (const std::size_t next : event.after) {
    engine_.hold();
    events_[next].due->raise();
  }
}

bool Events::holds(const Event& event) const {
  const Bounds& bounds = event.config->when->bounds;
  return std::all_of(event.figures.begin(), event.figures.end(), [&](const Figure& figure) {
    const std::optional<double> found = figures_.read(figure);
    return found && bounds.hold(*found);
  });
}

void Events::look_on() {
  struct Look {
    Instant next;
    Event* event;
  };
  std::vector<Look> looks;
  for (Event& event : events_) {
    if (event.config->when) looks.push_back({engine_.now() + event.config->look_every, &event});
  }
  while (!looks.empty()) {
    const auto first =
        std::min_element(looks.begin(), looks.end(), [](const Look& a, const Look& b) {
          return a.next < b.next;  // of equal ones the first
        });
    if (first->next > engine_.now()) {
      // Whoever waits for nothing but a condition waits for ever; the engine says so.
      if (engine_.nothing_to_come()) return;
      engine_.sleep_until(first->next);
    }
    if (holds(*first->event)) {
      engine_.hold();
      first->event->due->raise();
      looks.erase(first);
    } else {
      first->next += first->event->config->look_every;
    }
  }
}

void Events::emit(const Event& event, const Act& act, Instant begin) {
  TraceEvent trace;
  trace.time = engine_.now().ps();
  trace.duration = (engine_.now() - begin).count();
  trace.value = static_cast<std::uint64_t>(&event - events_.data());
  trace.component = act.component;
  trace.kind = static_cast<std::uint16_t>(EventKind::action);
  tracer_.emit(trace);
}

}  // namespace viosim
