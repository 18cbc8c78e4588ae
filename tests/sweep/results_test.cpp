// `viosim results` and `viosim sweep --dry-run` against the rows of the database.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/confidence.hpp"
#include "sim/sweep/sweep_reader.hpp"
#include "tests/support/catch.hpp"
#include "tests/sweep/bench.hpp"

#include <algorithm>
#include <sstream>

using namespace viosim;
using test::Bench;
using test::rows;

namespace {

const std::string two_axes =
    R"(, "replicates": 4, "seed": 9, "keep": ["host0.dmar0.iotlb.hit_rate", "host0.dev.dma"],
       "axes": [{"name": "entries", "pointer": "/hosts/0/iommus/0/iotlb/entries", "values": [8, 32]},
                {"name": "label", "pointer": "/description", "values": ["a, b"]},
                {"name": "pattern", "variants": [
                  {"name": "far", "set": {"/hosts/0/devices/0/traffic/pattern": "uniform",
                                                  "/hosts/0/devices/0/requests": 500}},
                  {"name": "near", "set": {"/hosts/0/devices/0/requests": 64}}]}])";

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

// Of a line without quotes.
std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> all;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) all.push_back(cell);
  return all;
}

std::string results(const Bench& bench, std::vector<std::string> more) {
  more.insert(more.begin(), {"results", bench.result("out").string()});
  const test::Ended ended = bench.program(more);
  REQUIRE(ended.exit_code() == 0);
  return ended.output;
}

}  // namespace

TEST_CASE("means and intervals of groups are those of their rows", "[sweep]") {
  Bench bench(two_axes);
  REQUIRE(bench.run("out").exit_code() == 0);
  const auto table = lines(
      results(bench, {"--csv", "--group-by", "entries", "--metric", "host0.dmar0.iotlb.hit_rate"}));
  REQUIRE(table.size() == 3);
  CHECK(table[0] == "entries,figure,unit,runs,mean,half_width,deviation,min,p50,p90,p99,max");
  for (std::size_t line = 1; line < 3; ++line) {
    const auto row = cells(table[line]);
    Samples samples;
    std::vector<double> values;
    for (const std::string& value : rows(bench.result("out"),
                                         "SELECT value FROM result JOIN parameter USING(point) "
                                         "WHERE parameter.name = 'entries' AND "
                                         "figure = 'host0.dmar0.iotlb.hit_rate' AND text = '" +
                                             row[0] + "'")) {
      samples.add(std::stod(value));
      values.push_back(std::stod(value));
    }
    std::sort(values.begin(), values.end());
    CHECK(samples.count() == 8);
    CHECK(row[3] == "8");
    CHECK(std::stod(row[4]) == Approx(samples.mean()));
    CHECK(std::stod(row[5]) == Approx(*samples.half_width(0.95)));
    CHECK(std::stod(row[7]) == Approx(samples.min()));
    // Of eight values half are not above the fourth, and nine tenths not above the last only.
    CHECK(std::stod(row[8]) == Approx(values[3]));
    CHECK(std::stod(row[9]) == Approx(values[7]));
    CHECK(std::stod(row[11]) == Approx(samples.max()));
  }
}

TEST_CASE("a percentile is the smallest value that so many of a hundred are not above", "[sweep]") {
  FigureRow row;
  CHECK_FALSE(row.percentile(0.5));
  row.values = {7};
  CHECK(row.percentile(0.5) == 7.0);
  CHECK(row.percentile(0.99) == 7.0);
  row.values.clear();
  for (int value = 1; value <= 200; ++value) row.values.push_back(value);
  CHECK(row.percentile(0.5) == 100.0);
  CHECK(row.percentile(0.9) == 180.0);
  CHECK(row.percentile(0.99) == 198.0);
}

TEST_CASE("groups whose runs all failed are told, without values", "[sweep]") {
  const Bench bench(
      R"(, "axes": [)" + test::axis("[8, 4000000000]") +
      R"(], "limits": {"wall": "1 s"}, "keep": ["host0.dmar0.iotlb.hit_rate", "host0.dev.dma"])");
  REQUIRE(bench.run("out").exit_code() == 1);
  const auto latencies = lines(results(bench, {"--csv", "--latencies"}));
  REQUIRE(latencies.size() == 3);
  CHECK_THAT(latencies[1], Catch::StartsWith("8,host0.dev.dma,1,0,8,"));
  CHECK(latencies[2] == "4000000000,host0.dev.dma,0,1,0,,,,,,");
  CHECK_THAT(results(bench, {"--latencies"}),
             Catch::Contains("4000000000  host0.dev.dma     0       1      0           -       -"));
  const auto table = lines(results(bench, {"--csv", "--metric", "host0.dmar0.iotlb.hit_rate"}));
  REQUIRE(table.size() == 3);
  CHECK_THAT(table[1], Catch::StartsWith("8,host0.dmar0.iotlb.hit_rate,ratio,1,"));
  CHECK(table[2] == "4000000000,host0.dmar0.iotlb.hit_rate,ratio,0,,,,,,,,");
  CHECK_THAT(results(bench, {}), Catch::Contains("4000000000  host0.dmar0.iotlb.hit_rate     0"));
}

TEST_CASE("where every run failed, groups have a row without the name of a latency", "[sweep]") {
  const Bench bench(
      R"(, "axes": [)" + test::axis("[4000000000, 4000000001]") +
      R"(], "limits": {"wall": "20 ms"}, "replicates": 2, "keep": ["host0.dev.dma"])");
  REQUIRE(bench.run("out").exit_code() == 1);
  CHECK(lines(results(bench, {"--csv", "--latencies"})) ==
        std::vector<std::string>{
            "requests,latency,runs,failed,count,mean_ps,p50_ps,p90_ps,p99_ps,p99.9_ps,max_ps",
            "4000000000,,0,2,0,,,,,,", "4000000001,,0,2,0,,,,,,"});
  const std::vector<std::string> figures{
      "requests,figure,unit,runs,mean,half_width,deviation,min,p50,p90,p99,max",
      "4000000000,,,0,,,,,,,,", "4000000001,,,0,,,,,,,,"};
  CHECK(lines(results(bench, {"--csv"})) == figures);
  CHECK_THAT(results(bench, {}), Catch::Contains("\n4000000001       -     0     -"));
  // What `keep` names is no mistake, though no run has it.
  CHECK(lines(results(bench, {"--csv", "--metric", "host0.dev.dma"})) == figures);
  CHECK(lines(results(bench, {"--csv", "--latencies", "--metric", "host0.dev.dma"})).size() == 3);
}

TEST_CASE("latencies and figures count the runs that have them", "[sweep]") {
  const Bench bench(
      R"(, "replicates": 2, "axes": [{"name": "q", "pointer": "/hosts/0/name", "values": ["a", "b", "c"]}])");
  REQUIRE(bench.run("out").exit_code() == 0);
  const auto table =
      lines(results(bench, {"--csv", "--latencies", "--together", "--metric", "b.dev.dma"}));
  REQUIRE(table.size() == 2);
  CHECK_THAT(table[1], Catch::StartsWith("b.dev.dma,2,0,"));
  CHECK_THAT(results(bench, {"--csv", "--together", "--metric", "b.dev.dma.mean"}),
             Catch::Contains("\nb.dev.dma.mean,ps,2,"));
}

TEST_CASE("a sweep that kept no latency says so, and latencies have no confidence", "[sweep]") {
  const bool kept = GENERATE(false, true);
  const Bench bench(R"(, "axes": [)" + test::axis("[8]") + R"(], "keep": [")" +
                    (kept ? "host0.dev.dma" : "host0.dmar0.iotlb.hit_rate") + "\"]");
  REQUIRE(bench.run("out").exit_code() == 0);
  const std::string told = results(bench, {"--latencies"});
  CHECK((told == "s: 1 run of 1 point\n\nno latencies were kept\n") != kept);
  CHECK_THAT(told, Catch::StartsWith("s: 1 run of 1 point\n"));
}

TEST_CASE("results of a sweep without checks say so", "[sweep]") {
  const bool checks = GENERATE(false, true);
  const Bench bench(R"(, "axes": [)" + test::axis("[8]") +
                    (checks ? "]" : R"(], "checks": false)"));
  REQUIRE(bench.run("out").exit_code() == 0);
  const bool told = results(bench, {}).find("\nnot checked: the sweep has \"checks\": false") !=
                    std::string::npos;
  CHECK(told != checks);
}

TEST_CASE("percentiles are those of all runs of a group together", "[sweep]") {
  Bench bench(two_axes);
  REQUIRE(bench.run("out").exit_code() == 0);
  const auto table = lines(results(bench, {"--csv", "--latencies", "--group-by", "entries"}));
  REQUIRE(table.size() == 3);
  CHECK(table[0] ==
        "entries,latency,runs,failed,count,mean_ps,p50_ps,p90_ps,p99_ps,p99.9_ps,max_ps");
  // Four replicates of 500 and of 64 requests. A hit takes 489 ns, which most of them are.
  CHECK(cells(table[2])[2] == "8");
  CHECK(cells(table[2])[3] == "0");
  CHECK(cells(table[2])[4] == std::to_string(4 * (500 + 64)));
}

TEST_CASE("all runs together are one group, and parameters may be a list", "[sweep]") {
  Bench bench(two_axes);
  REQUIRE(bench.run("out").exit_code() == 0);
  const std::vector<std::string> hits{"--csv", "--metric", "host0.dmar0.iotlb.hit_rate"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), hits.begin(), hits.end());
    return results(bench, more);
  };
  const auto together = lines(with({"--together"}));
  REQUIRE(together.size() == 2);
  CHECK(together[0] == "figure,unit,runs,mean,half_width,deviation,min,p50,p90,p99,max");
  CHECK(cells(together[1])[2] == "16");
  CHECK(lines(with({"--group-by", "entries,pattern"})).size() == 5);
  CHECK(with({"--group-by", " entries, pattern "}) == with({"--group-by", "entries,pattern"}));
  CHECK(with({"--group-by", "entries,pattern"}) ==
        with({"--group-by", "entries", "--group-by", "pattern"}));
  const test::Ended both = bench.program(
      {"results", bench.result("out").string(), "--together", "--group-by", "entries"});
  CHECK(both.exit_code() == 2);
  CHECK_THAT(both.output, Catch::Contains("expected nothing beside --together"));
}

TEST_CASE("a confidence below 1 is not told as 100 %", "[sweep]") {
  Bench bench(two_axes);
  REQUIRE(bench.run("out").exit_code() == 0);
  const auto [given, told] =
      GENERATE(table<std::string, std::string>({{"0.95", "95"},
                                                {"0.57", "57"},
                                                {"0.999", "99.9"},
                                                {"0.999999999999", "99.9999999999"},
                                                {"0.9999999999999999", "99.99999999999999"}}));
  CHECK_THAT(results(bench, {"--confidence", given, "--together"}),
             Catch::Contains("; means with " + told + " % confidence\n"));
}

TEST_CASE("a parameter that is called like a column has a head of its own", "[sweep]") {
  Bench bench(R"(, "axes": [{"name": "figure", "pointer": "/description", "values": ["a", "b"]},
                            {"name": "point", "pointer": "/hosts/0/devices/0/requests", "values": [8]}],
      "keep": ["host0.dmar0.iotlb.hit_rate"])");
  REQUIRE(bench.run("out").exit_code() == 0);
  CHECK(lines(results(bench, {"--csv"}))[0] ==
        "parameter.figure,point,figure,unit,runs,mean,half_width,deviation,min,p50,p90,p99,max");
  CHECK_THAT(bench.run("out", {"--dry-run"}).output,
             Catch::Contains("  figure  parameter.point\n"));
}

TEST_CASE("cells with commas are quoted", "[sweep]") {
  Bench bench(two_axes);
  REQUIRE(bench.run("out").exit_code() == 0);
  CHECK_THAT(results(bench, {"--csv"}),
             Catch::Contains("8,\"a, b\",far,host0.dmar0.iotlb.hit_rate,"));
}

TEST_CASE("a dry run lists the runs as they then are, and leaves nothing behind", "[sweep]") {
  Bench bench(two_axes);
  const test::Ended dry = bench.run("out", {"--dry-run"});
  REQUIRE(dry.exit_code() == 0);
  CHECK_FALSE(std::filesystem::exists(bench.scratch() / "out"));
  CHECK_THAT(dry.output, Catch::StartsWith("s: 4 points, grid, 16 runs\n"));
  REQUIRE(bench.run("out").exit_code() == 0);
  const auto table = lines(dry.output);
  const auto runs = rows(bench.result("out"), "SELECT run, point, replicate, seed FROM run");
  REQUIRE(table.size() == runs.size() + 3);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    std::istringstream in(table[i + 3]);
    std::string listed;
    for (int c = 0; c < 4; ++c) {
      std::string cell;
      in >> cell;
      listed += cell + '|';
    }
    CHECK(listed == runs[i]);
  }
}

TEST_CASE("files that are no results are refused", "[sweep]") {
  Bench bench("");
  const auto said = [&](const std::string& file) {
    const test::Ended ended = bench.program({"results", file});
    CHECK(ended.exit_code() == 2);
    return ended.output;
  };
  CHECK_THAT(said((bench.scratch() / "nowhere").string()),
             Catch::Contains("there is no such file"));
  CHECK_THAT(said(bench.scratch().path().string()),
             Catch::Contains("is no file; expected the result"));
  CHECK_THAT(said((bench.scratch() / "s.json").string()),
             Catch::Contains("this is not a result of a sweep (not an SQLite file)"));
}
