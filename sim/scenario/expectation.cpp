// What a clause of `expect` means.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/expectation.hpp"

#include "sim/check/invariants.hpp"
#include "sim/json/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace viosim {
namespace {

struct Bound {
  std::string_view key;
  std::string_view words;
  const std::optional<Amount>& amount;
};

std::array<Bound, 5> bounds_of(const Bounds& b) {
  return {Bound{"above", "above", b.above}, Bound{"at_least", "at least", b.at_least},
          Bound{"below", "below", b.below}, Bound{"at_most", "at most", b.at_most},
          Bound{"equals", "equals", b.equals}};
}

// The farthest from `equals` that it may be.
double tolerance(const Bounds& bounds) {
  if (!bounds.within) return 0;
  const double within = bounds.within->value();
  return bounds.within->percent() ? within * std::abs(bounds.equals->value()) : within;
}

}  // namespace

void Bounds::check(const Where& where) const {
  bool any = false;
  for (const Bound& bound : bounds_of(*this)) any = any || bound.amount;
  if (!any) {
    where.reject(
        "read no bound; expected one of the keys \"above\", \"at_least\", \"below\", \"at_most\", "
        "\"equals\"");
  }
  if (within && !equals)
    (where / "within").reject("read it without \"equals\"; expected the amount to be near to");
  const auto& low = above ? above : at_least;
  const auto& high = below ? below : at_most;
  const bool strict = above || below;
  if (low && high && (low->value() > high->value() || (strict && low->value() == high->value()))) {
    (where / (below ? "below" : "at_most"))
        .reject(fmt::format("read {}; expected more than {}: no figure is within these bounds",
                            high->as_read(), low->as_read()));
  }
}

void Bounds::check_dimension(Dimension dimension, const Where& where) const {
  for (const Bound& bound : bounds_of(*this)) {
    if (!bound.amount) continue;
    const Amount& amount = *bound.amount;
    if (!amount.of(dimension)) {
      (where / bound.key)
          .reject(
              fmt::format("read {}; expected {}", amount.as_read(), expected_amount(dimension)));
    } else if (dimension == Dimension::ratio &&
               (amount.value() > 1 || (bound.key == "above" && amount.value() == 1))) {
      (where / bound.key)
          .reject(fmt::format("read {}; expected {} 1 (100 %), which no ratio exceeds",
                              amount.as_read(), bound.key == "above" ? "less than" : "at most"));
    }
  }
  if (within && !within->percent() && !within->of(dimension)) {
    (where / "within")
        .reject(fmt::format("read {}; expected {}, or a part such as \"5 %\"", within->as_read(),
                            expected_amount(dimension)));
  }
}

bool Bounds::hold(double found) const {
  if (above && !(found > above->value())) return false;
  if (at_least && !(found >= at_least->value())) return false;
  if (below && !(found < below->value())) return false;
  if (at_most && !(found <= at_most->value())) return false;
  return !equals || std::abs(found - equals->value()) <= tolerance(*this);
}

std::string Bounds::text() const {
  std::vector<std::string> all;
  for (const Bound& bound : bounds_of(*this)) {
    if (bound.amount) all.push_back(fmt::format("{} {}", bound.words, bound.amount->text()));
  }
  if (within) all.back() += fmt::format(" within {}", within->text());
  return fmt::format("{}", fmt::join(all, " and "));
}

bool is_checked_invariant(std::string_view name) {
  const std::vector<std::string> names = check::names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string checked_invariants() { return fmt::format("{}", fmt::join(check::names(), ", ")); }

std::string text_of(const Expectation& expectation) {
  if (const auto* metric = std::get_if<MetricClause>(&expectation))
    return fmt::format("{} {}", metric->metric, metric->bounds.text());
  if (const auto* clause = std::get_if<ViolationClause>(&expectation))
    return fmt::format("violation of {}", clause->violation);
  const FailureClause& failure = std::get<FailureClause>(expectation);
  const std::string text = fmt::format("failure {}", name_of(failure.failure));
  return failure.says.empty() ? text : fmt::format("{} that says \"{}\"", text, failure.says);
}

}  // namespace viosim
