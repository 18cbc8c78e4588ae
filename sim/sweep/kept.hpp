// What results hold of a run: components, figures and latencies, as a sweep's `keep` names them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/run/trial.hpp"
#include "sim/sweep/outcome.hpp"
#include "sim/sweep/sweep.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

class KeptThings {
 public:
  // Finds what is named in a system; reports at `where`, the sweep, what is not there.
  KeptThings(const Sweep& sweep, const Trial& trial, const Where& where);

  // After the run.
  void read(RunOutcome& outcome) const;

 private:
  void find(const std::string& text, const Where& where);
  bool add_components(const PathPattern& pattern);
  bool add_latencies(const PathPattern& pattern);
  void add_all_of(std::size_t instrument);
  void add_latency(std::size_t instrument, const std::string& operation);
  void add_figures(const std::vector<Figure>& figures);
  const std::string& path_of(std::size_t instrument) const;

  const Trial& trial_;
  std::vector<Instrument> instruments_;
  std::vector<Figure> figures_;
  std::set<std::pair<std::size_t, std::string>> named_;        // figures_, by instrument and name
  std::set<std::pair<std::uint32_t, std::string>> latencies_;  // by component and operation
  std::vector<Figure> watched_;
};

}  // namespace viosim
