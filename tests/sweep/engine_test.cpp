// Whole sweeps by the real program: interrupted, killed, resumed.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/experiment.hpp"
#include "sim/sweep/journal.hpp"
#include "tests/support/catch.hpp"
#include "tests/sweep/bench.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace viosim;
using test::axis;
using test::Bench;
using test::contents;
using test::count;
using test::Ended;
using test::rows;

namespace {

// About 100 runs of some milliseconds each; those with more requests take longer, so that they do not end
// in the order of their numbers.
const std::string many =
    R"(, "axes": [)" + axis("[200000, 100, 90000, 200, 50000]") +
    R"(, {"name": "read", "pointer": "/hosts/0/iommus/0/walk_read", "range": {"from": "20 ns", "to": "2 us",
       "count": 10, "scale": "logarithmic"}}], "replicates": 2, "keep": ["host0.dev", "host0.dmar0.iotlb"])";

// That have its sweep among their arguments, as all do which its program has forked.
std::size_t processes_of(const Bench& bench) {
  std::size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream in(entry.path() / "cmdline");
    std::string words;
    std::getline(in, words);  // of a process that has ended meanwhile: nothing
    if (words.find((bench.scratch() / "s.json").string()) != std::string::npos) ++found;
  }
  return found;
}

// Starts it, and sends a signal when some runs are done but not all.
Ended stopped_midway(const Bench& bench, const std::string& out, int signal) {
  const test::Program program(bench.scratch(), bench.words(out, {"--jobs", "2"}));
  for (int i = 0; i < 2000; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::error_code ignored;
    // The tables alone are 12 KiB.
    if (std::filesystem::file_size(bench.unfinished(out), ignored) > 24576 && !ignored) break;
  }
  program.send(signal);
  return program.wait();
}

}  // namespace

TEST_CASE("one job and four jobs give the same rows", "[sweep]") {
  const Bench bench(many);
  REQUIRE(bench.run("one", {"--jobs", "1"}).exit_code() == 0);
  REQUIRE(bench.run("four", {"--jobs", "4"}).exit_code() == 0);
  CHECK(count(bench.result("one"), "run") == 100);
  CHECK(count(bench.result("one"), "wall") == 100);
  CHECK(count(bench.result("one"), "histogram") == 50);
  CHECK(contents(bench.result("one")) == contents(bench.result("four")));
  CHECK_FALSE(std::filesystem::exists(bench.unfinished("one")));
}

TEST_CASE("a sweep that was interrupted or killed and resumed gives the rows of a plain one",
          "[sweep]") {
  const int signal = GENERATE(SIGINT, SIGTERM, SIGKILL);
  CAPTURE(signal);
  const Bench bench(many);
  REQUIRE(bench.run("plain").exit_code() == 0);
  const Ended ended = stopped_midway(bench, "stopped", signal);
  REQUIRE(WIFSIGNALED(ended.status));
  CHECK(WTERMSIG(ended.status) == signal);
  if (signal != SIGKILL) CHECK_THAT(ended.output, Catch::Contains("--resume goes on"));
  REQUIRE_FALSE(std::filesystem::exists(bench.result("stopped")));
  const std::int64_t kept = count(bench.unfinished("stopped"), "finished");
  CHECK(kept > 0);
  CHECK(kept < 100);

  const Ended anew = bench.run("stopped");
  CHECK(anew.exit_code() == 2);
  CHECK_THAT(anew.output, Catch::Contains("holds " + std::to_string(kept) + " finished runs"));

  const Ended resumed = bench.run("stopped", {"--resume"});
  REQUIRE(resumed.exit_code() == 0);
  CHECK_THAT(resumed.output, !Catch::Contains("nothing to go on"));
  CHECK_THAT(resumed.output, Catch::Contains("(" + std::to_string(kept) + " before)"));
  CHECK(contents(bench.result("stopped")) == contents(bench.result("plain")));
  CHECK_THAT(bench.run("stopped", {"--resume"}).output, Catch::Contains("nothing is left to do: "));
}

TEST_CASE("a sweep that is resumed where nothing was begun says so and begins", "[sweep]") {
  const Bench bench("");
  const Ended ended = bench.run("out", {"--resume"});
  CHECK(ended.exit_code() == 0);
  const std::string out = (bench.scratch() / "out").string();
  CHECK_THAT(ended.output,
             Catch::Contains("viosim: nothing to go on with in " + out + "; beginning\n"));
  const Ended plain = bench.run("plain");
  CHECK_THAT(plain.output, !Catch::Contains("nothing to go on"));
  CHECK(contents(bench.result("out")) == contents(bench.result("plain")));
}

TEST_CASE("workers die with a parent that is killed", "[sweep]") {
  const Bench bench(R"(, "axes": [)" + axis("[4000000000, 4000000001]") + "]");
  const test::Program program(bench.scratch(), bench.words("out", {"--jobs", "2"}));
  for (int i = 0; i < 2000 && processes_of(bench) < 3; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  REQUIRE(processes_of(bench) == 3);
  program.send(SIGKILL);
  program.wait();
  for (int i = 0; i < 2000 && processes_of(bench) > 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(processes_of(bench) == 0);
}

TEST_CASE("a sweep whose file has changed is not resumed, and what changed is told", "[sweep]") {
  const Bench bench(many);
  stopped_midway(bench, "out", SIGKILL);
  bench.write(many + R"(, "seed": 2)");
  const Ended ended = bench.run("out", {"--resume"});
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output, Catch::Contains("cannot be resumed: sweep /seed was 1 and is now 2"));
}

TEST_CASE("a result of another sweep is not taken for that of this one", "[sweep]") {
  const Bench bench("");
  REQUIRE(bench.run("out").exit_code() == 0);
  bench.write(R"(, "replicates": 2)");
  const Ended ended = bench.run("out", {"--resume"});
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output, Catch::Contains("sweep /replicates was null and is now 2"));
}

TEST_CASE("a sweep does not replace the result of one with another name, or something else",
          "[sweep]") {
  const Bench bench("");
  REQUIRE(bench.run("out").exit_code() == 0);
  REQUIRE(bench.run("out").exit_code() == 0);  // its own
  const auto refused = [&](const std::string& change, const std::string& message) {
    Connection(bench.result("out").string(), Connection::Mode::read).run(change);
    const Ended ended = bench.run("out");
    CHECK(ended.exit_code() == 2);
    CHECK_THAT(ended.output, Catch::Contains(message + "; expected another --out, or its removal"));
    CHECK_FALSE(std::filesystem::exists(bench.unfinished("out")));
  };
  refused("UPDATE manifest SET value = 'other' WHERE key = 'name'",
          "sweep.db: is the result of the sweep \"other\"");
  refused("PRAGMA application_id = 7", "sweep.db: is another program's database");
  CHECK(count(bench.result("out"), "run") == 1);
}

TEST_CASE("a sweep takes the place of a file in which nothing is", "[sweep]") {
  const Bench bench("");
  std::filesystem::create_directories(bench.result("out").parent_path());
  std::ofstream(bench.result("out")).close();
  REQUIRE(bench.run("out").exit_code() == 0);
  CHECK(count(bench.result("out"), "run") == 1);
}

TEST_CASE("a metric that is not there is refused before anything runs", "[sweep]") {
  const Bench bench(R"(, "keep": ["host0.dmar0.iotlb.hit_rat"])");
  const Ended ended = bench.run("out");
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output, Catch::Contains("/keep/0: read \"host0.dmar0.iotlb.hit_rat\"") &&
                               Catch::Contains("did you mean") && Catch::Contains("hit_rate"));
}

TEST_CASE("a stop rule gives the same rows with any number of jobs", "[sweep]") {
  const Bench bench(R"(, "axes": [)" + axis("[50, 400]") +
                    R"(, {"name": "pattern", "variants": [{"name": "u", "set":
      {"/hosts/0/devices/0/traffic": {"pattern": "uniform", "window": "4 MiB", "request": "64 B"}}}]}],
      "stop": {"metric": "host0.dmar0.iotlb.hit_rate", "half_width": 0.01, "maximum": 40})");
  REQUIRE(bench.run("one", {"--jobs", "1"}).exit_code() == 0);
  REQUIRE(bench.run("five", {"--jobs", "5"}).exit_code() == 0);
  CHECK(contents(bench.result("one")) == contents(bench.result("five")));
  // Fewer samples need more replicates; neither needs none.
  const auto replicates = rows(bench.result("one"), "SELECT count(*) FROM run GROUP BY point");
  REQUIRE(replicates.size() == 2);
  CHECK(std::stoi(replicates[0]) > std::stoi(replicates[1]));
}

TEST_CASE("of the runs before, those are told that a stop rule needs", "[sweep]") {
  const Bench bench(R"(, "axes": [)" + axis("[50, 60]") +
                    R"(], "keep": ["host0.dmar0.iotlb.hit_rate"],
      "stop": {"metric": "host0.dmar0.iotlb.hit_rate", "half_width": 1, "minimum": 2, "maximum": 4})");
  Experiment experiment(bench.scratch() / "s.json");
  std::filesystem::create_directories(bench.scratch() / "out");
  std::vector<FinishedRun> finished(4);  // two more of the first point than it needs
  for (std::size_t i = 0; i < finished.size(); ++i) {
    finished[i].run = i;
    finished[i].outcome.figures = {{"host0.dmar0.iotlb", "hit_rate", "ratio", 0.5}};
    finished[i].outcome.watched = {0.5};
  }
  experiment.check_each_value();
  Journal(bench.unfinished("out"), identity_of(experiment), {experiment.most_runs(), false})
      .store(finished);
  const Ended ended = bench.run("out", {"--resume"});
  CHECK(ended.exit_code() == 0);
  CHECK_THAT(ended.output, Catch::Contains("\n4 runs in ") && Catch::Contains(" (2 before), "));
}

TEST_CASE("a stop rule that was not fulfilled is told, wherever the result is", "[sweep]") {
  const Bench bench(R"(, "axes": [)" + axis("[50, 40000]") +
                    R"(, {"name": "pattern", "variants": [{"name": "u", "set":
      {"/hosts/0/devices/0/traffic": {"pattern": "uniform", "window": "4 MiB", "request": "64 B"}}}]}],
      "stop": {"metric": "host0.dmar0.iotlb.hit_rate", "half_width": 0.01, "maximum": 4})");
  const Ended ended = bench.run("out");
  CHECK(ended.exit_code() == 0);
  const std::string told =
      "1 point ended at the most replicates without having fulfilled the stop rule";
  CHECK_THAT(ended.output, Catch::Contains(told));
  CHECK(rows(bench.result("out"), "SELECT point, fulfilled FROM stop") ==
        std::vector<std::string>{"0|0|", "1|1|"});
  CHECK_THAT(bench.program({"results", bench.result("out").string()}).output,
             Catch::Contains(told));
}
