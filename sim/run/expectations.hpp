// Holds a run against what its scenario expects.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"
#include "sim/run/figures.hpp"
#include "sim/scenario/expectation.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// How a run ended that did not come to its end.
struct FailedRun {
  RunFailure failure = RunFailure::stuck;
  std::string says;
};

// What came of one clause, or of an event that should have happened.
struct Verdict {
  std::string expected;  // "host0.acc[*].aborted equals 0"
  std::string found;     // "0, of each of 16"
  bool met = false;
  std::optional<double> least;  // of a figure's values
  std::optional<double> most;
  std::vector<std::string> failing;  // components beyond the bounds; the first few
};

// How often each invariant was violated, by its name.
using ViolationCounts = std::map<std::string, std::uint64_t>;

class Expectations {
 public:
  // Finds the figures that are named; reports what is wrong at `where`, the list of clauses. Everything
  // outlives it.
  Expectations(const std::vector<Expectation>& clauses, const ComponentIndex& components,
               const Figures& figures, const Where& where);

  bool expect_failure() const;
  // Whether a clause is about this figure of this component, whatever its bounds.
  bool about(std::uint32_t component, std::string_view figure) const;
  // After the run: a verdict for each clause.
  // Of clauses about violations with how often each invariant was violated, by its name.
  std::vector<Verdict> judge(const std::optional<FailedRun>& failed,
                             const ViolationCounts& violations) const;

 private:
  Verdict judge(const MetricClause& clause, const std::vector<Figure>& figures) const;

  const std::vector<Expectation>& clauses_;
  const ComponentIndex& components_;
  const Figures& figures_;
  std::vector<std::vector<Figure>> of_clause_;
};

bool all_met(const std::vector<Verdict>& verdicts);

}  // namespace viosim
