// How figures are named, found and computed.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/figures.hpp"

#include "sim/json/text_form.hpp"
#include "sim/json/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace viosim {

Dimension dimension_of(Unit unit) {
  switch (unit) {
    case Unit::count:
      return Dimension::count;
    case Unit::bytes:
      return Dimension::bytes;
    case Unit::picoseconds:
      return Dimension::time;
  }
  return Dimension::count;
}

namespace {

// What a derived figure is computed from.
class Inputs {
 public:
  Inputs(const Results& results, Bytes request, Ps elapsed)
      : results_(results), request_(request), elapsed_(elapsed) {}

  bool has(std::string_view metric) const { return find(metric) != nullptr; }
  double operator[](std::string_view metric) const {
    return static_cast<double>(find(metric)->value);
  }
  double request_bits() const { return 8 * static_cast<double>(request_.count()); }
  // Until a device's last completion where that is known, until now otherwise.
  double seconds() const {
    const MetricValue* last = find("last_completion");
    const double ps = last != nullptr && last->value != 0 ? static_cast<double>(last->value)
                                                          : static_cast<double>(elapsed_.count());
    return ps / 1e12;
  }

 private:
  const MetricValue* find(std::string_view name) const {
    const auto found = std::find_if(results_.metrics.begin(), results_.metrics.end(),
                                    [&](const MetricValue& metric) { return metric.name == name; });
    return found == results_.metrics.end() ? nullptr : &*found;
  }
  const Results& results_;
  Bytes request_;
  Ps elapsed_;
};

std::optional<double> quotient(double part, double whole) {
  if (whole == 0) return std::nullopt;
  return part / whole;
}

// A component that has all of `needs` has this figure too.
struct Derived {
  std::string_view name;
  Dimension dimension;
  std::array<std::string_view, 2> needs;
  bool needs_request_size;
  std::optional<double> (*compute)(const Inputs&);
};

constexpr std::array derived = {
    Derived{"hit_rate",
            Dimension::ratio,
            {"hits", "misses"},
            false,
            [](const Inputs& in) { return quotient(in["hits"], in["hits"] + in["misses"]); }},
    Derived{"fault_rate",
            Dimension::ratio,
            {"faults", "requests"},
            false,
            [](const Inputs& in) { return quotient(in["faults"], in["requests"]); }},
    Derived{"mean_walk_wait",
            Dimension::time,
            {"walk_wait", "walks"},
            false,
            [](const Inputs& in) { return quotient(in["walk_wait"], in["walks"]); }},
    Derived{
        "request_rate",
        Dimension::rate,
        {"requests", "aborted"},
        false,
        [](const Inputs& in) { return quotient(in["requests"] - in["aborted"], in.seconds()); }},
    Derived{
        "throughput", Dimension::bandwidth, {"requests", "aborted"}, true, [](const Inputs& in) {
          return quotient((in["requests"] - in["aborted"]) * in.request_bits(), in.seconds());
        }}};

bool available(const Derived& figure, const Inputs& inputs) {
  if (figure.needs_request_size && inputs.request_bits() == 0) return false;
  return std::all_of(figure.needs.begin(), figure.needs.end(),
                     [&](std::string_view metric) { return inputs.has(metric); });
}

// "p99.9" -> 0.999; nothing when it is no percentile.
std::optional<double> percentile_of(std::string_view name) {
  if (!name.starts_with('p')) return std::nullopt;
  name.remove_prefix(1);
  double percent = 0;
  const char* const end = name.data() + name.size();
  const auto read = std::from_chars(name.data(), end, percent, std::chars_format::fixed);
  if (read != std::from_chars_result{end, {}} || !(percent > 0 && percent < 100))
    return std::nullopt;
  return percent / 100;
}

struct LatencyStatistic {
  std::string_view name;
  Ps (*read)(const Histogram&);
};

constexpr std::array latency_statistics = {
    LatencyStatistic{"mean", [](const Histogram& h) { return h.mean(); }},
    LatencyStatistic{"min", [](const Histogram& h) { return h.min(); }},
    LatencyStatistic{"max", [](const Histogram& h) { return h.max(); }}};

const LatencyStatistic* statistic_named(std::string_view name) {
  const auto found = std::find_if(latency_statistics.begin(), latency_statistics.end(),
                                  [&](const LatencyStatistic& s) { return s.name == name; });
  return found == latency_statistics.end() ? nullptr : &*found;
}

// "dma.p99" -> the histogram of "dma", and "p99".
std::pair<const Histogram*, std::string_view> latency_of(const Results& results,
                                                         std::string_view name) {
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return {};
  for (const LatencyValue& latency : results.latencies) {
    if (latency.operation == name.substr(0, dot)) return {latency.histogram, name.substr(dot + 1)};
  }
  return {};
}

Results readings(const Instrument& instrument) {
  Results results;
  instrument.read(results);
  return results;
}

// "round" is a latency, "rounds" says how many there were.
std::string how_often(const std::string& operation, const std::vector<std::string>& candidates) {
  const std::string count = operation + 's';
  const bool known = std::find(candidates.begin(), candidates.end(), count) != candidates.end();
  return known ? fmt::format(", or \"{}\", how often", count) : "";
}

}  // namespace

Figures::Figures(const System& system, const ComponentIndex& components, std::function<Ps()> now)
    : components_(components),
      now_(std::move(now)),
      instruments_(instruments(system)),
      by_component_(components.paths().size()) {
  for (std::size_t i = 0; i < instruments_.size(); ++i)
    by_component_[instruments_[i].component] = static_cast<std::uint32_t>(i + 1);
}

const Instrument* Figures::instrument_of(std::uint32_t component) const {
  const std::uint32_t number = by_component_[component];
  return number == 0 ? nullptr : &instruments_[number - 1];
}

std::optional<Dimension> Figures::dimension_of(const Instrument& instrument,
                                               std::string_view name) const {
  const Results results = readings(instrument);
  for (const MetricValue& metric : results.metrics) {
    if (metric.name == name) return viosim::dimension_of(metric.unit);
  }
  const Inputs inputs(results, instrument.request, now_());
  for (const Derived& figure : derived) {
    if (figure.name == name && available(figure, inputs)) return figure.dimension;
  }
  const auto [histogram, statistic] = latency_of(results, name);
  if (histogram == nullptr) return std::nullopt;
  if (statistic == "count") return Dimension::count;
  if (statistic_named(statistic) != nullptr || percentile_of(statistic)) return Dimension::time;
  return std::nullopt;
}

std::vector<std::string> Figures::names_of(const Instrument& instrument) const {
  const Results results = readings(instrument);
  const Inputs inputs(results, instrument.request, now_());
  std::vector<std::string> names;
  for (const Derived& figure : derived) {
    if (available(figure, inputs)) names.emplace_back(figure.name);
  }
  for (const LatencyValue& latency : results.latencies) {
    for (const std::string_view statistic : {"p99", "mean", "count"})
      names.push_back(fmt::format("{}.{}", latency.operation, statistic));
  }
  for (const MetricValue& metric : results.metrics) {
    if (!metric.left_out()) names.push_back(metric.name);
  }
  return names;
}

std::vector<Figure> Figures::resolve(const std::string& text, const Where& where) const {
  const std::optional<PathPattern> pattern = PathPattern::parse(text);
  if (!pattern) {
    const std::string why = PathPattern::why_not(text);
    where.reject(
        fmt::format("read {}; expected the path of a component and a figure's name, such as "
                    "\"host0.dmar0.iotlb.hit_rate\"{}",
                    quote_short(text), why.empty() ? "" : fmt::format(" ({})", why)));
    return {};
  }
  // A name has one step, or two or three: "walks", "dma.p99", "dma.p99.9".
  for (std::size_t of_name = 1; of_name <= 3 && of_name < pattern->size(); ++of_name) {
    const std::size_t of_path = pattern->size() - of_name;
    const std::string name = pattern->text_from(of_path);
    std::vector<Figure> figures;
    for (const std::uint32_t component : components_.matching(pattern->first(of_path))) {
      const Instrument* instrument = instrument_of(component);
      const auto dimension = instrument == nullptr ? std::nullopt : dimension_of(*instrument, name);
      if (!dimension) {
        figures.clear();
        break;
      }
      figures.push_back({by_component_[component] - 1, name, *dimension});
    }
    if (!figures.empty()) return figures;
  }
  reject(*pattern, where);
  return {};
}

void Figures::reject(const PathPattern& pattern, const Where& where) const {
  const std::size_t known = components_.known_steps(pattern);
  const PathPattern lead = pattern.first(known);
  std::vector<std::string> candidates;
  const std::vector<std::uint32_t> found = components_.matching(lead);
  for (const std::uint32_t component : found) {
    const Instrument* instrument = instrument_of(component);
    if (instrument == nullptr) continue;
    candidates = names_of(*instrument);
    break;
  }
  const std::vector<std::string> below = components_.steps_after(lead);
  candidates.insert(candidates.end(), below.begin(), below.end());
  if (known == pattern.size()) {
    where.reject(fmt::format("read {}; expected a figure's name after the path, such as {}",
                             quote_short(pattern.text()), fmt::join(candidates, ", ")));
    return;
  }
  const std::string rest = pattern.text_from(known);
  const std::string operation(steps_of(rest).front().name);
  if (std::find(candidates.begin(), candidates.end(), operation + ".p99") != candidates.end()) {
    where.reject(
        fmt::format("read {}; expected \"{}.count\", \"{}.mean\", \"{}.min\", \"{}.max\" or "
                    "a percentile such as \"{}.p99.9\" after {}{}",
                    quote_short(pattern.text()), operation, operation, operation, operation,
                    operation, quote_short(lead.text()), how_often(operation, candidates)));
    return;
  }
  // The nearest name may have several steps.
  const std::string_view nearest = nearest_name(rest, {candidates.begin(), candidates.end()});
  if (nearest.find('.') != std::string_view::npos) {
    where.reject(fmt::format("read {}; expected a figure of {}; did you mean {}?",
                             quote_short(pattern.text()), quote_short(lead.text()),
                             quote_short(nearest)));
    return;
  }
  where.reject(unknown_step_text(pattern, known, std::move(candidates),
                                 "the path of a component and the name of one of its figures"));
}

std::optional<double> Figures::read(const Figure& figure) const {
  const Instrument& instrument = instruments_[figure.instrument];
  const Results results = readings(instrument);
  for (const MetricValue& metric : results.metrics) {
    if (metric.name == figure.name) return static_cast<double>(metric.value);
  }
  const Inputs inputs(results, instrument.request, now_());
  for (const Derived& d : derived) {
    if (d.name == figure.name) return d.compute(inputs);
  }
  const auto [histogram, statistic] = latency_of(results, figure.name);
  ensure(histogram != nullptr, "a figure was resolved that its component does not have");
  if (statistic == "count") return static_cast<double>(histogram->count());
  if (histogram->count() == 0) return std::nullopt;
  const LatencyStatistic* simple = statistic_named(statistic);
  const Ps value = simple != nullptr ? simple->read(*histogram)
                                     : histogram->percentile(*percentile_of(statistic));
  return static_cast<double>(value.count());
}

}  // namespace viosim
