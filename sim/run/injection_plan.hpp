// The injections of a scenario in a built system: where they apply, and what acts they are.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/actions/targets.hpp"
#include "sim/inject/injections.hpp"
#include "sim/json/value.hpp"
#include "sim/run/components.hpp"
#include "sim/run/injection_wiring.hpp"
#include "sim/run/system.hpp"

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

class InjectionPlan {
 public:
  // Reports at `where` what is not there. All of them outlive the plan.
  InjectionPlan(const Scenario& scenario, System& system, const ComponentIndex& components,
                Tracer& tracer, const Where& where);

  void start();  // before the run

  // Empty where the scenario has none.
  const std::vector<Injections::Injection>& all() const;

 private:
  // Guests to be killed, or what vanishes: by an actor, since a point is reached by anybody.
  struct Acts {
    Acts(Engine& engine, std::string its_name, std::vector<Act> its_acts)
        : name(std::move(its_name)), acts(std::move(its_acts)), due(engine, name + " is due") {}
    std::string name;
    std::vector<Act> acts;
    Signal due;
  };
  void restrict(const InjectionConfig& config, std::size_t number, const ComponentIndex& components,
                const std::vector<WiredComponent>& wired, const Where& where);
  void prepare(const InjectionConfig& config, std::size_t number, const Targets& targets,
               const Where& where);

  Engine& engine_;
  std::optional<Injections> injections_;
  std::deque<Acts> acts_;
};

// Lines for the summary; empty where there are none.
std::string injections_text(const InjectionPlan& plan);
void add_injections(Value::Object& summary, const InjectionPlan& plan);

}  // namespace viosim
