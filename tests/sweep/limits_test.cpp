// Runs that crash, hang, want too much or are wrong: rows of `failure`, each with a command that does it again.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/sweep/bench.hpp"

#include <chrono>
#include <cstdlib>
#include <thread>

using namespace viosim;
using test::axis;
using test::Bench;
using test::count;
using test::Ended;
using test::rows;

namespace {

// What the command of the only failure ends with, as pasted into a shell somewhere else.
int replayed(const Bench& bench) {
  const std::string command = rows(bench.result("out"), "SELECT replay FROM failure").at(0);
  const std::filesystem::path elsewhere = bench.scratch() / "elsewhere";
  std::filesystem::create_directories(elsewhere);
  const std::string pasted =
      "cd " + elsewhere.string() + " && " + command.substr(0, command.size() - 1) + " >output 2>&1";
  const int status = std::system(pasted.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// 0: it has none.
pid_t child_of(pid_t parent) {
  const std::string id = std::to_string(parent);
  std::ifstream in("/proc/" + id + "/task/" + id + "/children");
  pid_t child = 0;
  in >> child;
  return child;
}

// Waits for it.
pid_t first_run_of(const test::Program& program, const Bench& bench) {
  pid_t run = 0;
  for (int i = 0; i < 2000 && run == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    // The child that looks for `keep` before anything runs is none of the runs.
    if (std::filesystem::exists(bench.unfinished("out"))) run = child_of(program.id());
  }
  REQUIRE(run != 0);
  return run;
}

}  // namespace

TEST_CASE("a run that hangs becomes a failed row, and the others go on", "[sweep]") {
  const Bench bench(R"(, "axes": [)" + axis("[10, 4000000000, 20]") +
                    R"(], "limits": {"wall": "1 s"})");
  const Ended ended = bench.run("out", {"--jobs", "2"});
  CHECK(ended.exit_code() == 1);
  CHECK_THAT(ended.output, Catch::Contains("1 failed"));
  CHECK(rows(bench.result("out"), "SELECT run, failed FROM run") ==
        std::vector<std::string>{"0|0|", "1|1|", "2|0|"});
  CHECK(rows(bench.result("out"), "SELECT run, kind, reason FROM failure") ==
        std::vector<std::string>{"1|wall|not done after 1 s|"});
  CHECK_THAT(rows(bench.result("out"), "SELECT replay FROM failure")[0],
             Catch::StartsWith("timeout 1 /") && Catch::Contains("requests=4000000000"));
  CHECK(replayed(bench) == 124);  // as timeout says
}

// Where addresses have shadows, 20 TiB of a program's address space are mapped.
#ifndef VIOSIM_SANITIZED

TEST_CASE("runs that want more than their memory become failed rows", "[sweep]") {
  // What the first point maps at once is refused at once, also when `keep` is looked for there.
  const Bench bench(R"(, "axes": [{"name": "window", "pointer": "/hosts/0/devices/0/traffic/window",
                                    "values": ["900 GiB", "256 KiB"]}],
      "keep": ["host0.dev"], "limits": {"memory": "600 MiB"})");
  const Ended ended = bench.run("out");
  CAPTURE(ended.output);
  CHECK(ended.exit_code() == 1);
  CHECK(rows(bench.result("out"), "SELECT run, failed FROM run") ==
        std::vector<std::string>{"0|1|", "1|0|"});
  CHECK(count(bench.result("out"), "failure WHERE kind IN ('memory', 'crash')") == 1);
  CHECK_THAT(rows(bench.result("out"), "SELECT replay FROM failure")[0],
             Catch::StartsWith("(ulimit -v 614400; /"));
  CHECK(replayed(bench) != 0);
}

#endif

TEST_CASE("a limit that leaves a run nothing is refused", "[sweep]") {
  const Bench bench(R"(, "limits": {"memory": "1 MiB"})");
  const std::vector<std::string> more =
      GENERATE(std::vector<std::string>{}, std::vector<std::string>{"--dry-run"});
  const Ended ended = bench.run("out", more);
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output,
             Catch::Contains("s.json: /limits/memory: read \"1 MiB\"; expected more than ") &&
                 Catch::Contains(", which the program itself takes"));
}

TEST_CASE("a run is not overdue for the time that its sweep was stopped", "[sweep]") {
  const Bench bench(R"(, "limits": {"wall": "12 s"}, "axes": [)" + axis("[4000000000]") + "]");
  const test::Program program(bench.scratch(), bench.words("out", {"--jobs", "1"}));
  const pid_t run = first_run_of(program, bench);
  for (const pid_t each : {program.id(), run}) ::kill(each, SIGSTOP);
  std::this_thread::sleep_for(std::chrono::seconds(13));
  for (const pid_t each : {program.id(), run}) ::kill(each, SIGCONT);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  ::kill(run, SIGABRT);
  const Ended ended = program.wait();
  CHECK(ended.exit_code() == 1);
  CHECK(rows(bench.result("out"), "SELECT kind FROM failure") ==
        std::vector<std::string>{"crash|"});
}

TEST_CASE("a run whose process is killed becomes a failed row, and the others go on", "[sweep]") {
  const Bench bench(R"(, "axes": [)" + axis("[4000000000, 20]") + "]");
  const test::Program program(bench.scratch(), bench.words("out", {"--jobs", "1"}));
  const pid_t run = first_run_of(program, bench);
  ::kill(run, SIGABRT);  // sanitizers make an exit code of SIGSEGV
  const Ended ended = program.wait();
  CHECK(ended.exit_code() == 1);
  CHECK(rows(bench.result("out"), "SELECT run, failed, as_expected FROM run") ==
        std::vector<std::string>{"0|1|0|", "1|0|1|"});
  CHECK(rows(bench.result("out"), "SELECT run, kind, reason FROM failure") ==
        std::vector<std::string>{"0|crash|its process ended by signal 6 (Aborted)|"});
}

TEST_CASE("a point whose scenario is wrong becomes a failed row", "[sweep]") {
  // Each value by itself is right; both together are not.
  const Bench bench(
      R"(, "axes": [{"name": "entries", "pointer": "/hosts/0/iommus/0/iotlb/entries", "values": [64, 4]},
                    {"name": "ways", "pointer": "/hosts/0/iommus/0/iotlb/ways", "values": [4, 8]}])");
  const Ended ended = bench.run("out");
  CHECK(ended.exit_code() == 1);
  CHECK(count(bench.result("out"), "failure WHERE kind = 'invalid'") == 1);
  CHECK(replayed(bench) == 2);

  const Ended dry = bench.run("dry", {"--dry-run"});
  CHECK(dry.exit_code() == 1);
  CHECK_THAT(dry.output, Catch::Contains("8  would fail\n\n1 point of 4 would fail:\n  point 3: "));
  CHECK(bench.program({"validate", (bench.scratch() / "s.json").string()}).exit_code() == 2);
}

TEST_CASE("a dry run refuses what a sweep refuses", "[sweep]") {
  const std::string more =
      GENERATE(R"(, "keep": ["host0.dev.dmaa"])",
               R"(, "stop": {"metric": "host0.dev.dma.men", "half_width": "2 %"})",
               R"(, "stop": {"metric": "host0.dev.dma.mean", "half_width": "10 KiB"})");
  CAPTURE(more);
  const Bench bench(more);
  const Ended plain = bench.run("out");
  CHECK(plain.exit_code() == 2);
  const Ended dry = bench.run("out", {"--dry-run"});
  CHECK(dry.exit_code() == 2);
  CHECK(dry.output == plain.output);
}
