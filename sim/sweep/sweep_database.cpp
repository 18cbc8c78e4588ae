// Rows in the order of runs.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/sweep_database.hpp"

#include "sim/record/partial_file.hpp"
#include "sim/sweep/sweep_format.hpp"

#include <fmt/format.h>

#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace viosim {
namespace {

constexpr const char* result_settings = R"sql(
PRAGMA page_size = 8192;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = TRUNCATE;
PRAGMA cache_size = -16384;
PRAGMA temp_store = MEMORY;
)sql";

std::int64_t integer(std::uint64_t number) { return static_cast<std::int64_t>(number); }

class Writer {
 public:
  Writer(Connection& connection, const Experiment& experiment)
      : experiment_(experiment),
        run_(connection.prepare("INSERT INTO run VALUES(?, ?, ?, ?, ?, ?)")),
        figure_(connection.prepare("INSERT INTO figure VALUES(?, ?, ?, ?)")),
        metric_(connection.prepare("INSERT INTO metric VALUES(?, ?, ?)")),
        histogram_(connection.prepare("INSERT INTO histogram VALUES(?, ?, ?, ?, ?, ?, ?, ?)")),
        bucket_(connection.prepare("INSERT INTO histogram_bucket VALUES(?, ?, ?, ?)")),
        failure_(connection.prepare("INSERT INTO failure VALUES(?, ?, ?, ?)")),
        wall_(connection.prepare("INSERT INTO wall VALUES(?, ?, ?)")) {}

  // In the order of their numbers.
  void add(const FinishedRun& finished) {
    const SweepRun run = experiment_.run(finished.run);
    if (run.point != point_) end_point();
    point_ = run.point;
    const RunOutcome& outcome = finished.outcome;
    run_.bind(1, integer(run.number))
        .bind(2, integer(run.point))
        .bind(3, std::int64_t{run.replicate})
        .bind(4, integer(run.seed))
        .bind(5, std::int64_t{outcome.failed ? 1 : 0})
        .bind(6, std::int64_t{!outcome.failed && outcome.as_expected ? 1 : 0})
        .run();
    for (const KeptFigure& figure : outcome.figures) {
      metric_.bind(1, integer(run.number))
          .bind(2, number_of(figure))
          .bind_real(3, figure.value)
          .run();
    }
    for (const KeptHistogram& kept : outcome.histograms) merge(kept);
    if (outcome.failed) add_failure(run, *outcome.failed);
    wall_.bind(1, integer(run.number))
        .bind_real(2, finished.cost.seconds)
        .bind(3, integer(finished.cost.memory))
        .run();
    ++totals_.runs;
    totals_.failed += outcome.failed ? 1 : 0;
    totals_.not_as_expected += outcome.failed || outcome.as_expected ? 0 : 1;
  }

  SweepTotals finish() {
    end_point();
    return totals_;
  }

 private:
  std::int64_t number_of(const KeptFigure& figure) {
    const auto [known, is_new] =
        figures_.try_emplace({figure.component, figure.name}, integer(figures_.size()));
    if (is_new) {
      figure_.bind(1, known->second)
          .bind(2, figure.component)
          .bind(3, figure.name)
          .bind(4, figure.unit)
          .run();
    }
    return known->second;
  }

  void merge(const KeptHistogram& kept) {
    const auto [known, is_new] =
        merged_places_.try_emplace({kept.component, kept.operation}, merged_.size());
    if (is_new) {
      merged_.push_back(kept);
    } else {
      merged_[known->second].histogram.merge(kept.histogram);
    }
  }

  void end_point() {
    for (const KeptHistogram& kept : merged_) {
      const Histogram& histogram = kept.histogram;
      histogram_.bind(1, ++histograms_)
          .bind(2, integer(point_))
          .bind(3, kept.component)
          .bind(4, kept.operation)
          .bind(5, integer(histogram.count()))
          .bind(6, histogram.min().count())
          .bind(7, histogram.max().count())
          .bind_sum(8, histogram.sum())
          .run();
      histogram.for_each_bucket([&](std::size_t number, const Histogram::Bucket& bucket) {
        bucket_.bind(1, histograms_)
            .bind(2, integer(number))
            .bind(3, integer(bucket.count))
            .bind_sum(4, bucket.sum)
            .run();
      });
    }
    merged_.clear();
    merged_places_.clear();
  }

  void add_failure(const SweepRun& run, const RunFailed& failed) {
    const std::string replay = experiment_.replay_within_limits(run, failed.kind);
    failure_.bind(1, integer(run.number))
        .bind(2, name_of(failed.kind))
        .bind(3, failed.reason)
        .bind(4, replay)
        .run();
  }

  const Experiment& experiment_;
  Statement run_, figure_, metric_, histogram_, bucket_, failure_, wall_;
  std::map<std::pair<std::string, std::string>, std::int64_t> figures_;
  std::uint64_t point_ = 0;
  std::vector<KeptHistogram> merged_;  // of this point
  std::map<std::pair<std::string, std::string>, std::size_t> merged_places_;
  std::int64_t histograms_ = 0;
  SweepTotals totals_;
};

void write_manifest(Connection& connection, const Experiment& experiment,
                    const SweepIdentity& identity) {
  SweepIdentity manifest = identity;
  manifest["name"] = experiment.sweep().name;
  manifest["seed"] = std::to_string(experiment.sweep().seed);
  manifest["format_version"] = std::to_string(sweep_format::version);
  manifest["points"] = std::to_string(experiment.design().points());
  Statement insert = connection.prepare("INSERT INTO manifest VALUES(?, ?)");
  for (const auto& [key, value] : manifest) insert.bind(1, key).bind(2, value).run();
}

void write_parameters(Connection& connection, const Experiment& experiment) {
  const std::vector<AxisConfig>& axes = experiment.sweep().axes;
  Statement axis = connection.prepare("INSERT INTO axis VALUES(?, ?)");
  for (std::size_t a = 0; a < axes.size(); ++a)
    axis.bind(1, integer(a)).bind(2, name_of(axes[a])).run();
  Statement parameter = connection.prepare("INSERT INTO parameter VALUES(?, ?, ?, ?, ?)");
  for (std::uint64_t p = 0; p < experiment.design().points(); ++p) {
    const std::vector<Level> levels = experiment.design().point(p);
    for (std::size_t a = 0; a < levels.size(); ++a) {
      parameter.bind(1, integer(p))
          .bind(2, integer(a))
          .bind(3, name_of(axes[a]))
          .bind(4, levels[a].text);
      if (levels[a].number) {
        parameter.bind_real(5, *levels[a].number);
      } else {
        parameter.bind_null(5);
      }
      parameter.run();
    }
  }
}

// Of a sweep with a stop rule: at which points it was fulfilled.
void write_stop(Connection& connection, const Experiment& experiment, const Schedule& schedule) {
  if (!experiment.sweep().stop) return;
  Statement row = connection.prepare("INSERT INTO stop VALUES(?, ?)");
  for (std::uint64_t p = 0; p < experiment.design().points(); ++p)
    row.bind(1, integer(p)).bind(2, std::int64_t{schedule.settled(p) ? 1 : 0}).run();
}

}  // namespace

SweepTotals write_sweep_database(const std::filesystem::path& path, const Experiment& experiment,
                                 const SweepIdentity& identity, const Schedule& schedule,
                                 Journal& journal) {
  const PartialFile file(path, sweep_format::noun);
  Connection connection = file.open(result_settings);
  SweepTotals totals;
  {
    Transaction transaction(connection);
    connection.run(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}",
                               sweep_format::application_id, sweep_format::version));
    connection.run(sweep_format::create_tables);
    connection.run(create_digest_table);
    write_manifest(connection, experiment, identity);
    write_parameters(connection, experiment);
    Writer writer(connection, experiment);
    journal.for_each([&](const FinishedRun& finished) {
      const SweepRun run = experiment.run(finished.run);
      if (run.replicate < *schedule.replicates(run.point)) writer.add(finished);
    });
    totals = writer.finish();
    write_stop(connection, experiment, schedule);
    write_digests(connection, sweep_format::covered());
    transaction.commit();
  }
  connection.close();
  file.publish();
  return totals;
}

}  // namespace viosim
