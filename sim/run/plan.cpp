// Prepares events and expectations, and runs the system between them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/plan.hpp"

namespace viosim {

Plan::Plan(const Scenario& scenario, System& system, const ComponentIndex& components,
           Tracer& tracer)
    : system_(system) {
  std::vector<Problem> problems;
  const Where where(problems, scenario.origins.file());
  figures_.emplace(system, components, [&system] { return system.engine().now().since_start(); });
  events_.emplace(scenario.events, system, components, *figures_, tracer, where / "events");
  expectations_.emplace(scenario.expect, components, *figures_, where / "expect");
  if (!problems.empty()) throw ConfigError(scenario.origins.locate(std::move(problems)));
}

void Plan::run() {
  events_->start();
  try {
    system_.run();
  } catch (const StuckError& error) {
    if (!expectations_->expect_failure()) throw;
    failed_ = {RunFailure::stuck, error.what()};
  } catch (const LivelockError& error) {
    if (!expectations_->expect_failure()) throw;
    failed_ = {RunFailure::livelock, error.what()};
  } catch (const TimeLimitError& error) {
    if (!expectations_->expect_failure()) throw;
    failed_ = {RunFailure::time_limit, error.what()};
  }
}

std::vector<Verdict> Plan::verdicts() const {
  std::vector<Verdict> all = expectations_->judge(failed_);
  for (const Events::Event& event : events_->all()) {
    if (event.at) continue;
    Verdict verdict;
    verdict.expected = event.label() + " happens";
    verdict.found = "it did not";
    all.push_back(std::move(verdict));
  }
  return all;
}

}  // namespace viosim
