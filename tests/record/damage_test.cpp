// What a reader says about files that are not what they should be.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "core/base/rng.hpp"
#include "sim/record/digest.hpp"
#include "sim/record/run_database.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/record/schema.hpp"
#include "sim/record/sqlite.hpp"
#include "tests/record/event_mix.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>

using namespace viosim;
using Catch::Matchers::Contains;

namespace {

std::vector<TraceEvent> traced() { return make_events({}, 5'000); }

void write_run(const std::filesystem::path& path) {
  RunDatabase database =
      RunDatabase::create(path, {.program_version = "0.1.0", .scenario = "{}", .seed = 1});
  const std::uint32_t component = database.add_component("host0.dmar0");
  database.trace().take(traced());
  database.add_metric(component, "hits", Unit::count, 17);
  Histogram latencies;
  for (int i = 0; i < 100; ++i) latencies.record(Ps(i * 1000));
  database.add_histogram(component, "translate", latencies);
  database.finish();
}

// Everything that a reader gives out.
struct Contents {
  Manifest manifest;
  std::vector<std::string> components;
  std::vector<MetricRow> metrics;
  std::vector<LatencyRow> latencies;
  std::vector<TraceEvent> events;
  bool operator==(const Contents&) const = default;
};

Contents read_all(const std::filesystem::path& path) {
  RunReader reader = RunReader::open(path);
  Contents all{reader.manifest(), reader.components(), reader.metrics(), reader.latencies(), {}};
  reader.for_each_event([&](const TraceEvent& event) { all.events.push_back(event); });
  return all;
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void change(const std::filesystem::path& path, const std::string& sql) {
  Connection(path.string(), Connection::Mode::read).run(sql);
}

}  // namespace

TEST_CASE("a flipped byte is noticed or does not matter", "[record][damage]") {
  const Scratch scratch;
  write_run(scratch / "run.db");
  const std::string whole = bytes_of(scratch / "run.db");
  const Contents expected = read_all(scratch / "run.db");
  Rng rng(3, "flips");
  int noticed = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bytes = whole;
    const std::uint64_t place = round % 4 == 0 ? rng.below(200) : rng.below(bytes.size());
    bytes[place] = static_cast<char>(bytes[place] ^ static_cast<char>(1U << rng.below(8)));
    write_bytes(scratch / "flip.db", bytes);
    INFO("byte " << place);
    std::optional<Contents> read;
    try {
      read = read_all(scratch / "flip.db");
    } catch (const ConfigError& error) {
      CHECK_THAT(error.what(), Contains("flip.db"));
      ++noticed;
    }
    if (read) REQUIRE(*read == expected);
  }
  CHECK(noticed > 50);
}

TEST_CASE("a truncated file is an error wherever it ends", "[record][damage]") {
  const Scratch scratch;
  write_run(scratch / "run.db");
  const std::string whole = bytes_of(scratch / "run.db");
  for (std::size_t size = 0; size < whole.size(); size += size < 200 ? 17 : 1'999) {
    write_bytes(scratch / "cut.db", whole.substr(0, size));
    INFO("size " << size);
    CHECK_THROWS_AS(read_all(scratch / "cut.db"), ConfigError);
  }
}

TEST_CASE("a file that is no run database is named as such", "[record][damage]") {
  const Scratch scratch;
  write_bytes(scratch / "empty.db", "");
  CHECK_THROWS_WITH(RunReader::open(scratch / "empty.db"), Contains("not a run database"));
  write_bytes(scratch / "text.db", std::string(5'000, '['));
  CHECK_THROWS_WITH(RunReader::open(scratch / "text.db"),
                    Contains("text.db") && Contains("not a run database"));
  Connection((scratch / "other.db").string(), Connection::Mode::create).run("CREATE TABLE t(x)");
  CHECK_THROWS_WITH(RunReader::open(scratch / "other.db"), Contains("not viosim's"));
  CHECK_THROWS_WITH(RunReader::open(scratch / "absent.db"), Contains("no such file"));
  CHECK_THROWS_WITH(RunReader::open(scratch.path()), Contains("not a file"));
}

TEST_CASE("a missing file points to what an unfinished run left", "[record][damage]") {
  const Scratch scratch;
  { RunDatabase::create(scratch / "run.db", {}).add_component("host0"); }
  CHECK_THROWS_WITH(RunReader::open(scratch / "run.db"), Contains("run.db.partial"));
}

TEST_CASE("a file of a newer version says so", "[record][damage]") {
  const Scratch scratch;
  write_run(scratch / "run.db");
  change(scratch / "run.db", "PRAGMA user_version = 99");
  CHECK_THROWS_WITH(RunReader::open(scratch / "run.db"),
                    Contains("format 99") && Contains("newer viosim"));
}

TEST_CASE("a database of format 1, which has no expectations, is read", "[record][damage]") {
  const Scratch scratch;
  write_run(scratch / "run.db");
  change(scratch / "run.db",
         "DROP TABLE expectation; DELETE FROM digest WHERE name = 'expectation'; PRAGMA "
         "user_version = 1");
  const RunReader reader = RunReader::open(scratch / "run.db");
  CHECK(reader.format_version() == 1);
  CHECK(reader.expectations().empty());
}

TEST_CASE("a sum that nobody writes so is refused", "[record][damage]") {
  const Scratch scratch;
  const std::string sum = GENERATE("'12'", "'-9223372036854775808'", "'09223372036854775808'", "''",
                                   "'9223372036854775808x'", "1.5", "-1", "NULL + 0",
                                   "'340282366920938463463374607431768211456'");
  CAPTURE(sum);
  write_run(scratch / "run.db");
  CHECK(RunReader::open(scratch / "run.db").latencies().size() == 1);
  Connection connection((scratch / "run.db").string(), Connection::Mode::read);
  connection.run("CREATE TEMP TABLE sums(sum)");
  connection.run("INSERT INTO sums VALUES(" + sum + ")");
  Statement rows = connection.prepare("SELECT sum FROM sums");
  REQUIRE(rows.step());
  CHECK_THROWS_WITH(rows.sum(0, "latency_bucket.sum"),
                    Contains("the run database is damaged: latency_bucket.sum is"));
}

TEST_CASE("violations without a row are counted, but in format 2", "[record][damage]") {
  const Scratch scratch;
  {
    RunDatabase database = RunDatabase::create(
        scratch / "run.db", {.program_version = "0.1.0", .scenario = "{}", .seed = 1});
    const std::uint32_t component = database.add_component("host0.dmar0");
    for (const char* invariant : {"I8", "I28"}) {
      ViolationRow row;
      row.invariant = invariant;
      row.component = component;
      database.add_violation(row);
    }
    database.count_violations("I8", 5);
    database.finish();
  }
  using Counts = std::map<std::string, std::uint64_t>;
  CHECK(RunReader::open(scratch / "run.db").violation_counts() == Counts{{"I28", 1}, {"I8", 6}});
  change(scratch / "run.db", "DROP TABLE violation_count; PRAGMA user_version = 2");
  CHECK(RunReader::open(scratch / "run.db").violation_counts() == Counts{{"I28", 1}, {"I8", 1}});
}

TEST_CASE("a changed value is noticed in every table", "[record][damage]") {
  const Scratch scratch;
  const auto [name, sql] = GENERATE(table<std::string, std::string>({
      {"manifest", "UPDATE manifest SET value = '2' WHERE key = 'seed'"},
      {"string", "UPDATE string SET text = 'host1'"},
      {"event_kind", "DELETE FROM event_kind WHERE kind = 0"},
      {"metric", "UPDATE metric SET value = value + 1"},
      {"latency", "UPDATE latency SET max = 1"},
      {"latency_bucket", "DELETE FROM latency_bucket WHERE bucket = 0"},
      {"violation", "INSERT INTO violation VALUES(1, 'I8', 0, 0, '', 0, 0, 0, '', '', '')"},
      {"violation_event", "INSERT INTO violation_event VALUES(1, 0, 0, 0, 0, 0, 0, '')"},
      {"violation_count", "INSERT INTO violation_count VALUES('I8', 1)"},
      {"expectation", "INSERT INTO expectation VALUES(9, 'x', 'y', 1)"},
      {"trace_block", "DELETE FROM trace_block"},
      {"trace_block", "UPDATE trace_block SET first_time = 0"},
      {"manifest", "DELETE FROM digest"},
  }));
  write_run(scratch / "run.db");
  change(scratch / "run.db", sql);
  CHECK_THROWS_WITH(RunReader::open(scratch / "run.db"), Contains("table " + name));
}

TEST_CASE("a block with other bytes is refused when it is read", "[record][damage]") {
  const Scratch scratch;
  write_run(scratch / "run.db");
  change(scratch / "run.db", "UPDATE trace_block SET data = x'0102'");
  RunReader reader = RunReader::open(scratch / "run.db");
  std::vector<TraceEvent> events;
  CHECK_THROWS_WITH(reader.read_block(0, events), Contains("block 0") && Contains("checksum"));
}

TEST_CASE("a component without a path is refused, whatever the digests say", "[record]") {
  const Scratch scratch;
  write_run(scratch / "run.db");
  {
    Connection connection((scratch / "run.db").string(), Connection::Mode::read);
    connection.run("UPDATE string SET text = ''; DELETE FROM digest");
    write_digests(connection, schema::covered());
  }
  CHECK_THROWS_WITH(RunReader::open(scratch / "run.db"), Contains("component 0 has no path"));
}
