// A pool of threads, each of which has one run made at a time, and compares it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/regress/regress.hpp"

#include "sim/regress/child.hpp"
#include "sim/run/numbers.hpp"
#include "sim/trace/event_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <stdlib.h>
#include <system_error>
#include <thread>

namespace viosim {
namespace {

// Where the new runs go: the user's directory, or one that is gone afterwards.
class RunsFolder {
 public:
  explicit RunsFolder(const std::optional<std::filesystem::path>& wanted)
      : kept_(wanted.has_value()) {
    std::error_code error;
    if (wanted) {
      path_ = *wanted;
      std::filesystem::create_directories(path_, error);
    } else {
      std::string name =
          (std::filesystem::temp_directory_path() / "viosim-regress-XXXXXX").string();
      if (::mkdtemp(name.data()) == nullptr) error.assign(errno, std::generic_category());
      path_ = name;
    }
    if (error)
      throw ConfigError({path_.string(), "", "cannot make this directory: " + error.message()});
  }
  ~RunsFolder() {
    std::error_code ignored;
    if (!kept_) std::filesystem::remove_all(path_, ignored);
  }
  RunsFolder(const RunsFolder&) = delete;
  RunsFolder& operator=(const RunsFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool kept_;
};

std::string trace_summary(const RunDifference& difference, const RunReader& a, const RunReader& b) {
  const TraceDifference& trace = difference.trace;
  if (!trace.first) return "no event";
  const bool of_a = !trace.a.empty();
  const TraceEvent& event = of_a ? trace.a.front() : trace.b.front();
  const EventNames names(of_a ? a : b);
  return fmt::format("events from {} of {} on ({} {}){}", grouped(*trace.first),
                     grouped(trace.events_a), names.component(event.component),
                     names.kind(event.kind).name,
                     trace.same_but_for_time ? ", in their times only" : "");
}

std::string change_of(const LatencyDifference& latency) {
  const auto& [a, b] = std::tie(latency.a, latency.b);
  if (b.count == 0) return fmt::format("is gone (mean {})", format_time(a.mean));
  if (a.count == 0) return fmt::format("is new (mean {})", format_time(b.mean));
  return fmt::format("mean {} -> {}, p99 {} -> {}", format_time(a.mean), format_time(b.mean),
                     format_time(a.percentiles[2]), format_time(b.percentiles[2]));
}

std::string summary_of(const RunDifference& difference, const RunReader& a, const RunReader& b) {
  std::string text = fmt::format("{}, {}, {}, {}", trace_summary(difference, a, b),
                                 counted(difference.metrics.size(), "metric"),
                                 difference.latencies.size() == 1
                                     ? "1 latency"
                                     : fmt::format("{} latencies", difference.latencies.size()),
                                 counted(difference.expectations.size(), "expectation"));
  constexpr std::size_t most_latencies = 3;
  for (std::size_t i = 0; i < std::min(most_latencies, difference.latencies.size()); ++i) {
    const LatencyDifference& one = difference.latencies[i];
    text += fmt::format("\n    {} {}: {}", one.component, one.operation, change_of(one));
  }
  return text;
}

// The program's, as the run's manifest says.
std::string commit_of(const RunReader& run) {
  const auto commit = run.manifest().more.find("commit");
  return commit == run.manifest().more.end() ? "" : commit->second;
}

// By a program whose files differed from every commit.
bool is_modified(const RunReader& run) { return commit_of(run).ends_with("-modified"); }

// What a record keeps of a run: everything but the table that differs between identical runs.
void put_in_place(const std::filesystem::path& database, const Record& record) {
  Connection(database.string(), Connection::Mode::read).run("DELETE FROM wall; VACUUM");
  const std::filesystem::path partial = record.folder / "run.db.partial";
  std::error_code error;
  std::filesystem::copy_file(database, partial, std::filesystem::copy_options::overwrite_existing,
                             error);
  if (!error) std::filesystem::rename(partial, record.database(), error);
  if (error)
    throw ConfigError({record.database().string(), "", "cannot be written: " + error.message()});
}

class Regression {
 public:
  Regression(const RegressOptions& options, const std::filesystem::path& runs)
      : options_(options), runs_(runs) {}

  RecordReport report(const Record& record) const {
    RecordReport report;
    report.name = record.name;
    try {
      run_and_compare(record, report);
    } catch (const ConfigError& error) {
      fail(report, error.what(), 2);
    } catch (const std::exception& error) {
      fail(report, error.what(), 3);
    }
    return report;
  }

 private:
  static void fail(RecordReport& report, const std::string& text, int exit_code) {
    report.outcome = Outcome::failed;
    report.text = text + (text.ends_with('\n') ? "" : "\n");
    report.exit_code = exit_code;
  }

  void run_and_compare(const Record& record, RecordReport& report) const {
    const std::filesystem::path out = runs_ / record.name;
    std::vector<std::string> arguments{
        "run", record.scenario().string(), "--out", out.string(), "--progress", "never"};
    for (const auto* assignments : {&record.description.set, &options_.assignments}) {
      for (const std::string& assignment : *assignments) {
        arguments.emplace_back("--set");
        arguments.push_back(assignment);
      }
    }
    const ChildResult child =
        run_child(options_.program, arguments, runs_ / (record.name + ".log"));
    if (child.exit_code > 1 || !std::filesystem::exists(out / "run.db"))
      return fail(report, child.output, child.exit_code == 2 ? 2 : 3);
    RunReader now = RunReader::open(out / "run.db");
    report.events = static_cast<std::uint64_t>(now.event_count());
    if (std::filesystem::exists(record.database())) {
      compare(record, now, report);
    } else {
      take_first(record, now, report);
    }
    // A record of a run that fails would be held against it ever after as if it were right.
    if (child.exit_code == 1) tell_not_met(now, report);
  }

  static void tell_not_met(const RunReader& now, RecordReport& report) {
    for (const ExpectationRow& row : now.expectations()) {
      if (!row.met) report.not_met.push_back(fmt::format("{}: {}", row.expected, row.found));
    }
    if (report.not_met.empty()) report.not_met.emplace_back("the run did not end as it should");
    report.exit_code = std::max(report.exit_code, 1);
  }

  void take_first(const Record& record, const RunReader& now, RecordReport& report) const {
    if (!options_.update) {
      report.outcome = Outcome::missing;
      report.text = "there is no run.db; --update records one\n";
      report.exit_code = 1;
      return;
    }
    report.outcome = Outcome::recorded;
    report.summary =
        fmt::format("recorded for the first time, {}", counted(report.events, "event"));
    put_in_place(now.file(), record);
  }

  void compare(const Record& record, RunReader& now, RecordReport& report) const {
    RunReader recorded = RunReader::open(record.database());
    check_tolerances(record.description.tolerances, recorded, record.folder / "record.json");
    const Tolerances exact;
    const RunDifference difference =
        compare_runs(recorded, now, options_.update ? exact : record.description.tolerances);
    if (difference.equal()) {
      if (options_.update) name_commit(record, recorded, now, report);
      return;
    }
    report.outcome = Outcome::different;
    report.text = difference_text(difference, recorded, now, "record", "now");
    report.summary = summary_of(difference, recorded, now);
    report.json = difference_json(difference, recorded, now);
    report.exit_code = options_.update ? 0 : 1;
    if (options_.update) put_in_place(now.file(), record);
  }

  static void name_commit(const Record& record, const RunReader& recorded, const RunReader& now,
                          RecordReport& report) {
    if (!is_modified(recorded) || is_modified(now)) return;
    report.outcome = Outcome::different;
    report.summary = fmt::format("no event; the record names commit {} now", commit_of(now));
    put_in_place(now.file(), record);
  }

  const RegressOptions& options_;
  const std::filesystem::path& runs_;
};

}  // namespace

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::same:
      return "same";
    case Outcome::different:
      return "different";
    case Outcome::missing:
      return "missing";
    case Outcome::recorded:
      return "recorded";
    case Outcome::failed:
      return "failed";
  }
  return "?";
}

std::vector<RecordReport> regress(const std::filesystem::path& directory,
                                  const RegressOptions& options) {
  const std::vector<Record> records = records_in(directory);
  const RunsFolder runs(options.out);
  const Regression regression(options, runs.path());
  std::vector<RecordReport> reports(records.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < records.size(); i = next++)
      reports[i] = regression.report(records[i]);
  };
  const unsigned usual = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t wanted = options.jobs == 0 ? usual : options.jobs;
  std::vector<std::thread> workers;
  for (std::size_t i = 1; i < std::min(wanted, records.size()); ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  return reports;
}

std::string not_met_text(const RecordReport& report) {
  if (report.not_met.empty()) return {};
  constexpr std::size_t most = 5;
  std::string text = fmt::format("{}: the run is not as its scenario expects:\n", report.name);
  for (std::size_t i = 0; i < std::min(most, report.not_met.size()); ++i)
    text += fmt::format("    {}\n", report.not_met[i]);
  if (report.not_met.size() > most)
    text += fmt::format("    ... and {} more, with --json\n", report.not_met.size() - most);
  return text;
}

std::string update_summary(const std::vector<RecordReport>& reports) {
  std::string text;
  std::size_t changed = 0;
  for (const RecordReport& report : reports) {
    if (report.summary.empty()) continue;
    ++changed;
    text += fmt::format("- {}: {}\n", report.name, report.summary);
  }
  if (changed == 0) return {};
  return fmt::format("Records: {} of {} changed\n\n{}", changed, reports.size(), text);
}

}  // namespace viosim
