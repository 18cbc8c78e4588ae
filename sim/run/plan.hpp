// What a scenario says about its run besides the machines: events, and what is expected. Found and
// checked before the run.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/run/events.hpp"
#include "sim/run/expectations.hpp"
#include "sim/run/figures.hpp"
#include "sim/run/injection_plan.hpp"
#include "sim/run/system.hpp"

#include <optional>
#include <vector>

namespace viosim {

class Plan {
 public:
  // The system was built from the scenario, with these components. Throws ConfigError with everything
  // that the scenario names and the system does not have. All of them outlive the plan.
  Plan(const Scenario& scenario, System& system, const ComponentIndex& components, Tracer& tracer);

  // Runs the system. What the scenario did not expect to end a run is thrown; but software that is
  // the scenario's, and waits for what never comes, is a run that failed.
  void run();

  const Events& events() const { return *events_; }
  const InjectionPlan& injections() const { return *injections_; }
  const Figures& figures() const { return *figures_; }
  // After the run: of the clauses in their order, then of events that did not happen.
  std::vector<Verdict> verdicts(const ViolationCounts& violations) const;

 private:
  void check_players();
  void check_processes();

  System& system_;
  bool has_software_ = false;
  std::optional<Figures> figures_;
  std::optional<Events> events_;
  std::optional<InjectionPlan> injections_;
  std::optional<Expectations> expectations_;
  std::optional<FailedRun> failed_;
};

}  // namespace viosim
