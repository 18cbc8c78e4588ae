// What was found where something was expected.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/expectations.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
namespace {

constexpr std::size_t most_failing = 10;

Verdict judge_failure(const FailureClause& clause, const std::optional<FailedRun>& failed) {
  Verdict verdict;
  verdict.found = failed ? fmt::format("{}: {}", name_of(failed->failure), failed->says)
                         : "the run came to its end";
  verdict.met = failed && failed->failure == clause.failure &&
                failed->says.find(clause.says) != std::string::npos;
  return verdict;
}

Verdict judge_violation(const ViolationClause& clause, const ViolationCounts& violations) {
  const auto found = violations.find(clause.violation);
  Verdict verdict;
  verdict.met = found != violations.end();
  verdict.found = verdict.met ? fmt::format("{}", found->second) : "none";
  return verdict;
}

// "0", "0, of each of 16", "12 to 30, of 16", "3, of host0.acc[2], and 1 more".
std::string found_text(const Verdict& verdict, Dimension dimension, std::size_t components,
                       std::size_t failing, const std::optional<double>& first_failing) {
  const auto text = [&](const std::optional<double>& value) {
    return value ? amount_text(*value, dimension) : "nothing to tell it from";
  };
  if (components == 1) return text(verdict.least);
  if (failing != 0) {
    return fmt::format("{}, of {}{}", text(first_failing), verdict.failing.front(),
                       failing == 1 ? "" : fmt::format(", and {} more", failing - 1));
  }
  if (*verdict.least == *verdict.most)
    return fmt::format("{}, of each of {}", text(verdict.least), components);
  return fmt::format("{} to {}, of {}", text(verdict.least), text(verdict.most), components);
}

}  // namespace

Expectations::Expectations(const std::vector<Expectation>& clauses,
                           const ComponentIndex& components, const Figures& figures,
                           const Where& where)
    : clauses_(clauses), components_(components), figures_(figures), of_clause_(clauses.size()) {
  for (std::size_t i = 0; i < clauses.size(); ++i) {
    const auto* clause = std::get_if<MetricClause>(&clauses[i]);
    if (clause == nullptr) continue;
    of_clause_[i] = figures.resolve(clause->metric, where / i / "metric");
    if (!of_clause_[i].empty())
      clause->bounds.check_dimension(of_clause_[i].front().dimension, where / i);
  }
}

bool Expectations::expect_failure() const {
  return std::any_of(clauses_.begin(), clauses_.end(), [](const Expectation& clause) {
    return std::holds_alternative<FailureClause>(clause);
  });
}

bool Expectations::about(std::uint32_t component, std::string_view figure) const {
  for (std::size_t i = 0; i < clauses_.size(); ++i) {
    const auto* const clause = std::get_if<MetricClause>(&clauses_[i]);
    if (clause == nullptr || !clause->metric.ends_with(fmt::format(".{}", figure))) continue;
    if (std::any_of(of_clause_[i].begin(), of_clause_[i].end(),
                    [&](const Figure& one) { return figures_.component_of(one) == component; }))
      return true;
  }
  return false;
}

std::vector<Verdict> Expectations::judge(const std::optional<FailedRun>& failed,
                                         const ViolationCounts& violations) const {
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < clauses_.size(); ++i) {
    if (const auto* metric = std::get_if<MetricClause>(&clauses_[i])) {
      verdicts.push_back(judge(*metric, of_clause_[i]));
    } else if (const auto* violation = std::get_if<ViolationClause>(&clauses_[i])) {
      verdicts.push_back(judge_violation(*violation, violations));
    } else {
      verdicts.push_back(judge_failure(std::get<FailureClause>(clauses_[i]), failed));
    }
    verdicts.back().expected = text_of(clauses_[i]);
  }
  for (const auto& [name, times] : violations) {
    const bool expected =
        std::any_of(clauses_.begin(), clauses_.end(), [&name = name](const Expectation& clause) {
          const auto* violation = std::get_if<ViolationClause>(&clause);
          return violation != nullptr && violation->violation == name;
        });
    if (expected) continue;
    Verdict& verdict = verdicts.emplace_back();
    verdict.expected = fmt::format("no violation of {}", name);
    verdict.found = fmt::format("{}", times);
  }
  return verdicts;
}

Verdict Expectations::judge(const MetricClause& clause, const std::vector<Figure>& figures) const {
  Verdict verdict;
  std::size_t failing = 0;
  std::optional<double> first_failing;
  for (const Figure& figure : figures) {
    const std::optional<double> found = figures_.read(figure);
    if (found) {
      verdict.least = std::min(verdict.least.value_or(*found), *found);
      verdict.most = std::max(verdict.most.value_or(*found), *found);
    }
    if (found && clause.bounds.hold(*found)) continue;
    if (failing++ == 0) first_failing = found;
    if (failing <= most_failing)
      verdict.failing.push_back(components_.path(figures_.component_of(figure)));
  }
  verdict.met = failing == 0;
  verdict.found =
      found_text(verdict, figures.front().dimension, figures.size(), failing, first_failing);
  return verdict;
}

bool all_met(const std::vector<Verdict>& verdicts) {
  return std::all_of(verdicts.begin(), verdicts.end(),
                     [](const Verdict& verdict) { return verdict.met; });
}

}  // namespace viosim
