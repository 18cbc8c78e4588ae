// A sweep: what a user writes to have one scenario run many times, each time a little different.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/units.hpp"
#include "sim/json/described.hpp"
#include "sim/scenario/amount.hpp"
#include "sim/scenario/name_rule.hpp"
#include "sim/sweep/range_value.hpp"
#include "sim/sweep/settings.hpp"
#include "sim/sweep/wall_time.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

enum class Scale : std::uint8_t { linear, logarithmic };
constexpr auto choices(Scale) {
  return std::array{Choice{Scale::linear, "linear", "equal differences"},
                    Choice{Scale::logarithmic, "logarithmic", "equal quotients"}};
}

// Names become names of directories, columns and options.
inline constexpr TextRule sweep_name{
    [](std::string_view name) { return !name.empty() && name.size() <= 100 && is_plain(name); },
    "1 to 100 letters, digits, '-' and '_'", "^[A-Za-z0-9_-]{1,100}$"};
inline constexpr TextRule scenario_path{[](std::string_view path) { return !path.empty(); },
                                        "the path of a scenario", "^.+$"};

struct RangeConfig {
  RangeValue from;
  RangeValue to;
  std::optional<std::uint32_t> count;
  Scale scale = Scale::linear;
  std::optional<RangeValue> multiple_of;

  static constexpr auto fields() {
    using R = RangeConfig;
    return Fields{
        required("from", &R::from, "The first value."), required("to", &R::to, "The last value."),
        field("count", &R::count,
              "How many values, both ends included. Without it a random or latin-hypercube design "
              "takes any value in between, each as likely as any other; the others need it.")
            .from(2),
        field("scale", &R::scale, "What is equal from each value to the next."),
        field(
            "multiple_of", &R::multiple_of,
            "Each value is the nearest multiple of this, such as \"4 KiB\", that lies between the "
            "ends: an end that is none moves inwards to the next, and ends with none between "
            "them are an error; without it values are rounded to whole numbers where both ends "
            "are, picoseconds and bytes.")};
  }
  void check(const Where& where) const;
  bool operator==(const RangeConfig&) const = default;
};

struct ValuesAxis {
  static constexpr Alternative alternative{"values", "One parameter, by a list of its values."};
  std::string name;
  JsonPointer pointer;
  std::vector<Value> values;

  static constexpr auto fields() {
    using A = ValuesAxis;
    return Fields{
        required("name", &A::name, "How results call the parameter.").matching(sweep_name),
        required("pointer", &A::pointer, "Where in the scenario the values go."),
        required("values", &A::values, "Any JSON, as the scenario would have it.").items({1})};
  }
  void check(const Where& where) const;
  bool operator==(const ValuesAxis&) const = default;
};

struct RangeAxis {
  static constexpr Alternative alternative{"range", "One parameter, between two values."};
  std::string name;
  JsonPointer pointer;
  RangeConfig range;

  static constexpr auto fields() {
    using A = RangeAxis;
    return Fields{
        required("name", &A::name, "How results call the parameter.").matching(sweep_name),
        required("pointer", &A::pointer, "Where in the scenario the values go."),
        required("range", &A::range, "Its values.")};
  }
  bool operator==(const RangeAxis&) const = default;
};

struct Variant {
  std::string name;
  Settings set;

  static constexpr auto fields() {
    return Fields{required("name", &Variant::name, "How results call it.").matching(sweep_name),
                  required("set", &Variant::set, "What it puts where, by JSON pointers.")};
  }
  bool operator==(const Variant&) const = default;
};

struct VariantsAxis {
  static constexpr Alternative alternative{"variants", "Several parameters that change together."};
  std::string name;
  std::vector<Variant> variants;

  static constexpr auto fields() {
    using A = VariantsAxis;
    return Fields{required("name", &A::name, "How results call the axis.").matching(sweep_name),
                  required("variants", &A::variants, "What there is to choose from.").items({1})};
  }
  void check(const Where& where) const;
  bool operator==(const VariantsAxis&) const = default;
};

using AxisConfig = OneOfKeys<ValuesAxis, RangeAxis, VariantsAxis>;
const std::string& name_of(const AxisConfig& axis);
// Every place that it may set.
std::vector<JsonPointer> pointers_of(const AxisConfig& axis);

enum class DesignKind : std::uint8_t { grid, zipped, random, latin_hypercube };
constexpr auto choices(DesignKind) {
  return std::array{
      Choice{DesignKind::grid, "grid", "every value of each axis with every one of the others"},
      Choice{DesignKind::zipped, "zipped", "the first values together, then the second ones ..."},
      Choice{DesignKind::random, "random", "`points` points, each axis drawn for itself"},
      Choice{DesignKind::latin_hypercube, "latin-hypercube",
             "`points` points that cover each axis evenly"}};
}

enum class SeedKind : std::uint8_t { independent, common };
constexpr auto choices(SeedKind) {
  return std::array{
      Choice{SeedKind::independent, "independent", "each run has a seed of its own"},
      Choice{SeedKind::common, "common",
             "replicate r has the same seed at every point, so that points differ by their "
             "parameters only"}};
}

// An amount above 0.
class SomeAmount : public Amount {
 public:
  static const JsonType& json_type();
};

struct StopRule {
  std::string metric;
  SomeAmount half_width;
  double confidence = 0.95;
  std::uint32_t minimum = 3;
  std::uint32_t maximum = 100;

  static constexpr auto fields() {
    using S = StopRule;
    return Fields{
        required("metric", &S::metric,
                 "The figure that is to be known well, as in `keep`; of several components each."),
        required("half_width", &S::half_width,
                 "Half of its confidence interval: an amount such as \"10 ns\", or a part of the "
                 "mean such as \"2 %\"; above 0."),
        field("confidence", &S::confidence, "How sure the interval is.").above(0).below(1),
        field("minimum", &S::minimum, "Replicates of each point to begin with.").from(2),
        field("maximum", &S::maximum, "Replicates of a point at most.").from(2)};
  }
  void check(const Where& where) const;
  bool operator==(const StopRule&) const = default;
};

struct LimitsConfig {
  WallTime wall{std::chrono::hours(1)};
  std::optional<Bytes> memory;

  static constexpr auto fields() {
    using L = LimitsConfig;
    return Fields{
        field(
            "wall", &L::wall,
            "A run that takes longer is killed and counts as failed. An hour without it; from 1 ms "
            "to 1000 d, with at most three decimals."),
        field(
            "memory", &L::memory,
            "The address space of a run, as of ulimit -v; a run that wants more fails. It must be "
            "more than the program itself takes with the sweep's scenario and recordings, 200 "
            "MiB or so. Without it there is no limit.")};
  }
  bool operator==(const LimitsConfig&) const = default;
};

struct Sweep {
  static constexpr std::uint64_t most_runs = 10'000'000;
  std::optional<std::string> schema;
  std::string name;
  std::string description;
  std::string scenario;
  std::optional<Settings> set;
  std::uint64_t seed = 1;
  SeedKind seeds = SeedKind::independent;
  std::vector<AxisConfig> axes;
  DesignKind design = DesignKind::grid;
  std::optional<std::uint32_t> points;
  std::optional<std::uint32_t> replicates;
  std::optional<StopRule> stop;
  std::vector<std::string> keep;
  bool checks = true;
  LimitsConfig limits;

  static constexpr auto fields() {
    using S = Sweep;
    return Fields{
        field("$schema", &S::schema, "The JSON Schema of this file, for editors."),
        required("name", &S::name, "Names the sweep.").matching(sweep_name),
        field("description", &S::description, "What it answers."),
        required("scenario", &S::scenario, "The scenario to begin with; relative to this file.")
            .matching(scenario_path),
        field("set", &S::set,
              "What every run puts into the scenario, before the axes: {\"/expect\": []}."),
        field("seed", &S::seed, "The design and the seeds of all runs come from it."),
        field("seeds", &S::seeds, "Which runs share a seed."),
        field("axes", &S::axes, "What changes from point to point."),
        field("design", &S::design, "Which points there are."),
        field("points", &S::points, "How many points, of a random or latin-hypercube design.")
            .from(1),
        field("replicates", &S::replicates,
              "Runs of each point that differ in their seed only; 1 without it.")
            .from(1),
        field("stop", &S::stop,
              "Instead of `replicates`: replicates of a point go on until a figure is known well."),
        field("keep", &S::keep,
              "What results hold of each run: components with all that they count "
              "(\"host0.dmar0.iotlb\"), figures (\"host0.acc[*].dma.p99\"), latencies with their "
              "histograms (\"host0.acc[*].dma\"). Without it: of every component everything."),
        field("checks", &S::checks,
              "Whether runs are held against the invariants; a run that violates one which its "
              "scenario does not expect is not as expected."),
        field("limits", &S::limits, "What a run may use.")};
  }
  void check(const Where& where) const;
  bool operator==(const Sweep&) const = default;

  std::uint32_t replicates_at_most() const { return stop ? stop->maximum : replicates.value_or(1); }
};
extern template const KeyedType& reflect::object<Sweep>();  // in sweep.cpp

Sweep load_sweep(const std::filesystem::path& file);
Value sweep_schema();

}  // namespace viosim
