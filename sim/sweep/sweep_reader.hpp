// Reads the result of a sweep: figures and latencies of its points, grouped by parameters.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/stats.hpp"
#include "sim/sweep/confidence.hpp"
#include "sim/sweep/sweep_tables.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace viosim {

struct FigureRow {
  std::vector<std::string> group;  // the values of the parameters that it is grouped by
  std::string figure;  // empty: no run of the sweep has come to its end, so no figure is known
  std::string unit;
  Samples samples;             // of the runs that did not fail
  std::vector<double> values;  // the same, smallest first

  // The smallest value that at least this part of all are not above; none of no values.
  std::optional<double> percentile(double part) const;
};

struct LatencyGroupRow {
  std::vector<std::string> group;
  std::string latency;       // empty: as of figures
  Histogram histogram;       // of all these runs together
  std::uint64_t runs = 0;    // of those points of the group that have it, that did not fail
  std::uint64_t failed = 0;  // of all its points
};

class SweepReader {
 public:
  // Throws ConfigError: there is no such file, it is no result of a sweep, it is damaged.
  explicit SweepReader(const std::filesystem::path& path) : tables_(path) {}

  SweepTables& tables() { return tables_; }

  // What `group_by` does not name is put together. Figures and latencies without a value have no row, but in groups
  // whose runs all failed, which are there so. `wanted`: patterns of figures, or of what leads to them; empty: all.
  // Throws ConfigError for what is not there; where no run has come to its end, it is not known what would be, and
  // groups have a row without a name.
  std::vector<FigureRow> figures(const std::vector<std::string>& group_by,
                                 const std::vector<std::string>& wanted);
  std::vector<LatencyGroupRow> latencies(const std::vector<std::string>& group_by,
                                         const std::vector<std::string>& wanted);

 private:
  using Group = std::vector<std::string>;
  // By point. Groups are numbered as they first come.
  std::vector<std::size_t> group_points(const std::vector<std::string>& group_by,
                                        std::vector<Group>& groups) const;
  // Those of which every run failed.
  std::set<Group> failed_groups(const std::vector<Group>& groups,
                                const std::vector<std::size_t>& group_of) const;

  SweepTables tables_;
};

}  // namespace viosim
