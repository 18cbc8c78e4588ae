// A table that is as wide as its columns can get, so that no row has to wait for the others.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/dry_run.hpp"

#include "core/base/error.hpp"
#include "sim/run/numbers.hpp"
#include "sim/sweep/terminal_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace viosim {
namespace {

constexpr std::uint64_t most_looked_at = 1000;  // values of an axis, for the width of its column
constexpr std::size_t most_reasons = 10;
constexpr std::size_t widest_seed = 19;  // of 63 bits

std::string shown(const Level& level) { return terminal_text(level.text); }

std::size_t widest_of(const Experiment& experiment, std::size_t axis) {
  const Design& design = experiment.design();
  std::size_t widest = 0;
  if (const auto count = design.level_count(axis)) {
    for (std::uint64_t l = 0; l < std::min(*count, most_looked_at); ++l)
      widest = std::max(widest, shown(design.level(axis, l)).size());
    return widest;
  }
  for (std::uint64_t p = 0; p < std::min(design.points(), most_looked_at); ++p)
    widest = std::max(widest, shown(design.point(p)[axis]).size());
  return widest;
}

std::size_t digits_of(std::uint64_t most) { return std::to_string(most).size(); }

class Listing {
 public:
  Listing(const Experiment& experiment, std::FILE* out) : out_(out) {
    std::vector<std::string> head{"run", "point", "replicate", "seed"};
    widths_ = {digits_of(experiment.most_runs() - 1), digits_of(experiment.design().points() - 1),
               digits_of(experiment.sweep().replicates_at_most() - 1), widest_seed};
    for (std::size_t a = 0; a < experiment.sweep().axes.size(); ++a) {
      const std::string& name = name_of(experiment.sweep().axes[a]);
      const bool taken = std::find(head.begin(), head.begin() + 4, name) != head.begin() + 4;
      head.push_back(taken ? "parameter." + name : name);
      widths_.push_back(widest_of(experiment, a));
    }
    for (std::size_t i = 0; i < head.size(); ++i) widths_[i] = std::max(widths_[i], head[i].size());
    print(head, "");
  }

  void print(const std::vector<std::string>& cells, const char* mark) {
    std::string line = fmt::format("{:<{}}", cells[0], widths_[0]);
    for (std::size_t i = 1; i < cells.size(); ++i)
      line += fmt::format("  {:>{}}", cells[i], widths_[i]);
    fmt::print(out_, "{}{}\n", line, mark);
  }

 private:
  std::FILE* out_;
  std::vector<std::size_t> widths_;
};

// What is wrong with the point's scenario; empty: nothing.
std::string problems_of(const Experiment& experiment, const SweepRun& run) {
  try {
    experiment.scenario(run);
    return {};
  } catch (const ConfigError& error) {
    std::string text;
    for (const Problem& problem : error.problems())
      text += (text.empty() ? "" : "\n    ") + problem.text();
    return text;
  }
}

}  // namespace

std::string size_text(const Experiment& experiment) {
  const Sweep& sweep = experiment.sweep();
  return fmt::format("{}: {}, {}, {}{}", sweep.name, counted(experiment.design().points(), "point"),
                     name_of(sweep.design), sweep.stop ? "at most " : "",
                     counted(experiment.most_runs(), "run"));
}

std::uint64_t print_runs(const Experiment& experiment, std::FILE* out) {
  fmt::print(out, "{}\n\n", size_text(experiment));
  Listing listing(experiment, out);
  const std::uint32_t replicates = experiment.sweep().replicates_at_most();
  std::vector<std::string> reasons;
  std::uint64_t wrong = 0;
  for (std::uint64_t p = 0; p < experiment.design().points(); ++p) {
    const std::string problems = problems_of(experiment, experiment.run(p * replicates));
    if (!problems.empty()) {
      if (wrong++ < most_reasons) reasons.push_back(fmt::format("point {}: {}", p, problems));
    }
    const std::vector<Level> levels = experiment.design().point(p);
    for (std::uint32_t r = 0; r < replicates; ++r) {
      const SweepRun run = experiment.run(p * replicates + r);
      std::vector<std::string> cells{std::to_string(run.number), std::to_string(run.point),
                                     std::to_string(run.replicate), std::to_string(run.seed)};
      for (const Level& level : levels) cells.push_back(shown(level));
      listing.print(cells, problems.empty() ? "" : "  would fail");
    }
  }
  if (wrong == 0) return 0;
  fmt::print(out, "\n{} of {} would fail:\n", counted(wrong, "point"),
             grouped(experiment.design().points()));
  for (const std::string& reason : reasons) fmt::print(out, "  {}\n", reason);
  if (wrong > reasons.size()) fmt::print(out, "  and {} more\n", grouped(wrong - reasons.size()));
  return wrong * replicates;
}

}  // namespace viosim
