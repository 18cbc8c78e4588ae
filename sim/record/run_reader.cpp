// Checks the file first, then reads table by table.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/run_reader.hpp"

#include "core/base/error.hpp"
#include "sim/record/partial_file.hpp"
#include "sim/record/schema.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace viosim {
namespace {

// The file may come from anywhere: nothing in its schema is to be executed.
constexpr const char* reading_settings = R"sql(
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
PRAGMA cache_size = -2048;
)sql";

std::string missing(const std::filesystem::path& path) {
  const std::filesystem::path partial = PartialFile::partial_path(path);
  if (!std::filesystem::exists(partial)) return "there is no such file";
  return fmt::format("there is no such file; a run that did not finish left {}", partial.string());
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Unit> unit_named(std::string_view name) {
  for (const Unit unit : {Unit::count, Unit::bytes, Unit::picoseconds})
    if (name_of(unit) == name) return unit;
  return std::nullopt;
}

}  // namespace

RunReader RunReader::open(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) throw ConfigError(Problem{path.string(), "", missing(path)});
  if (!std::filesystem::is_regular_file(path))
    throw ConfigError(Problem{path.string(), "", "this is not a file, so not a run database"});
  return RunReader(Connection(path.string(), Connection::Mode::read));
}

RunReader::RunReader(Connection connection) : connection_(std::move(connection)) {
  connection_.run(reading_settings);
  check_format();
  check_digests(connection_, schema::covered(), format_version_);
  read_manifest();
  read_components();
  read_kinds();
  read_metrics();
  read_latencies();
  read_expectations();
  read_violations();
  read_violation_counts();
  read_blocks();
}

void RunReader::fail(std::string message) const {
  throw ConfigError(Problem{connection_.file(), "", std::move(message)});
}

void RunReader::check_format() {
  if (connection_.integer("PRAGMA application_id") != schema::application_id)
    fail("this is not a run database (an SQLite file, but not viosim's)");
  format_version_ = connection_.integer("PRAGMA user_version");
  if (format_version_ > schema::format_version)
    fail(
        fmt::format("this run database has format {}, written by a newer viosim; this one reads "
                    "formats up to {}",
                    format_version_, schema::format_version));
  if (format_version_ < 1)
    fail(fmt::format("the run database is damaged: its format is {}", format_version_));
}

void RunReader::read_manifest() {
  Statement rows = connection_.prepare("SELECT key, value FROM manifest ORDER BY key");
  while (rows.step()) manifest_.more.emplace(rows.text(0), rows.text(1));
  const auto take = [&](const char* key) {
    const auto entry = manifest_.more.extract(key);
    if (entry.empty()) fail(fmt::format("the run database's manifest lacks '{}'", key));
    return entry.mapped();
  };
  manifest_.program_version = take("program_version");
  manifest_.scenario = take("scenario");
  const std::string seed = take("seed");
  const auto number = number_in(seed);
  if (!number) fail(fmt::format("the manifest's seed is '{}', not a number", seed));
  manifest_.seed = *number;
  complete_ = take("complete") == "1";
  take("format_version");  // also in user_version; kept in the table for people
}

void RunReader::read_components() {
  Statement rows = connection_.prepare("SELECT id, text FROM string ORDER BY id");
  while (rows.step()) {
    if (rows.integer(0) != static_cast<std::int64_t>(components_.size()))
      fail("the run database is damaged: its component paths are not numbered 0, 1, 2 ...");
    if (rows.text(1).empty())
      fail(fmt::format("component {} has no path, by which alone it is known", rows.integer(0)));
    components_.emplace_back(rows.text(1));
  }
}

void RunReader::read_kinds() {
  Statement rows = connection_.prepare(
      "SELECT kind, name, sentence, address, value, code FROM event_kind ORDER BY kind");
  const auto text = [&](int column) { return std::string(rows.text(column)); };
  while (rows.step()) {
    const auto kind = static_cast<std::uint16_t>(rows.integer(0));
    kinds_.push_back({kind, text(1), text(2), text(3), text(4), text(5)});
  }
}

std::uint32_t RunReader::component(const Statement& rows, int column, std::string_view what) const {
  return static_cast<std::uint32_t>(rows.index(column, components_.size(), what));
}

void RunReader::read_metrics() {
  Statement rows =
      connection_.prepare("SELECT component, name, unit, value FROM metric ORDER BY id");
  while (rows.step()) {
    const auto unit = unit_named(rows.text(2));
    if (!unit) fail(fmt::format("a metric has the unknown unit '{}'", rows.text(2)));
    metrics_.push_back({component(rows, 0, "metric.component"), std::string(rows.text(1)), *unit,
                        rows.integer(3)});
  }
}

void RunReader::read_latencies() {
  Statement rows =
      connection_.prepare("SELECT id, component, operation, min, max FROM latency ORDER BY id");
  while (rows.step()) {
    LatencyRow& row = latencies_.emplace_back();
    row.component = component(rows, 1, "latency.component");
    row.operation = rows.text(2);
    read_buckets(rows.integer(0), Ps(rows.integer(3)), Ps(rows.integer(4)), row.histogram);
  }
}

void RunReader::read_buckets(std::int64_t id, Ps min, Ps max, Histogram& histogram) {
  constexpr std::size_t buckets = Histogram::octaves * Histogram::sub_buckets;
  Statement rows = connection_.prepare(
      "SELECT bucket, count, sum FROM latency_bucket WHERE latency = ? ORDER BY bucket");
  rows.bind(1, id);
  while (rows.step()) {
    const std::size_t number = rows.index(0, buckets, "latency_bucket.bucket");
    histogram.restore(number,
                      {rows.count(1, "latency_bucket.count"), rows.sum(2, "latency_bucket.sum")},
                      min, max);
  }
}

void RunReader::read_expectations() {
  if (!has_expectations()) return;
  Statement rows = connection_.prepare("SELECT expected, found, met FROM expectation ORDER BY id");
  while (rows.step()) {
    expectations_.push_back(
        {std::string(rows.text(0)), std::string(rows.text(1)), rows.integer(2) != 0});
  }
}

void RunReader::read_violations() {
  Statement rows = connection_.prepare(
      "SELECT invariant, time, component, actor, pasid, epoch, current_epoch, owner, "
      "previous_owner, message FROM violation ORDER BY id");
  const auto number = [](const Statement& of, int column) {
    return static_cast<std::uint32_t>(of.integer(column));
  };
  const auto text = [](const Statement& of, int column) { return std::string(of.text(column)); };
  while (rows.step()) {
    violations_.push_back({text(rows, 0),
                           rows.integer(1),
                           number(rows, 2),
                           text(rows, 3),
                           number(rows, 4),
                           number(rows, 5),
                           number(rows, 6),
                           text(rows, 7),
                           text(rows, 8),
                           text(rows, 9),
                           {}});
  }
  Statement events = connection_.prepare(
      "SELECT violation, time, component, kind, pasid, epoch, text FROM violation_event "
      "ORDER BY violation, position");
  while (events.step()) {
    const auto whose = static_cast<std::size_t>(events.integer(0));
    if (whose == 0 || whose > violations_.size())
      fail(fmt::format("an event led to the unknown violation {}", whose));
    violations_[whose - 1].events.push_back(
        {events.integer(1), number(events, 2), static_cast<std::uint16_t>(events.integer(3)),
         number(events, 4), number(events, 5), text(events, 6)});
  }
}

void RunReader::read_violation_counts() {
  std::map<std::string, std::uint64_t> with_rows;
  for (const ViolationRow& row : violations_) ++with_rows[row.invariant];
  if (!has_violation_counts()) {
    violation_counts_ = std::move(with_rows);
    return;
  }
  Statement rows = connection_.prepare("SELECT invariant, times FROM violation_count");
  while (rows.step())
    violation_counts_[std::string(rows.text(0))] = rows.count(1, "violation_count.times");
  for (const auto& [invariant, times] : with_rows) {
    if (violation_counts_[invariant] < times)
      fail(
          fmt::format("the run database is damaged: table violation has more rows of {} than "
                      "table violation_count counts",
                      invariant));
  }
}

void RunReader::read_blocks() {
  Statement rows = connection_.prepare(
      "SELECT number, events, first_time, last_time, checksum FROM trace_block ORDER BY number");
  while (rows.step()) {
    if (rows.integer(0) != static_cast<std::int64_t>(blocks_.size()))
      fail("the run database is damaged: its trace blocks are not numbered 0, 1, 2 ...");
    blocks_.push_back({rows.integer(1), rows.integer(2), rows.integer(3),
                       static_cast<std::uint64_t>(rows.integer(4))});
  }
}

std::map<std::string, std::string> RunReader::wall() {
  std::map<std::string, std::string> wall;
  Statement rows = connection_.prepare("SELECT key, value FROM wall ORDER BY key");
  while (rows.step()) wall.emplace(rows.text(0), rows.text(1));
  return wall;
}

std::int64_t RunReader::event_count() const {
  std::int64_t count = 0;
  for (const BlockInfo& block : blocks_) count += block.events;
  return count;
}

void RunReader::verify_block(std::size_t number) {
  fetch_block(number, bytes_);
  check_bytes(number, bytes_);
}

void RunReader::read_block(std::size_t number, std::vector<TraceEvent>& events) {
  fetch_block(number, bytes_);
  decode_block(number, bytes_, decoder_, events);
}

void RunReader::fetch_block(std::size_t number, std::vector<std::byte>& bytes) {
  Statement statement = connection_.prepare("SELECT data FROM trace_block WHERE number = ?");
  statement.bind(1, static_cast<std::int64_t>(number));
  if (!statement.step()) fail(fmt::format("trace block {} is missing", number));
  const auto data = statement.blob(0);
  bytes.assign(data.begin(), data.end());
}

void RunReader::check_bytes(std::size_t number, std::span<const std::byte> bytes) const {
  if (schema::checksum(bytes) != blocks_.at(number).checksum)
    fail(fmt::format("trace block {} is damaged: its checksum is wrong", number));
}

void RunReader::decode_block(std::size_t number, std::span<const std::byte> bytes,
                             BlockDecoder& decoder, std::vector<TraceEvent>& events) const {
  const BlockInfo& info = blocks_.at(number);
  check_bytes(number, bytes);
  try {
    decoder.decode(bytes, events);
  } catch (const BadBytes& error) {
    fail(fmt::format("trace block {} cannot be read: {}", number, error.what()));
  }
  if (static_cast<std::int64_t>(events.size()) != info.events)
    fail(fmt::format("trace block {} holds {} events, not {}", number, events.size(), info.events));
}

}  // namespace viosim
