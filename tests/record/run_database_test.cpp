// The run database: what is written is read, and what happens to the file's name.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/run_database.hpp"

#include "core/base/error.hpp"
#include "models/trace_events.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/record/schema.hpp"
#include "tests/record/event_mix.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <fstream>

using namespace viosim;
using Catch::Matchers::Contains;

namespace {

const Manifest manifest{.program_version = "0.1.0",
                        .scenario = "{\"name\": \"t\"}",
                        .seed = 0xffff'ffff'ffff'fff0U,
                        .more = {{"trace", "full"}}};

Histogram some_latencies() {
  Histogram latencies;
  for (int i = 1; i < 1'000; ++i) latencies.record(Ps(std::int64_t{i} * i * 12'000));
  return latencies;
}

void write_run(const std::filesystem::path& path, const std::vector<TraceEvent>& events) {
  RunDatabase database = RunDatabase::create(path, manifest);
  const std::uint32_t root = database.add_component("host0");
  Tracer tracer(database.trace());
  for (const TraceEvent& event : events) tracer.emit(event);
  const std::uint32_t leaf = database.add_component("host0.dmar0.iotlb");
  tracer.finish();
  database.add_metric(leaf, "hits", Unit::count, 17);
  database.add_metric(root, "busy", Unit::picoseconds, -1);
  database.add_histogram(leaf, "translate", some_latencies());
  database.add_histogram(root, "nothing", Histogram());
  database.add_expectation({"host0.faults equals 0", "3", false});
  database.add_wall("seconds", "0.25");
  database.finish();
}

std::vector<TraceEvent> events_of(RunReader& reader) {
  std::vector<TraceEvent> events;
  reader.for_each_event([&](const TraceEvent& event) { events.push_back(event); });
  return events;
}

// All that two identical runs must have in common.
std::vector<std::int64_t> digests_of(const std::filesystem::path& path) {
  Connection connection(path.string(), Connection::Mode::read);
  std::vector<std::int64_t> digests;
  for (const auto& table : schema::covered())
    digests.push_back(digest_of(connection, table).value());
  return digests;
}

}  // namespace

TEST_CASE("what is written is read back", "[record][database]") {
  const Scratch scratch;
  const auto events = make_events({}, 2 * trace_block_events + 123);
  write_run(scratch / "run.db", events);

  RunReader reader = RunReader::open(scratch / "run.db");
  CHECK(reader.complete());
  CHECK(reader.manifest() == manifest);
  CHECK(reader.components() == std::vector<std::string>{"host0", "host0.dmar0.iotlb"});
  CHECK(reader.metrics() ==
        std::vector<MetricRow>{{1, "hits", Unit::count, 17}, {0, "busy", Unit::picoseconds, -1}});
  CHECK(reader.latencies() ==
        std::vector<LatencyRow>{{1, "translate", some_latencies()}, {0, "nothing", Histogram()}});
  CHECK(reader.expectations() ==
        std::vector<ExpectationRow>{{"host0.faults equals 0", "3", false}});
  CHECK(reader.wall() == std::map<std::string, std::string>{{"seconds", "0.25"}});
  CHECK(reader.kinds().size() == event_kinds().size());
  CHECK(reader.blocks().size() == 3);
  CHECK(reader.event_count() == static_cast<std::int64_t>(events.size()));
  CHECK(events_of(reader) == events);
}

// 2^63 - 1 is the largest integer of SQLite's.
TEST_CASE("sums of latencies are kept exactly, however large", "[record][database]") {
  const Scratch scratch;
  Histogram latencies;
  latencies.record(Ps((std::int64_t{1} << 53U) + 1),
                   GENERATE(as<std::uint64_t>(), 1, 1023, 1024, 5'000'000));
  latencies.record(Ps(3));
  {
    RunDatabase database = RunDatabase::create(scratch / "run.db", manifest);
    database.add_histogram(database.add_component("host0"), "dma", latencies);
    database.finish();
  }
  const RunReader reader = RunReader::open(scratch / "run.db");
  REQUIRE(reader.latencies().size() == 1);
  CHECK(reader.latencies()[0].histogram == latencies);
  CHECK(reader.latencies()[0].histogram.mean() == latencies.mean());
}

TEST_CASE("a block says the smallest and largest time in it", "[record][database]") {
  const Scratch scratch;
  write_run(scratch / "run.db", {{.time = 7}, {.time = 3}, {.time = 9}, {.time = 4}});
  const RunReader reader = RunReader::open(scratch / "run.db");
  REQUIRE(reader.blocks().size() == 1);
  CHECK(reader.blocks()[0].first_time == 3);
  CHECK(reader.blocks()[0].last_time == 9);
}

TEST_CASE("two identical runs have identical tables", "[record][database]") {
  const Scratch scratch;
  const auto events = make_events({.components = 16}, 100'000);
  write_run(scratch / "a.db", events);
  write_run(scratch / "b.db", events);
  CHECK(digests_of(scratch / "a.db") == digests_of(scratch / "b.db"));
}

TEST_CASE("a run without a trace is a whole database", "[record][database]") {
  const Scratch scratch;
  write_run(scratch / "run.db", {});
  RunReader reader = RunReader::open(scratch / "run.db");
  CHECK(reader.blocks().empty());
  CHECK(events_of(reader).empty());
}

TEST_CASE("a finished run replaces the one before it and leaves one file", "[record][database]") {
  const Scratch scratch;
  write_run(scratch / "run.db", make_events({}, 1'000));
  std::ofstream(scratch / "run.db-journal") << "a journal of something else";
  write_run(scratch / "run.db", make_events({}, 10));
  RunReader reader = RunReader::open(scratch / "run.db");
  CHECK(reader.event_count() == 10);
  CHECK(std::distance(std::filesystem::directory_iterator(scratch.path()), {}) == 1);
}

TEST_CASE("the old file stays until the new run is finished", "[record][database]") {
  const Scratch scratch;
  write_run(scratch / "run.db", make_events({}, 1'000));
  {
    RunDatabase database = RunDatabase::create(scratch / "run.db", manifest);
    database.add_component("late");
    database.trace().take(make_events({}, 50));
    CHECK(RunReader::open(scratch / "run.db").event_count() == 1'000);
  }
  RunReader partial = RunReader::open(RunDatabase::partial_path(scratch / "run.db"));
  CHECK_FALSE(partial.complete());
  CHECK(partial.event_count() == 50);
  CHECK(partial.components() == std::vector<std::string>{"late"});
}

TEST_CASE("a run takes over the name of a killed one but not of a living one",
          "[record][database]") {
  const Scratch scratch;
  std::ofstream(RunDatabase::partial_path(scratch / "run.db")) << "what is left of something";
  RunDatabase living = RunDatabase::create(scratch / "run.db", manifest);
  CHECK_THROWS_WITH(RunDatabase::create(scratch / "run.db", manifest),
                    Contains("run.db.partial") && Contains("another program"));
  living.finish();
  CHECK(RunReader::open(scratch / "run.db").complete());
}

TEST_CASE("a place that cannot be written is said clearly", "[record][database]") {
  const Scratch scratch;
  CHECK_THROWS_WITH(RunDatabase::create(scratch / "no/such/run.db", manifest),
                    Contains("no/such") && Contains("No such file or directory"));
  CHECK_THROWS_WITH(RunDatabase::create(scratch.path(), manifest), Contains("Is a directory"));
  std::ofstream(scratch / "file") << "x";
  CHECK_THROWS_AS(RunDatabase::create(scratch / "file/run.db", manifest), ConfigError);
}
