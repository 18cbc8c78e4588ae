// Reads the result of a sweep: figures and latencies of its points, grouped by parameters.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/stats.hpp"
#include "sim/record/sqlite.hpp"
#include "sim/sweep/confidence.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

struct FigureRow {
  std::vector<std::string> group;  // the values of the parameters that it is grouped by
  std::string figure;
  std::string unit;
  Samples samples;  // of the runs that did not fail
};

struct LatencyGroupRow {
  std::vector<std::string> group;
  std::string latency;
  Histogram histogram;  // of all these runs together
};

struct FailureRow {
  std::uint64_t run = 0;
  std::string kind;
  std::string reason;
  std::string replay;
};

class SweepReader {
 public:
  // Throws ConfigError: there is no such file, or it is no result of a sweep.
  explicit SweepReader(const std::filesystem::path& path);

  const std::vector<std::string>& parameters() const { return parameters_; }
  std::string manifest(const std::string& key);
  std::uint64_t runs();
  std::uint64_t points();

  // What `group_by` does not name is put together. `wanted`: patterns of figures, or of what leads to them;
  // empty: all. Throws ConfigError for what is not there.
  std::vector<FigureRow> figures(const std::vector<std::string>& group_by,
                                 const std::vector<std::string>& wanted);
  std::vector<LatencyGroupRow> latencies(const std::vector<std::string>& group_by,
                                         const std::vector<std::string>& wanted);
  std::vector<FailureRow> failures();

 private:
  using Group = std::vector<std::string>;
  void check_parameters(const std::vector<std::string>& group_by) const;
  // By point. Groups are numbered as they first come.
  std::vector<std::size_t> group_points(const std::vector<std::string>& group_by,
                                        std::vector<Group>& groups);

  Connection connection_;
  std::vector<std::string> parameters_;
};

}  // namespace viosim
