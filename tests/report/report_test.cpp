// Reports of whole databases: figures, bytes that repeat, and input that is none.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/report.hpp"

#include "core/base/error.hpp"
#include "sim/report/run_report.hpp"
#include "sim/report/sweep_report.hpp"
#include "tests/report/made_sweep.hpp"
#include "tests/support/catch.hpp"
#include "tests/trace/made_run.hpp"

#include <fstream>
#include <sys/stat.h>

using namespace viosim;
using namespace viosim::test;
using Catch::Matchers::Contains;

namespace {

const Value& member(const Value& value, const char* name) {
  const Value* const found = find(*value.if_object(), name);
  REQUIRE(found != nullptr);
  return *found;
}
std::string text(const Value& value, const char* name) { return to_text(member(value, name)); }

void make_run(const std::filesystem::path& file) {
  MadeRun run(file);
  const auto lock = run.component("host0.lock");
  const auto cache = run.component("host0.dmar0.iotlb");
  RunDatabase& database = run.database();
  database.add_metric(lock, "taken", Unit::count, 8);
  database.add_metric(lock, "contended", Unit::count, 2);
  database.add_metric(lock, "waited", Unit::picoseconds, 3000);
  database.add_metric(lock, "longest_wait", Unit::picoseconds, 2000);
  database.add_metric(lock, "held", Unit::picoseconds, 4000);
  database.add_metric(cache, "hits", Unit::count, 3);
  database.add_metric(cache, "misses", Unit::count, 1);
  database.add_metric(cache, "evictions", Unit::count, 0);
  Histogram latencies;
  for (const int value : {5, 5, 5, 9}) latencies.record(Ps(value));
  database.add_histogram(cache, "translate", latencies);
  database.add_violation(
      {.invariant = "I8",
       .time = 77,
       .component = cache,
       .actor = "host0.dmar0",
       .pasid = 3,
       .epoch = 1,
       .current_epoch = 2,
       .owner = "a",
       .previous_owner = "b",
       .message = "PASID 3 is reused",
       .events = {
           {.time = 70, .component = lock, .kind = 0, .pasid = 3, .epoch = 1, .text = "first"}}});
  database.count_violations("I28", 100);
  run.block({event_of(EventKind::translate, cache, {10, 20})});
  run.finish();
}

std::string problem_of(const std::filesystem::path& database, const std::filesystem::path& out) {
  try {
    report::write_report(database, out);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("tables of a run have their counters, and parts of them", "[report]") {
  const Scratch scratch;
  make_run(scratch / "run.db");
  RunReader reader = RunReader::open(scratch / "run.db");
  const Value run = report::run_json(reader);
  const Value::Array& tables = *member(run, "tables").if_array();
  REQUIRE(tables.size() == 2);
  CHECK(text(tables[0], "id") == "\"caches\"");
  CHECK(text(tables[0], "rows") == R"([["host0.dmar0.iotlb", 4, 3, 0.75, 0, 0, 0]])");
  CHECK(text(tables[1], "id") == "\"locks\"");
  CHECK(text(tables[1], "rows") == R"([["host0.lock", 8, 2, 0.25, 3000, 2000, 4000, 500]])");
  CHECK(text(member(run, "counters"), "total") == "7");
}

TEST_CASE("latencies have the means and the counts of their buckets", "[report]") {
  const Scratch scratch;
  make_run(scratch / "run.db");
  RunReader reader = RunReader::open(scratch / "run.db");
  CHECK(
      text(report::run_json(reader), "latencies") ==
      R"([{"component": "host0.dmar0.iotlb", "operation": "translate", "count": 4, "min": 5, "mean": 6, "max": 9, )"
      R"("x": [5, 9], "n": [3, 1]}])");
}

TEST_CASE("violations come with their invariant and their chain", "[report]") {
  const Scratch scratch;
  make_run(scratch / "run.db");
  RunReader reader = RunReader::open(scratch / "run.db");
  const Value violations = member(report::run_json(reader), "violations");
  CHECK(text(violations, "total") == "101");
  CHECK(text(violations, "at_least") == "false");
  CHECK(text(violations, "by_invariant") == R"({"I28": 100, "I8": 1})");
  const Value& first = member(violations, "rows").if_array()->front();
  CHECK(text(first, "message") == "\"PASID 3 is reused\"");
  CHECK(text(first, "current_epoch") == "2");
  CHECK_FALSE(member(first, "sentence").if_text()->empty());
  CHECK(
      text(first, "events") ==
      R"([{"time": 70, "component": "host0.lock", "kind": "translate", "pasid": 3, "epoch": 1, "text": "first"}])");
}

TEST_CASE("figures of a sweep are means and deviations of each point's runs", "[report]") {
  const Scratch scratch;
  make_sweep(scratch / "sweep.db");
  const Value sweep = report::sweep_json(scratch / "sweep.db");
  CHECK(
      text(sweep, "points") ==
      R"({"runs": [2, 2, 2, 2], "failed": [0, 0, 1, 2], "unexpected": [0, 1, 0, 0], "unsettled": []})");
  CHECK(
      text(sweep, "parameters") ==
      R"([{"name": "entries", "text": ["8", "8", "64", "64"], "number": [8, 8, 64, 64]}, )"
      R"({"name": "ways", "text": ["few", "many", "few", "many"], "number": [null, null, null, null]}])");
  const Value::Array& figures = *member(sweep, "figures").if_array();
  REQUIRE(figures.size() == 2);
  CHECK(text(figures[0], "n") == "[2, 2, 1, 0]");
  CHECK(text(figures[0], "mean") == "[0.2, 0.5, 0.9, null]");
  CHECK(text(figures[0], "sd") == "[0.14142, 0, 0, 0]");
  CHECK(text(member(sweep, "failures"), "total") == "3");
  CHECK(text(member(sweep, "failures"), "by_kind") == R"({"crash": 2, "wall": 1})");
  CHECK(text(member(sweep, "manifest"), "checked") == "true");
  CHECK(text(member(sweep, "failures").if_object()->back().value.if_array()->front(), "point") ==
        "2");
  // Of 8 runs at most 7 degrees of freedom; the first t of 95 % is known.
  const Value::Array& student = *member(sweep, "student").if_array();
  REQUIRE(student.size() == 7);
  CHECK(*student[0].number() == Approx(12.7062));
  CHECK(*student[6].number() == Approx(2.36462));
}

TEST_CASE("a figure that no run changed is one number, also where runs failed", "[report]") {
  const Scratch scratch;
  make_sweep(scratch / "sweep.db");
  const Value same = member(report::sweep_json(scratch / "sweep.db"), "figures").if_array()->back();
  CHECK(to_text(same) == R"({"name": "host0.dmar0.same", "unit": "count", "constant": 7})");
}

TEST_CASE("latencies of a sweep are those of all runs of a point", "[report]") {
  const Scratch scratch;
  make_sweep(scratch / "sweep.db");
  const Value latencies = member(report::sweep_json(scratch / "sweep.db"), "latencies");
  const Value& row = member(latencies, "rows").if_array()->front();
  CHECK(text(row, "group") == R"(["8", "few"])");
  CHECK(member(row, "values").if_array()->front() == Value(5));
  CHECK(member(row, "values").if_array()->back() == Value(9));
}

TEST_CASE("the same database gives the same bytes", "[report]") {
  const Scratch scratch;
  const bool sweep = GENERATE(false, true);
  const std::filesystem::path database = scratch / "a.db";
  sweep ? make_sweep(database) : make_run(database);
  const report::Written written = report::write_report(database, scratch / "one.html");
  report::write_report(database, scratch / "two.html");
  CHECK(contents_of(scratch / "one.html") == contents_of(scratch / "two.html"));
  CHECK(contents_of(scratch / "one.html").size() == written.bytes);
  CHECK(report::usual_output(database) == scratch / "a.html");
}

TEST_CASE("what cannot be reported is said, and nothing is written", "[report]") {
  const Scratch scratch;
  make_run(scratch / "run.db");
  std::ofstream(scratch / "text.db")
      << "no database at all, but long enough to be looked at by anybody";
  { Connection(scratch / "other.db", Connection::Mode::create).run("CREATE TABLE a(b)"); }
  const std::filesystem::path out = scratch / "out.html";
  CHECK_THAT(problem_of(scratch / "none.db", out), Contains("none.db: there is no such file"));
  CHECK_THAT(problem_of(scratch / "text.db", out), Contains("not an SQLite file"));
  CHECK_THAT(problem_of(scratch / "other.db", out), Contains("none of viosim's"));
  CHECK_THAT(problem_of(scratch.path(), out),
             Contains("not a file; expected a run database (run.db) or the result of a sweep"));
  CHECK_FALSE(std::filesystem::exists(out));
  CHECK_THAT(problem_of(scratch / "run.db", scratch / "no/such/out.html"),
             Contains("cannot be written"));
  CHECK_THAT(problem_of(scratch / "run.db", scratch.path()), Contains("is a directory"));
  CHECK_THAT(problem_of(scratch / "run.db", scratch / "run.db"),
             Contains("is the database itself"));
}

TEST_CASE("a report takes the place of an earlier one, and of nothing else", "[report]") {
  const Scratch scratch;
  make_run(scratch / "run.db");
  make_run(scratch / "other.db");
  make_run(scratch / "going.on.partial");
  const auto content_of = [](const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  const auto stays = [&](const char* name) {
    const std::string before = content_of(scratch / name);
    const std::string problem = problem_of(scratch / "run.db", scratch / name);
    CHECK(content_of(scratch / name) == before);
    return problem;
  };
  CHECK_THAT(stays("other.db"), Contains("other.db: is a database"));
  // The name under which a run keeps what it has so far is not for passing use.
  const std::string going_on = content_of(scratch / "going.on.partial");
  CHECK(problem_of(scratch / "run.db", scratch / "going.on").empty());
  CHECK(content_of(scratch / "going.on.partial") == going_on);
  REQUIRE(::mkfifo((scratch / "pipe").c_str(), 0600) == 0);
  CHECK_THAT(problem_of(scratch / "run.db", scratch / "pipe"),
             Contains("is a device, pipe or socket"));
  std::ofstream(scratch / "mine.html") << "<!doctype html>\n<title>mine</title>\n";
  CHECK_THAT(stays("mine.html"), Contains("is no page that viosim wrote"));
  { std::ofstream(scratch / "out.html"); }
  CHECK(problem_of(scratch / "run.db", scratch / "out.html").empty());
  CHECK(problem_of(scratch / "run.db", scratch / "out.html").empty());
}
