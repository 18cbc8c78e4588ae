// What a scenario expects of its run: figures within bounds, or a run that ends in a certain way.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/scenario/amount.hpp"

#include <array>
#include <optional>
#include <string>

namespace viosim {

// Bounds for a figure: all of those that are there hold.
struct Bounds {
  std::optional<Amount> above;
  std::optional<Amount> at_least;
  std::optional<Amount> below;
  std::optional<Amount> at_most;
  std::optional<Amount> equals;
  std::optional<Amount> within;

  static constexpr auto fields() {
    using B = Bounds;
    return Fields{
        field("above", &B::above, "It is more than this."),
        field("at_least", &B::at_least, "It is this or more."),
        field("below", &B::below, "It is less than this."),
        field("at_most", &B::at_most, "It is this or less."),
        field("equals", &B::equals, "It is this; with `within`, not farther from it than that."),
        field(
            "within", &B::within,
            "How far it may be from `equals`: an amount, or a part of `equals` such as \"5 %\".")};
  }
  void check(const Where& where) const;
  bool operator==(const Bounds&) const = default;

  // Rejects what has another dimension than the figure, or what none of that dimension can be: every
  // count is a whole number.
  void check_dimension(Dimension dimension, const Where& where) const;
  bool hold(double found) const;
  std::string text() const;  // "above 0.6", "at least 1 and at most 5"
};

struct MetricClause {
  static constexpr Alternative alternative{"metric", "A figure of the run is as it should be."};
  std::string metric;
  Bounds bounds;

  static constexpr auto fields() {
    return Fields{
        required("metric", &MetricClause::metric,
                 "A component path and the name of one of its figures: "
                 "\"host0.dmar0.iotlb.hit_rate\", \"host0.acc[*].dma.p99\". Of several components, "
                 "each is within the bounds."),
        embedded(&MetricClause::bounds)};
  }
  bool operator==(const MetricClause&) const = default;
};

enum class RunFailure : std::uint8_t { stuck, livelock, time_limit };

constexpr auto choices(RunFailure) {
  return std::array{Choice{RunFailure::stuck, "stuck", "software waits for what never comes"},
                    Choice{RunFailure::livelock, "livelock",
                           "software tries again and again what never succeeds"},
                    Choice{RunFailure::time_limit, "time-limit",
                           "simulated time passes 2^53 ps, the longest that is exact"}};
}

struct FailureClause {
  static constexpr Alternative alternative{"failure", "The run does not come to its end."};
  RunFailure failure = RunFailure::stuck;
  std::string says;

  static constexpr auto fields() {
    return Fields{
        required("failure", &FailureClause::failure, "What ends the run instead."),
        field("says", &FailureClause::says, "Part of what is then said; empty: anything.")};
  }
  bool operator==(const FailureClause&) const = default;
};

bool is_checked_invariant(std::string_view name);
std::string checked_invariants();
inline constexpr TextRule checked_invariant{
    &is_checked_invariant, "an invariant that is checked: ", {}, &checked_invariants};

struct ViolationClause {
  static constexpr Alternative alternative{"violation", "An invariant is violated."};
  std::string violation;

  static constexpr auto fields() {
    return Fields{required("violation", &ViolationClause::violation,
                           "The invariant, by its number: \"I8\"; once or more often.")
                      .matching(checked_invariant)};
  }
  bool operator==(const ViolationClause&) const = default;
};

using Expectation = OneOfKeys<MetricClause, FailureClause, ViolationClause>;

// The whole clause in words: "host0.dmar0.faults equals 0".
std::string text_of(const Expectation& expectation);

}  // namespace viosim
