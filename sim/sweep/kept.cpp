// Finds what is kept, and reads it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/kept.hpp"

#include "sim/run/figures.hpp"

#include <fmt/format.h>

#include <limits>

namespace viosim {
namespace {

std::string_view unit_of(Dimension dimension) {
  switch (dimension) {
    case Dimension::count:
      return "count";
    case Dimension::ratio:
      return "ratio";
    case Dimension::bytes:
      return "bytes";
    case Dimension::time:
      return "ps";
    case Dimension::rate:
      return "/s";
    case Dimension::bandwidth:
      return "bit/s";
  }
  return "?";
}

Results readings_of(const Instrument& instrument) {
  Results results;
  instrument.read(results);
  return results;
}

}  // namespace

KeptThings::KeptThings(const Sweep& sweep, const Trial& trial, const Where& where)
    : trial_(trial), instruments_(instruments(trial.system())) {
  for (std::size_t i = 0; i < sweep.keep.size(); ++i) find(sweep.keep[i], where / "keep" / i);
  if (sweep.keep.empty()) {
    for (std::size_t i = 0; i < instruments_.size(); ++i) add_all_of(i);
  }
  if (sweep.stop) {
    watched_ = trial.figures().resolve(sweep.stop->metric, where / "stop" / "metric");
    add_figures(watched_);
    const Amount& half_width = sweep.stop->half_width;
    const bool fits =
        watched_.empty() || half_width.percent() || half_width.of(watched_.front().dimension);
    if (!fits) {
      (where / "stop" / "half_width")
          .reject(fmt::format("read {}; expected {}, as {} has, or a part such as \"2 %\"",
                              half_width.as_read(), expected_amount(watched_.front().dimension),
                              sweep.stop->metric));
    }
  }
}

const std::string& KeptThings::path_of(std::size_t instrument) const {
  return trial_.components().path(instruments_[instrument].component);
}

void KeptThings::find(const std::string& text, const Where& where) {
  const std::optional<PathPattern> pattern = PathPattern::parse(text);
  if (pattern && (add_components(*pattern) || add_latencies(*pattern))) return;
  add_figures(trial_.figures().resolve(text, where));
}

bool KeptThings::add_components(const PathPattern& pattern) {
  bool found = false;
  for (std::size_t i = 0; i < instruments_.size(); ++i) {
    if (!pattern.matches(path_of(i))) continue;
    add_all_of(i);
    found = true;
  }
  return found;
}

// "host0.acc[*].dma": components and the name of a latency.
bool KeptThings::add_latencies(const PathPattern& pattern) {
  if (pattern.size() < 2) return false;
  const PathPattern components = pattern.first(pattern.size() - 1);
  const std::string operation = pattern.text_from(pattern.size() - 1);
  bool found = false;
  for (std::size_t i = 0; i < instruments_.size(); ++i) {
    if (!components.matches(path_of(i))) continue;
    for (const LatencyValue& latency : readings_of(instruments_[i]).latencies) {
      if (latency.operation != operation) continue;
      add_latency(i, operation);
      found = true;
    }
  }
  return found;
}

void KeptThings::add_all_of(std::size_t instrument) {
  const Results results = readings_of(instruments_[instrument]);
  for (const MetricValue& metric : results.metrics) {
    if (!metric.left_out()) add_figures({{instrument, metric.name, dimension_of(metric.unit)}});
  }
  for (const LatencyValue& latency : results.latencies) add_latency(instrument, latency.operation);
}

void KeptThings::add_latency(std::size_t instrument, const std::string& operation) {
  latencies_.insert({instruments_[instrument].component, operation});
  for (const char* statistic : {".mean", ".p50", ".p99"})
    add_figures({{instrument, operation + statistic, Dimension::time}});
}

void KeptThings::add_figures(const std::vector<Figure>& figures) {
  for (const Figure& figure : figures) {
    if (named_.insert({figure.instrument, figure.name}).second) figures_.push_back(figure);
  }
}

void KeptThings::read(RunOutcome& outcome) const {
  const Figures& figures = trial_.figures();
  for (const Figure& figure : figures_) {
    const std::optional<double> value = figures.read(figure);
    if (!value) continue;  // nothing that could be counted happened
    outcome.figures.push_back({trial_.components().path(figures.component_of(figure)), figure.name,
                               std::string(unit_of(figure.dimension)), *value});
  }
  for (const LatencyValue& latency : collect(trial_.system()).latencies) {
    if (!latencies_.contains({latency.component, latency.operation})) continue;
    outcome.histograms.push_back(
        {trial_.components().path(latency.component), latency.operation, *latency.histogram});
  }
  for (const Figure& figure : watched_) {
    outcome.watched.push_back(
        figures.read(figure).value_or(std::numeric_limits<double>::quiet_NaN()));
  }
}

}  // namespace viosim
