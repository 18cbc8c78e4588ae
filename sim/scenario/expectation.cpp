// What a clause of `expect` means.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/expectation.hpp"

#include "sim/check/invariants.hpp"
#include "sim/json/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
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
  return bounds.within->percent() ? within * bounds.equals->value() : within;
}

// One end of what the bounds allow together.
struct End {
  const Bound& bound;
  double value;
  bool excluded;
};

std::vector<End> low_ends(const Bounds& bounds, const std::array<Bound, 5>& all) {
  std::vector<End> ends;
  if (bounds.above) ends.push_back({all[0], bounds.above->value(), true});
  if (bounds.at_least) ends.push_back({all[1], bounds.at_least->value(), false});
  if (bounds.equals) ends.push_back({all[4], bounds.equals->value() - tolerance(bounds), false});
  return ends;
}

std::vector<End> high_ends(const Bounds& bounds, const std::array<Bound, 5>& all) {
  std::vector<End> ends;
  if (bounds.below) ends.push_back({all[2], bounds.below->value(), true});
  if (bounds.at_most) ends.push_back({all[3], bounds.at_most->value(), false});
  if (bounds.equals) ends.push_back({all[4], bounds.equals->value() + tolerance(bounds), false});
  return ends;
}

// What is not of one dimension is not compared: check_dimension() has more to say of it.
bool disjoint(const End& low, const End& high) {
  if (!low.bound.amount->comparable(*high.bound.amount)) return false;
  return low.value > high.value || (low.value == high.value && (low.excluded || high.excluded));
}

std::string as_read(const Bound& bound, const Bounds& bounds) {
  const bool near = bound.key == "equals" && bounds.within;
  return bound.amount->as_read() + (near ? " within " + bounds.within->as_read() : "");
}

// The lower one is there to be blamed only where it is `equals`, which is both.
void reject_disjoint(const End& low, const End& high, const Bounds& bounds, const Where& where) {
  const bool strict = low.excluded || high.excluded;
  const bool blame_low = low.bound.key == "equals";
  const Bound& read = blame_low ? low.bound : high.bound;
  const Bound& other = blame_low ? high.bound : low.bound;
  const std::string_view than =
      blame_low ? (strict ? "less than" : "at most") : (strict ? "more than" : "at least");
  (where / read.key)
      .reject(fmt::format("read {}; expected {} {}: no figure is within these bounds",
                          as_read(read, bounds), than, as_read(other, bounds)));
}

void check_range(const Bounds& bounds, const Where& where) {
  if (bounds.below && bounds.below->value() == 0) {
    return (where / "below")
        .reject(fmt::format("read {}; expected more than that: no figure is negative",
                            bounds.below->as_read()));
  }
  const std::array<Bound, 5> all = bounds_of(bounds);
  for (const End& low : low_ends(bounds, all)) {
    for (const End& high : high_ends(bounds, all)) {
      if (disjoint(low, high)) return reject_disjoint(low, high, bounds, where);
    }
  }
}

// Whether there is a whole number within the bounds.
bool allow_a_count(const Bounds& bounds) {
  const std::array<Bound, 5> all = bounds_of(bounds);
  double lowest = 0;
  double highest = std::numeric_limits<double>::infinity();
  for (const End& end : low_ends(bounds, all))
    lowest = std::max(lowest, end.excluded ? std::floor(end.value) + 1 : std::ceil(end.value));
  for (const End& end : high_ends(bounds, all))
    highest = std::min(highest, end.excluded ? std::ceil(end.value) - 1 : std::floor(end.value));
  return lowest <= highest;
}

void check_count(const Bounds& bounds, const Where& where) {
  if (allow_a_count(bounds)) return;
  if (bounds.equals) {
    (where / "equals")
        .reject(fmt::format("read {}; expected a whole number within the bounds, as counts are",
                            as_read(bounds_of(bounds)[4], bounds)));
  } else {
    where.reject(fmt::format("read {}; expected bounds with a whole number within, as counts are",
                             bounds.text()));
  }
}

}  // namespace

void Bounds::check(const Where& where) const {
  const std::size_t before = where.problem_count();
  bool any = false;
  for (const Bound& bound : bounds_of(*this)) any = any || bound.amount;
  if (!any) {
    where.reject(
        "read no bound; expected one of the keys \"above\", \"at_least\", \"below\", \"at_most\", "
        "\"equals\"");
  }
  if (within && !equals)
    (where / "within").reject("read it without \"equals\"; expected the amount to be near to");
  if (where.problem_count() == before) check_range(*this, where);
}

void Bounds::check_dimension(Dimension dimension, const Where& where) const {
  const std::size_t before = where.problem_count();
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
  if (dimension == Dimension::count && where.problem_count() == before) check_count(*this, where);
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
