// What goes into which table, and in which transaction.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/run_database.hpp"

#include "core/base/error.hpp"
#include "models/trace_events.hpp"
#include "sim/record/partial_file.hpp"
#include "sim/record/row_writer.hpp"
#include "sim/record/schema.hpp"
#include "sim/record/sqlite.hpp"

#include <fmt/format.h>

#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace viosim {
namespace {

// One block is one transaction, played back from the rollback journal if the process dies in it.
// synchronous=OFF: a dead process loses nothing that it had handed to the kernel; finish() asks for
// the disk. The exclusive lock keeps a second run out for as long as this one lives.
constexpr const char* settings = R"sql(
PRAGMA page_size = 8192;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = TRUNCATE;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -2048;
PRAGMA temp_store = MEMORY;
)sql";

void insert(Connection& connection, std::string_view table, std::string_view key,
            std::string_view value) {
  connection.prepare(fmt::format("INSERT OR REPLACE INTO {} VALUES(?, ?)", table))
      .bind(1, key)
      .bind(2, value)
      .run();
}

void insert_event_kinds(Connection& connection) {
  Statement statement = connection.prepare("INSERT INTO event_kind VALUES(?, ?, ?, ?, ?, ?)");
  for (const EventKindInfo& info : event_kinds()) {
    statement.bind(1, static_cast<std::int64_t>(info.kind))
        .bind(2, info.name)
        .bind(3, info.sentence)
        .bind(4, info.address)
        .bind(5, info.value)
        .bind(6, info.code)
        .run();
  }
}

}  // namespace

// Two threads meet here: the recorder's workers, one at a time, in store(); the simulation's thread
// in everything else. Until the recorder has finished, only store() uses the connection.
class RunDatabase::Writer {
 public:
  Writer(const std::filesystem::path& path, const Manifest& manifest,
         TraceRecorder::Options options)
      : file_(path), connection_(file_.open(settings)) {
    Transaction transaction(connection_);
    connection_.run(fmt::format("PRAGMA application_id = {}", schema::application_id));
    connection_.run(fmt::format("PRAGMA user_version = {}", schema::format_version));
    connection_.run(schema::create_tables);
    connection_.run(create_digest_table);
    insert_manifest(manifest);
    insert_event_kinds(connection_);
    write_digests(connection_, schema::covered());
    transaction.commit();
    strings_.emplace(connection_, "string", 2);
    insert_block_ = std::make_unique<Statement>(
        connection_.prepare("INSERT INTO trace_block VALUES(?, ?, ?, ?, ?, ?)"));
    recorder_ = std::make_unique<TraceRecorder>([this](const EncodedBlock& block) { store(block); },
                                                options);
  }

  std::uint32_t add_component(std::string_view path) {
    const std::lock_guard lock(components_mutex_);
    waiting_components_.emplace_back(path);
    return components_++;
  }

  TraceRecorder& trace() { return *recorder_; }
  void add_metric(MetricRow row) { metrics_.push_back(std::move(row)); }
  void add_latency(LatencyRow row) { latencies_.push_back(std::move(row)); }
  void add_expectation(const ExpectationRow& row) { expectations_.push_back(row); }
  void add_violation(const ViolationRow& row) {
    violations_.push_back(row);
    count_violations(row.invariant, 1);
  }
  void count_violations(std::string_view invariant, std::uint64_t times) {
    violation_counts_[std::string(invariant)] += times;
  }
  void add_wall(std::string_view key, std::string_view value) { wall_[std::string(key)] = value; }

  void finish() {
    recorder_->finish();
    insert_block_.reset();
    connection_.run("PRAGMA synchronous = FULL");
    Transaction transaction(connection_);
    insert_components();
    insert_metrics();
    insert_latencies();
    insert_expectations();
    insert_violations();
    insert_violation_counts();
    for (const auto& [key, value] : wall_) insert(connection_, "wall", key, value);
    insert(connection_, "manifest", "complete", "1");
    write_digests(connection_, {&schema::manifest(), 1});  // the rest was digested on its way
    strings_.reset();
    transaction.commit();
    connection_.close();
    file_.publish();
  }

 private:
  void insert_manifest(const Manifest& manifest) {
    for (const auto& [key, value] : manifest.more) insert(connection_, "manifest", key, value);
    insert(connection_, "manifest", "program_version", manifest.program_version);
    insert(connection_, "manifest", "format_version", std::to_string(schema::format_version));
    insert(connection_, "manifest", "scenario", manifest.scenario);
    insert(connection_, "manifest", "seed", std::to_string(manifest.seed));
    insert(connection_, "manifest", "complete", "0");
  }

  void store(const EncodedBlock& block) {
    Transaction transaction(connection_);
    insert_components();
    const auto checksum = static_cast<std::int64_t>(block.checksum);
    insert_block_->bind(1, block.number)
        .bind(2, block.events)
        .bind(3, block.first_time)
        .bind(4, block.last_time)
        .bind(5, checksum)
        .bind(6, block.data)
        .run();
    for (const std::int64_t value :
         {block.number, block.events, block.first_time, block.last_time, checksum})
      blocks_digest_.add(value);
    blocks_digest_.end_row();
    write_digest(connection_, "trace_block", blocks_digest_);
    transaction.commit();
  }

  void insert_components() {
    std::vector<std::string> paths;
    {
      const std::lock_guard lock(components_mutex_);
      paths.swap(waiting_components_);
    }
    if (paths.empty()) return;
    for (const std::string& path : paths) strings_->add(components_stored_++).add(path).end_row();
    strings_->finish();
  }

  void insert_metrics() {
    RowWriter rows(connection_, "metric", 4, RowWriter::Ids::counted);
    for (const MetricRow& row : metrics_) {
      rows.add(std::int64_t{row.component})
          .add(row.name)
          .add(name_of(row.unit))
          .add(row.value)
          .end_row();
    }
    rows.finish();
  }

  void insert_latencies() {
    RowWriter summaries(connection_, "latency", 6, RowWriter::Ids::counted);
    RowWriter buckets(connection_, "latency_bucket", 4);
    std::int64_t id = 0;
    for (const LatencyRow& row : latencies_) {
      const Histogram& histogram = row.histogram;
      ++id;
      summaries.add(std::int64_t{row.component})
          .add(row.operation)
          .add(static_cast<std::int64_t>(histogram.count()))
          .add(histogram.min().count())
          .add(histogram.max().count())
          .add_sum(histogram.sum())
          .end_row();
      histogram.for_each_bucket([&](std::size_t number, const Histogram::Bucket& bucket) {
        buckets.add(id)
            .add(static_cast<std::int64_t>(number))
            .add(static_cast<std::int64_t>(bucket.count))
            .add_sum(bucket.sum)
            .end_row();
      });
    }
    summaries.finish();
    buckets.finish();
  }

  void insert_expectations() {
    RowWriter rows(connection_, "expectation", 3, RowWriter::Ids::counted);
    for (const ExpectationRow& row : expectations_) {
      rows.add(row.expected).add(row.found).add(std::int64_t{row.met ? 1 : 0}).end_row();
    }
    rows.finish();
  }

  void insert_violations() {
    RowWriter rows(connection_, "violation", 10, RowWriter::Ids::counted);
    RowWriter events(connection_, "violation_event", 8);
    std::int64_t id = 0;
    for (const ViolationRow& row : violations_) {
      rows.add(row.invariant)
          .add(row.time)
          .add(std::int64_t{row.component})
          .add(row.actor)
          .add(std::int64_t{row.pasid})
          .add(std::int64_t{row.epoch})
          .add(std::int64_t{row.current_epoch})
          .add(row.owner)
          .add(row.previous_owner)
          .add(row.message)
          .end_row();
      insert_events(events, ++id, row.events);
    }
    rows.finish();
    events.finish();
  }

  static void insert_events(RowWriter& rows, std::int64_t violation,
                            const std::vector<ViolationRow::Event>& events) {
    for (std::size_t i = 0; i < events.size(); ++i) {
      rows.add(violation)
          .add(static_cast<std::int64_t>(i))
          .add(events[i].time)
          .add(std::int64_t{events[i].component})
          .add(std::int64_t{events[i].kind})
          .add(std::int64_t{events[i].pasid})
          .add(std::int64_t{events[i].epoch})
          .add(events[i].text)
          .end_row();
    }
  }

  void insert_violation_counts() {
    RowWriter rows(connection_, "violation_count", 2);
    for (const auto& [invariant, times] : violation_counts_)
      rows.add(invariant).add(static_cast<std::int64_t>(times)).end_row();
    rows.finish();
  }

  PartialFile file_;
  Connection connection_;
  std::unique_ptr<Statement> insert_block_;
  RowDigest blocks_digest_;
  std::optional<RowWriter> strings_;
  std::int64_t components_stored_ = 0;

  std::mutex components_mutex_;
  std::vector<std::string> waiting_components_;
  std::uint32_t components_ = 0;

  std::vector<MetricRow> metrics_;
  std::vector<LatencyRow> latencies_;
  std::vector<ExpectationRow> expectations_;
  std::vector<ViolationRow> violations_;
  std::map<std::string, std::uint64_t> violation_counts_;
  std::map<std::string, std::string> wall_;
  std::unique_ptr<TraceRecorder> recorder_;  // last: its threads use the rest
};

RunDatabase::RunDatabase(std::unique_ptr<Writer> writer) : writer_(std::move(writer)) {}
RunDatabase::RunDatabase(RunDatabase&&) noexcept = default;
RunDatabase& RunDatabase::operator=(RunDatabase&&) noexcept = default;
RunDatabase::~RunDatabase() = default;

RunDatabase RunDatabase::create(const std::filesystem::path& path, const Manifest& manifest,
                                TraceRecorder::Options options) {
  return RunDatabase(std::make_unique<Writer>(path, manifest, options));
}

std::filesystem::path RunDatabase::partial_path(const std::filesystem::path& path) {
  return PartialFile::partial_path(path);
}

std::uint32_t RunDatabase::add_component(std::string_view path) {
  return writer_->add_component(path);
}

TraceRecorder& RunDatabase::trace() { return writer_->trace(); }

void RunDatabase::add_metric(std::uint32_t component, std::string_view name, Unit unit,
                             std::int64_t value) {
  writer_->add_metric({component, std::string(name), unit, value});
}

void RunDatabase::add_histogram(std::uint32_t component, std::string_view operation,
                                const Histogram& histogram) {
  writer_->add_latency({component, std::string(operation), histogram});
}

void RunDatabase::add_expectation(const ExpectationRow& row) { writer_->add_expectation(row); }

void RunDatabase::add_violation(const ViolationRow& row) { writer_->add_violation(row); }

void RunDatabase::count_violations(std::string_view invariant, std::uint64_t times) {
  writer_->count_violations(invariant, times);
}

void RunDatabase::add_wall(std::string_view key, std::string_view value) {
  writer_->add_wall(key, value);
}

void RunDatabase::finish() { writer_->finish(); }

}  // namespace viosim
