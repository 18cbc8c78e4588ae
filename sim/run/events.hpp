// Lets the events of a scenario happen.
// SPDX-License-Identifier: Apache-2.0
//
// Each event is an actor: it waits for its instant, for the event before it, or for its condition,
// and then carries out its action on one component after the other. So what an event does takes
// place as software of that instant does, before hardware of the same instant. All conditions are
// looked at by one more actor, each once in its `look_every`; that ends when nothing else is going to
// happen.
#pragma once

#include "core/des/engine.hpp"
#include "core/des/trace.hpp"
#include "sim/run/figures.hpp"
#include "sim/scenario/event.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

class Events {
 public:
  // Finds what the events name; reports what is wrong at `where`, the list of events. Everything that it
  // is given outlives it, and it the run.
  Events(const std::vector<EventConfig>& configs, System& system, const ComponentIndex& components,
         const Figures& figures, Tracer& tracer, const Where& where);

  // Before the run.
  void start();

  struct Event {
    const EventConfig* config = nullptr;
    std::string name;
    // "event pause", "event 3"
    std::string label() const { return config->name.empty() ? name : "event " + name; }
    std::vector<Act> acts;
    std::vector<Figure> figures;     // of its condition
    std::vector<std::size_t> after;  // events that follow it
    std::unique_ptr<Signal> due;     // raised by what it waits for
    std::optional<Instant> at;       // when it began
    struct NothingDone {
      std::string component;  // its path
      std::string why;
    };
    std::vector<NothingDone> nothing_done;
  };
  const std::vector<Event>& all() const { return events_; }

 private:
  void prepare(std::size_t number, const Targets& targets, const Figures& figures,
               const Where& where);
  void wait_and_act(Event& event);
  void act(Event& event);
  void look_on();
  bool holds(const Event& event) const;
  void emit(const Event& event, const Act& act, Instant begin);

  Engine& engine_;
  const ComponentIndex& components_;
  const Figures& figures_;
  Tracer& tracer_;
  std::vector<Event> events_;
};

}  // namespace viosim
