// Finds where injections apply, and says how often they fired.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/injection_plan.hpp"

#include "sim/run/injection_wiring.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {

InjectionPlan::InjectionPlan(const Scenario& scenario, System& system,
                             const ComponentIndex& components, Tracer& tracer, const Where& where)
    : engine_(system.engine()) {
  if (scenario.injections.empty()) return;
  injections_.emplace(scenario.injections, scenario.seed, engine_, tracer);
  const Targets targets(system, components);
  const std::vector<WiredComponent> wired = wire_injections(*injections_, system, components);
  for (std::size_t i = 0; i < scenario.injections.size(); ++i) {
    restrict(scenario.injections[i], i, components, wired, where / i);
    prepare(scenario.injections[i], i, targets, where / i);
  }
}

// Refused where it could never happen: nobody there has the point.
void InjectionPlan::restrict(const InjectionConfig& config, std::size_t number,
                             const ComponentIndex& components,
                             const std::vector<WiredComponent>& wired, const Where& where) {
  std::vector<std::uint32_t> holders;
  for (const WiredComponent& one : wired)
    if (has_point(one.holder, point_of(config))) holders.push_back(one.component);
  if (holders.empty())
    return where.reject(
        fmt::format("read \"{}\"; expected what can happen in this scenario: no "
                    "component of it has that point",
                    text_of(config)));
  if (!config.where || components.resolve(*config.where, where / "where").empty()) return;
  std::vector<bool> within;
  within.reserve(components.paths().size());
  for (const std::string& path : components.paths())
    within.push_back(config.where->leads_to(steps_of(path)));
  if (std::none_of(holders.begin(), holders.end(), [&](std::uint32_t one) { return within[one]; }))
    return (where / "where")
        .reject(fmt::format("read \"{}\", which has no such point; expected a component that has "
                            "it, such as \"{}\"",
                            config.where->text(), components.path(holders.front())));
  injections_->restrict_to(number, std::move(within));
}

void InjectionPlan::prepare(const InjectionConfig& config, std::size_t number,
                            const Targets& targets, const Where& where) {
  std::vector<Act> acts;
  if (const auto* kill = std::get_if<KillGuestAt>(&config.effect)) {
    for (GuestControl& guest : targets.guests(kill->kill, where / "kill"))
      acts.push_back({guest.component, std::move(guest.kill)});
  } else if (const auto* vanish = std::get_if<VanishAt>(&config.effect)) {
    for (PlugControl& part : targets.pluggable(vanish->vanish, where / "vanish")) {
      if (part.slice) {
        (where / "vanish")
            .reject("read the path of a slice of an accelerator; expected hardware, or a vIOMMU");
      }
      acts.push_back(
          {part.component, [unplug = std::move(part.unplug)] { return unplug(Unplug::surprise); }});
    }
  } else {
    return;
  }
  Acts& all = acts_.emplace_back(engine_, fmt::format("injection {}", number), std::move(acts));
  injections_->on_fire(number, [this, &all] {
    engine_.hold();
    all.due.raise();
  });
}

void InjectionPlan::start() {
  for (Acts& all : acts_) {
    engine_.spawn(all.name, Lifetime::serves, [this, &all] {
      for (;;) {
        all.due.wait();
        for (const Act& act : all.acts) act.run();
        engine_.release();
      }
    });
  }
}

const std::vector<Injections::Injection>& InjectionPlan::all() const {
  static const std::vector<Injections::Injection> none;
  return injections_ ? injections_->all() : none;
}

std::string injections_text(const InjectionPlan& plan) {
  if (plan.all().empty()) return {};
  std::string text = "\ninjections\n";
  for (const Injections::Injection& one : plan.all()) {
    if (one.fired > 0) {
      text += fmt::format("  {:>10}  {} (of {} that matched)\n", one.fired, one.text, one.matched);
    } else {
      text +=
          fmt::format("  {:>10}  {}: it never fired; {} matched\n", "NEVER", one.text, one.matched);
    }
  }
  return text;
}

void add_injections(Value::Object& summary, const InjectionPlan& plan) {
  if (plan.all().empty()) return;
  Value::Array all;
  for (const Injections::Injection& one : plan.all()) {
    Value::Object object;
    add(object, "injection", one.text);
    add(object, "matched", one.matched);
    add(object, "fired", one.fired);
    all.emplace_back(std::move(object));
  }
  add(summary, "injections", std::move(all));
}

}  // namespace viosim
