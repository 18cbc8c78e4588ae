// A run without a summary and without a database: what runs many of them needs no more, nor who asks whether a
// scenario could run.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/run/plan.hpp"
#include "sim/run/system.hpp"

#include <vector>

namespace viosim {

class Trial {
 public:
  // Builds the system. Throws ConfigError with everything that the scenario names and the system does not
  // have. Both outlive the trial.
  Trial(const Scenario& scenario, const Recordings& recordings);

  const System& system() const { return system_; }
  const ComponentIndex& components() const { return components_; }
  const Figures& figures() const { return plan_.figures(); }

  // `checks`: it is held against the invariants, and violations count among the verdicts.
  void run(bool checks);
  const std::vector<Verdict>& verdicts() const { return verdicts_; }

 private:
  ComponentIndex components_;
  Tracer tracer_;  // nothing is recorded
  System system_;
  Plan plan_;
  std::vector<Verdict> verdicts_;
};

}  // namespace viosim
