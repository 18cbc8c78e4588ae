// Results of sweeps that somebody has changed: refused with the table's name, also where there are no digests.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/sweep/bench.hpp"

using namespace viosim;
using test::Bench;

namespace {

const std::string four_points =
    R"(, "replicates": 2, "keep": ["host0.dmar0.iotlb.hit_rate", "host0.dev.dma"],
       "axes": [{"name": "requests", "pointer": "/hosts/0/devices/0/requests", "values": [8, 16]},
                {"name": "entries", "pointer": "/hosts/0/iommus/0/iotlb/entries", "values": [8, 32]}])";

// What makes a file one of format 1, which has no digests.
constexpr const char* without_digests =
    "; DROP TABLE digest; DROP TABLE stop; PRAGMA user_version = 1";

struct Damage {
  std::string sql;
  std::string table;    // that does not fit its digest
  std::string message;  // where there are no digests
};

const std::vector<Damage> damages = {
    {"DELETE FROM run", "run", "table run has no rows"},
    {"DELETE FROM run WHERE run = 7", "run", "the point of a run of table metric is nothing"},
    {"UPDATE run SET point = -1 WHERE run = 3", "run", "run.point is -1"},
    {"UPDATE run SET point = 5000000000 WHERE run = 3", "run",
     "points are not numbered 0, 1, 2 ... in table run"},
    {"UPDATE run SET point = 'x' WHERE run = 3", "run", "run.point is a text"},
    {"UPDATE parameter SET point = 99999 WHERE point = 3", "parameter",
     "parameter.point is 99999; expected an integer from 0, less than 4"},
    {"UPDATE parameter SET axis = -1 WHERE point = 2 AND axis = 0", "parameter",
     "parameter.axis is -1"},
    {"DELETE FROM parameter WHERE point = 2 AND axis = 1", "parameter",
     "does not have each axis once at each point"},
    {"UPDATE axis SET id = id + 100", "axis", "axes are not numbered 0, 1, 2 ..."},
    {"UPDATE figure SET id = id + 100", "figure", "figures are not numbered 0, 1, 2 ..."},
    {"INSERT INTO metric VALUES(0, 999, 1.5)", "metric",
     "metric.figure is 999; expected an integer from 0, less than 4"},
    {"UPDATE metric SET value = 'abc' WHERE run = 1 AND figure = 0", "metric",
     "metric.value is a text; expected a number"},
    {"UPDATE metric SET value = 9e999 WHERE run = 1 AND figure = 0", "metric",
     "metric.value is Inf; expected a number"},
    {"UPDATE histogram SET point = 77777 WHERE id = 1", "histogram", "histogram.point is 77777"},
    {"UPDATE histogram SET max = -1 WHERE id = 1", "histogram", "histogram.max is -1"},
    {"UPDATE histogram_bucket SET bucket = 999999999 WHERE histogram = 1 AND bucket = "
     "(SELECT min(bucket) FROM histogram_bucket WHERE histogram = 1)",
     "histogram_bucket", "histogram_bucket.bucket is 999999999"},
    {"DELETE FROM histogram_bucket WHERE histogram = 1", "histogram_bucket",
     "a row of table histogram does not have what its buckets have"},
    {"INSERT INTO failure VALUES(99, 'crash', 'r', 'c')", "failure",
     "the point of a run of table failure is nothing"},
};

void change(const std::filesystem::path& file, const std::string& sql) {
  Connection(file.string(), Connection::Mode::read).run(sql);
}

}  // namespace

TEST_CASE("a result that was changed is refused with the table's name", "[sweep]") {
  const Bench bench(four_points);
  REQUIRE(bench.run("out").exit_code() == 0);
  const std::filesystem::path file = bench.scratch() / "changed.db";
  const auto expect = [&](const std::vector<std::string>& words, const std::string& message) {
    const test::Ended ended = bench.program(words);
    CHECK(ended.exit_code() == 2);
    CHECK_THAT(ended.output, Catch::Contains("changed.db: the result of a sweep is damaged: ") &&
                                 Catch::Contains(message));
  };
  for (const Damage& damage : damages) {
    CAPTURE(damage.sql);
    for (const bool digests : {true, false}) {
      std::filesystem::copy_file(bench.result("out"), file,
                                 std::filesystem::copy_options::overwrite_existing);
      change(file, damage.sql + (digests ? "" : without_digests));
      const std::string message =
          digests ? "table " + damage.table + " is not as it was written" : damage.message;
      expect({"results", file.string()}, message);
      expect({"report", file.string()}, message);
    }
  }
}

TEST_CASE("what a damaged file holds is shown, and not obeyed by the terminal", "[sweep]") {
  const Bench bench("");
  REQUIRE(bench.run("out").exit_code() == 0);
  change(bench.result("out"),
         "UPDATE manifest SET value = char(27) || '[31mred' || char(155) WHERE key = 'name'");
  const test::Ended ended = bench.run("out");
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output, Catch::Contains("is the result of the sweep \"\\u001b[31mred\\u009b\""));
  CHECK(ended.output.find('\x1b') == std::string::npos);
}

TEST_CASE("a result of format 1, which has no digests, is read", "[sweep]") {
  const Bench bench(four_points);
  REQUIRE(bench.run("out").exit_code() == 0);
  const std::vector<std::string> words{"results", bench.result("out").string()};
  const std::string before = bench.program(words).output;
  change(bench.result("out"), std::string("SELECT 1") + without_digests);
  const test::Ended after = bench.program(words);
  CHECK(after.exit_code() == 0);
  CHECK(after.output == before);
}

TEST_CASE("a latency that the sweep did not keep is refused", "[sweep]") {
  const Bench bench(four_points);
  REQUIRE(bench.run("out").exit_code() == 0);
  const test::Ended ended = bench.program(
      {"results", bench.result("out").string(), "--latencies", "--metric", "host0.dev.dmaa"});
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output, Catch::Contains("expected a latency with its histogram that the sweep "
                                           "kept; did you mean \"host0.dev.dma\"?"));
}
