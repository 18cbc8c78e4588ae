// Builds a system and runs it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/trial.hpp"

#include "sim/check/checker.hpp"

namespace viosim {

Trial::Trial(const Scenario& scenario, const Recordings& recordings)
    : system_(scenario, recordings, tracer_,
              [this](std::string_view path) { return components_.add(path); }),
      plan_(scenario, system_, components_, tracer_) {}

void Trial::run(bool checks) {
  check::Checker checker(components_.paths());
  checker.expect_fields();
  if (checks) tracer_.start(checker);
  plan_.run();
  tracer_.finish();
  if (checks) checker.finish();
  verdicts_ = plan_.verdicts(checker.counts());
}

}  // namespace viosim
