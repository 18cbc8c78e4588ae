// Writes the run database: one SQLite file that holds everything a run leaves behind.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/rows.hpp"
#include "sim/record/trace_recorder.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace viosim {

// While a run goes on its file is called PATH.partial; finish() renames it to PATH, replacing what
// was there. So PATH is always a whole run, and a killed run leaves PATH.partial, which opens and
// holds every block stored until then. A new run to the same PATH removes an old PATH.partial,
// unless a living run is still writing it: that is an error. Errors are ConfigErrors naming the
// file. Methods are for the simulation's thread.
class RunDatabase {
 public:
  static RunDatabase create(const std::filesystem::path& path, const Manifest& manifest,
                            TraceRecorder::Options options = TraceRecorder::Options{});
  RunDatabase(RunDatabase&&) noexcept;
  RunDatabase& operator=(RunDatabase&&) noexcept;
  ~RunDatabase();  // not finished: stores the trace taken so far and leaves PATH.partial

  static std::filesystem::path partial_path(const std::filesystem::path& path);

  // The number that stands for this component path in trace events, metrics and histograms: 0 for
  // the first, then 1, 2 ... Stored with the next block, so that a killed run has its names.
  std::uint32_t add_component(std::string_view path);
  TraceRecorder& trace();
  void add_metric(std::uint32_t component, std::string_view name, Unit unit, std::int64_t value);
  void add_histogram(std::uint32_t component, std::string_view operation,
                     const Histogram& histogram);
  void add_expectation(const ExpectationRow& row);
  void add_violation(const ViolationRow& row);
  // So many more, which have no row.
  void count_violations(std::string_view invariant, std::uint64_t times);
  // A fact about this machine and this moment; kept apart from all that must be repeatable.
  void add_wall(std::string_view key, std::string_view value);

  void finish();

 private:
  class Writer;
  explicit RunDatabase(std::unique_ptr<Writer> writer);
  std::unique_ptr<Writer> writer_;
};

}  // namespace viosim
