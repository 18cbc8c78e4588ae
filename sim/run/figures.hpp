// The figures of a running or finished system by their names: metrics, what follows from them, latencies.
// SPDX-License-Identifier: Apache-2.0
//
// A figure is called by its component's path and a name: a metric (`host0.dmar0.walks`), what is
// computed from metrics (`host0.dmar0.iotlb.hit_rate`), or a latency's `count`, `mean`, `min`,
// `max` or percentile (`host0.acc[3].dma.p99.9`).
#pragma once

#include "sim/run/components.hpp"
#include "sim/run/results.hpp"
#include "sim/scenario/amount.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// One figure of one component.
struct Figure {
  std::size_t instrument = 0;  // its place among instruments(system)
  std::string name;
  Dimension dimension = Dimension::count;
};

Dimension dimension_of(Unit unit);

class Figures {
 public:
  // All of them outlive it. `now`: what simulated time has passed.
  Figures(const System& system, const ComponentIndex& components, std::function<Ps()> now);

  // What a text names, for each component that its path means; reports at `where`, and is empty then.
  std::vector<Figure> resolve(const std::string& text, const Where& where) const;
  // Nothing: there is no such value, for instance the hit rate of a cache that nobody has asked.
  std::optional<double> read(const Figure& figure) const;
  std::uint32_t component_of(const Figure& figure) const {
    return instruments_[figure.instrument].component;
  }

 private:
  std::optional<Dimension> dimension_of(const Instrument& instrument, std::string_view name) const;
  std::vector<std::string> names_of(const Instrument& instrument) const;
  const Instrument* instrument_of(std::uint32_t component) const;
  void reject(const PathPattern& pattern, const Where& where) const;

  const ComponentIndex& components_;
  std::function<Ps()> now_;
  std::vector<Instrument> instruments_;
  std::vector<std::uint32_t> by_component_;  // number of its instrument plus one; 0: none
};

}  // namespace viosim
