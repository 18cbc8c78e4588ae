// What the program can do, one function per verb. Each prints its result to stdout and returns the
// exit code: 0 fine, 1 the run found what was not expected. Wrong input is a ConfigError.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/regress/regress.hpp"
#include "sim/run/run.hpp"
#include "sim/trace/writers.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

struct RunArguments {
  std::filesystem::path scenario;
  std::optional<std::uint64_t> seed;
  std::vector<std::string> assignments;  // "/json/pointer=value"
  std::optional<std::filesystem::path> out;
  TraceMode trace = TraceMode::full;
  bool checks = true;
  ProgressMode progress = ProgressMode::automatic;
  bool json = false;
};
int run_verb(const RunArguments& arguments);

struct ReplayArguments {
  std::filesystem::path trace;
  std::string iommu;  // a preset's name; empty: the recorder's
  std::optional<std::filesystem::path> out;
  bool checks = true;
  ProgressMode progress = ProgressMode::automatic;
  bool json = false;
};
int replay_verb(const ReplayArguments& arguments);

// Throws ConfigError where a run's trace has no event: what is the matter, and how to get one.
void expect_events(const RunReader& reader);

// The trace of a run held against the invariants; 1 when those that are violated are not those that its
// scenario expects.
int check_verb(const std::filesystem::path& database, bool json);

struct TraceArguments {
  std::filesystem::path database;
  TraceFilter filter;
  std::string from;   // a time with its unit; empty: none
  std::string until;  // likewise
  TraceFormat format = TraceFormat::columns;
  std::optional<std::filesystem::path> out;
};
int trace_verb(TraceArguments arguments);

struct DiffArguments {
  std::filesystem::path a;
  std::filesystem::path b;
  bool json = false;
};
int diff_verb(const DiffArguments& arguments);

struct RegressArguments {
  std::filesystem::path directory = "results";
  RegressOptions options;
  bool json = false;
};
int regress_verb(const RegressArguments& arguments);

struct ClusterArguments {
  std::optional<std::string> partition;
  std::optional<std::uint64_t> slice;
  std::optional<std::uint64_t> tasks;
  std::optional<std::uint64_t> poll;  // seconds
  std::optional<std::filesystem::path> shared;
  std::vector<std::string> sbatch;
};

struct SweepArguments {
  std::filesystem::path sweep;
  std::optional<std::filesystem::path> out;
  // None: as many as there are processors for this process; on a cluster one for each task.
  std::optional<std::uint64_t> jobs;
  bool slurm = false;
  ClusterArguments cluster;
  bool resume = false;
  bool dry_run = false;
  ProgressMode progress = ProgressMode::automatic;
};
int sweep_verb(const SweepArguments& arguments);

// What a task of a cluster does: one slice of a sweep.
struct SliceArguments {
  std::filesystem::path sweep;
  std::filesystem::path directory;
  std::uint64_t slice = 0;
  std::uint64_t jobs = 1;
};
int slice_verb(const SliceArguments& arguments);

struct ResultsArguments {
  std::filesystem::path file;
  std::vector<std::string> group_by;  // empty: all parameters
  bool together = false;              // by none
  std::vector<std::string> metrics;   // empty: all that there are
  double confidence = 0.95;
  bool latencies = false;  // only these
  bool csv = false;
};
int results_verb(const ResultsArguments& arguments);

struct ReportArguments {
  std::filesystem::path database;  // of a run or of a sweep
  std::optional<std::filesystem::path> out;
};
int report_verb(const ReportArguments& arguments);

int validate_verb(const std::vector<std::filesystem::path>& files);
enum class SchemaOf : std::uint8_t { scenario, sweep };
int schema_verb(SchemaOf of);
int models_verb(bool json);

}  // namespace viosim
