// Sweeps on a Slurm that is played by scripts: what it may refuse, lose and do twice.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/sweep/bench.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

using namespace viosim;
using test::axis;
using test::Bench;
using test::contents;
using test::count;
using test::Ended;
using test::rows;

namespace {

// While it lives PATH begins with Slurm's commands, as fake_slurm.sh plays them.
class FakeSlurm {
 public:
  FakeSlurm() {
    for (const char* name : {"sbatch", "squeue", "scancel"})
      std::filesystem::create_symlink(std::string(VIOSIM_SOURCE_DIR) + "/tests/sweep/fake_slurm.sh",
                                      scratch_ / name);
    ::setenv("FAKE_SLURM", scratch_.path().c_str(), 1);
    ::setenv("PATH", (scratch_.path().string() + ":/usr/bin:/bin").c_str(), 1);
  }
  // What its commands say instead of working, once for each line.
  void refuse(const std::string& lines) const { std::ofstream(scratch_ / "refuse") << lines; }
  // Why tasks wait: a line for each time that one asks.
  void pending(const std::string& lines) const { std::ofstream(scratch_ / "pending") << lines; }
  // Runs instead of what was submitted, which is $FAKE_SCRIPT.
  void tasks(const std::string& script) const { std::ofstream(scratch_ / "task") << script; }
  bool runs(int job) const { return std::filesystem::exists(scratch_ / fmt::format("{}.0", job)); }
  bool cancelled() const { return std::filesystem::exists(scratch_ / "cancelled"); }
  // What scancel was called with.
  std::string cancellations() const {
    std::ifstream in(scratch_ / "cancelled");
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string submitted() const {
    std::ifstream in(scratch_ / "submitted");
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  Scratch scratch_;
};

// Of the environment, while it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

const std::string twenty = R"(, "axes": [)" + axis("[100, 2000, 300, 50]") +
                           R"(], "replicates": 5, "keep": ["host0.dev"])";

std::vector<std::string> on_cluster(std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"--engine", "slurm", "--poll", "1"});
  return more;
}

}  // namespace

TEST_CASE("tasks of a cluster give the rows of a local sweep", "[sweep]") {
  const FakeSlurm slurm;
  const Bench bench(twenty);
  REQUIRE(bench.run("local").exit_code() == 0);
  const std::vector<std::string> options =
      GENERATE(std::vector<std::string>{}, std::vector<std::string>{"--slice", "3"},
               std::vector<std::string>{"--slice", "1", "--tasks", "2", "--jobs", "2"});
  REQUIRE(bench.run("cluster", on_cluster(options)).exit_code() == 0);
  CHECK(count(bench.result("cluster"), "run") == 20);
  CHECK(contents(bench.result("cluster")) == contents(bench.result("local")));
  CHECK_FALSE(std::filesystem::exists(bench.result("cluster").parent_path() / "sweep.slices"));
}

TEST_CASE("what users want of sbatch is handed on", "[sweep]") {
  const FakeSlurm slurm;
  const Bench bench(twenty);
  REQUIRE(bench
              .run("out", on_cluster({"--partition", "day", "--sbatch=--mem=2G", "--slice", "10",
                                      "--sbatch=--time=5", "--jobs", "3"}))
              .exit_code() == 0);
  CHECK_THAT(slurm.submitted(),
             Catch::Contains(" --cpus-per-task=3 --partition=day --mem=2G --time=5"));
  CHECK_THAT(slurm.submitted(), Catch::Contains("--array=0-1 "));
}

TEST_CASE("tasks that are run twice at the same time do no harm", "[sweep]") {
  const FakeSlurm slurm;
  slurm.tasks("sh $FAKE_SCRIPT & sh $FAKE_SCRIPT; wait");
  const Bench bench(twenty);
  REQUIRE(bench.run("local").exit_code() == 0);
  REQUIRE(bench.run("cluster", on_cluster({"--slice", "7"})).exit_code() == 0);
  CHECK(contents(bench.result("cluster")) == contents(bench.result("local")));
}

TEST_CASE("a stop rule gives the same rows on a cluster", "[sweep]") {
  const FakeSlurm slurm;
  const Bench bench(R"(, "axes": [)" + axis("[50, 400]") +
                    R"(, {"name": "pattern", "variants": [{"name": "u", "set":
      {"/hosts/0/devices/0/traffic": {"pattern": "uniform", "window": "4 MiB", "request": "64 B"}}}]}],
      "stop": {"metric": "host0.dmar0.iotlb.hit_rate", "half_width": 0.01, "maximum": 40})");
  REQUIRE(bench.run("local").exit_code() == 0);
  REQUIRE(bench.run("cluster", on_cluster({"--slice", "4"})).exit_code() == 0);
  CHECK(contents(bench.result("cluster")) == contents(bench.result("local")));
}

TEST_CASE("tasks that a stop rule no longer asks for are cancelled while others go on", "[sweep]") {
  const FakeSlurm slurm;
  const Bench bench(R"(, "axes": [)" + axis("[50, 400]") +
                    R"(, {"name": "pattern", "variants": [{"name": "u", "set":
      {"/hosts/0/devices/0/traffic": {"pattern": "uniform", "window": "4 MiB", "request": "64 B"}}}]}],
      "stop": {"metric": "host0.dmar0.iotlb.hit_rate", "half_width": 0.01, "maximum": 40})");
  REQUIRE(bench.run("local").exit_code() == 0);
  REQUIRE(rows(bench.result("local"), "SELECT count(*) FROM run GROUP BY point") ==
          std::vector<std::string>{"21|", "12|"});
  // The third round has replicates 9 to 20 of both points in turn, as tasks 18 to 41. Those from 25 on that belong to
  // point 1 are not needed when the first of them have been done.
  slurm.tasks(
      "[ $SLURM_JOB_ID = 3 ] && sleep $(((SLURM_ARRAY_TASK_ID - 16) / 6)); exec sh $FAKE_SCRIPT");
  REQUIRE(bench.run("cluster", on_cluster({"--slice", "1"})).exit_code() == 0);
  CHECK_THAT(slurm.cancellations(), Catch::StartsWith("--quiet 3_") && Catch::Contains("3_41") &&
                                        !Catch::Contains("3_40"));
  CHECK(contents(bench.result("cluster")) == contents(bench.result("local")));
}

TEST_CASE("what sbatch refuses is shown", "[sweep]") {
  const FakeSlurm slurm;
  slurm.refuse("sbatch: error: Batch job submission failed: Invalid account\n");
  const Bench bench(twenty);
  const Ended ended = bench.run("out", on_cluster());
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output,
             Catch::Contains("sbatch ended with exit code 1: sbatch: error: Batch job "
                             "submission failed: Invalid account"));
  // Nothing stands in the way of a second try.
  CHECK(bench.run("out", on_cluster()).exit_code() == 0);
}

TEST_CASE("a controller that does not answer for a while is told, and waited for", "[sweep]") {
  const FakeSlurm slurm;
  slurm.refuse("squeue: error: Unable to contact slurm controller\n");
  slurm.tasks("sleep 2.5; sh $FAKE_SCRIPT");
  const Bench bench(twenty);
  const Ended ended = bench.run("out", on_cluster());
  CHECK(ended.exit_code() == 0);
  CHECK_THAT(ended.output, Catch::Contains("Unable to contact slurm controller"));
  CHECK(count(bench.result("out"), "run") == 20);
}

TEST_CASE("why tasks wait is told once, where that may not pass by itself", "[sweep]") {
  const FakeSlurm slurm;
  slurm.pending("Priority\nPartitionConfig\nPartitionConfig\nJobHeldUser\n");
  const Bench bench(twenty);
  const Ended ended = bench.run("out", on_cluster({"--slice", "10"}));
  CHECK(ended.exit_code() == 0);
  const std::string first =
      "viosim: job 1 waits: PartitionConfig, which may not pass by itself; expected what a node of "
      "the partition has: fewer --jobs, which are processors of a task, another --partition, or "
      "other limits by --sbatch (\"scontrol show job 1\" tells more)\n";
  const std::string second =
      "viosim: job 1 waits: JobHeldUser, which may not pass by itself; expected a job that is not "
      "held: \"scontrol release\" (\"scontrol show job 1\" tells more)\n";
  CHECK_THAT(ended.output, Catch::Contains(first + second));
  CHECK(ended.output.find("waits") == ended.output.find("waits: PartitionConfig"));
  CHECK(ended.output.rfind("waits") == ended.output.rfind("waits: JobHeldUser"));
}

TEST_CASE("without Slurm's commands a sweep on a cluster is refused", "[sweep]") {
  const Bench bench(twenty);
  ::setenv("PATH", bench.scratch().path().c_str(), 1);
  const Ended ended = bench.run("out", on_cluster());
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output,
             Catch::Contains("sbatch is not in PATH") && Catch::Contains("slurm-client"));
}

TEST_CASE("options of a cluster are refused without one", "[sweep]") {
  const Bench bench(twenty);
  const Ended ended = bench.run("out", {"--partition", "day", "--slice", "3"});
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output, Catch::Contains("--partition is an option of --engine slurm only") &&
                               Catch::Contains("--slice is an option of --engine slurm only"));
}

TEST_CASE("tasks that cannot begin end the sweep, with what they printed", "[sweep]") {
  const FakeSlurm slurm;
  slurm.tasks("echo viosim: no such file; exit 127");
  const Bench bench(twenty);
  const Ended ended = bench.run("out", on_cluster());
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(
      ended.output,
      Catch::Contains("3 tasks of slice 0 have ended (FAILED) before they began; the last one "
                      "printed:\n  viosim: no such file"));
  // Nothing stands in the way of a second try.
  slurm.tasks("sh $FAKE_SCRIPT");
  CHECK(bench.run("out", on_cluster()).exit_code() == 0);
}

#ifndef VIOSIM_SANITIZED  // sanitizers look at memory through pipes of their own
TEST_CASE("a node without room for a process does not make a run a failed one", "[sweep]") {
  const FakeSlurm slurm;
  // One descriptor beside the three: enough to read, and none for a pipe to a run. Others may be inherited.
  slurm.tasks(
      "exec bash -c 'for i in 3 4 5 6 7 8 9; do eval \"exec $i>&-\"; done; ulimit -n 4; "
      ". \"$FAKE_SCRIPT\"'");
  const Bench bench(R"(, "axes": [)" + axis("[10, 20]") + R"(], "keep": ["host0.dev"])");
  const Ended ended = bench.run("out", on_cluster());
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output, Catch::Contains("have ended (FAILED) before they began") &&
                               Catch::Contains("no process can be started for a run"));
  slurm.tasks("sh $FAKE_SCRIPT");
  CHECK(bench.run("out", on_cluster()).exit_code() == 0);
  CHECK(count(bench.result("out"), "run WHERE failed = 0") == 2);
}
#endif

TEST_CASE("what a task cannot write is no fault of its runs", "[sweep]") {
  const FakeSlurm slurm;
  // Each file has room for 1 KiB: for slices and parts that say that a task has begun.
  slurm.tasks("trap '' XFSZ; ulimit -f 2; exec sh $FAKE_SCRIPT");
  const Bench bench(R"(, "axes": [)" + axis("[10, 20]") + "]");
  const Ended ended = bench.run("out", on_cluster({"--slice", "1"}));
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output,
             Catch::Contains("3 tasks of a run have ended (FAILED) without its outcome") &&
                 Catch::Contains("cannot be written: File too large"));
  slurm.tasks("sh $FAKE_SCRIPT");
  CHECK(bench.run("out", on_cluster({"--resume"})).exit_code() == 0);
  CHECK(count(bench.result("out"), "run WHERE failed = 0") == 2);
}

TEST_CASE("a shared directory that is not there is refused, and not made", "[sweep]") {
  const FakeSlurm slurm;
  const Bench bench(twenty);
  const std::filesystem::path nowhere = bench.scratch() / "nowhere";
  const Ended ended = bench.run("out", on_cluster({"--shared", nowhere.string()}));
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output, Catch::Contains("nowhere: there is no such directory"));
  CHECK_FALSE(std::filesystem::exists(nowhere));
}

TEST_CASE("a shared directory is one sweep's at a time", "[sweep]") {
  const FakeSlurm slurm;
  const Bench bench(twenty);
  const Scratch shared;
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--shared", shared.path().string(), "--slice", "20"});
    return on_cluster(more);
  };
  slurm.tasks("sleep 60");
  const test::Program first(bench.scratch(), bench.words("first", with({})));
  for (int i = 0; i < 2000 && !slurm.runs(1); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  REQUIRE(slurm.runs(1));
  const Scratch elsewhere;
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, std::vector<std::string>{"--resume"}}) {
    const Ended second = test::Program(elsewhere, bench.words("second", with(more))).wait();
    CHECK(second.exit_code() == 2);
    CHECK_THAT(second.output, Catch::Contains("lock: another sweep works with this directory"));
  }
  first.send(SIGKILL);
  first.wait();
  slurm.tasks("sh $FAKE_SCRIPT");
  CHECK(bench.run("first", with({"--resume"})).exit_code() == 0);
  CHECK(count(bench.result("first"), "run") == 20);
  CHECK(std::filesystem::is_empty(shared.path()));
}

TEST_CASE("slices that a whole sweep has left go when one goes on with it", "[sweep]") {
  const FakeSlurm slurm;
  const Bench bench(twenty);
  const std::filesystem::path slices = bench.result("out").parent_path() / "sweep.slices";
  const std::filesystem::path kept = bench.scratch() / "kept";
  slurm.tasks(fmt::format("cp -r {} {}; sh $FAKE_SCRIPT", slices.string(), kept.string()));
  REQUIRE(bench.run("out", on_cluster({"--slice", "20"})).exit_code() == 0);
  std::filesystem::rename(kept, slices);
  const Ended ended = bench.run("out", on_cluster({"--resume"}));
  CHECK(ended.exit_code() == 0);
  CHECK_THAT(ended.output, Catch::Contains("complete"));
  CHECK_FALSE(std::filesystem::exists(slices));
}

TEST_CASE("a run that takes its task with it is at last alone, and becomes a failed row",
          "[sweep]") {
  const FakeSlurm slurm;
  slurm.tasks("exec timeout -s KILL 1 sh $FAKE_SCRIPT");
  const Bench bench(R"(, "axes": [)" + axis("[10, 4000000000, 20]") +
                    R"(], "keep": ["host0.dev"])");
  const Ended ended = bench.run("out", on_cluster({"--slice", "2"}));
  CHECK(ended.exit_code() == 1);
  CHECK_THAT(ended.output,
             Catch::Contains("slice 0 has lost its task (FAILED); 2 runs submitted again"));
  CHECK(rows(bench.result("out"), "SELECT run, failed FROM run") ==
        std::vector<std::string>{"0|0|", "1|1|", "2|0|"});
  CHECK(rows(bench.result("out"), "SELECT run, kind, reason FROM failure") ==
        std::vector<std::string>{"1|crash|each of 3 tasks that did this run alone ended without a "
                                 "word; the last one: FAILED|"});
}

TEST_CASE("what squeue and scancel take from the environment does not hide tasks from a sweep",
          "[sweep]") {
  const FakeSlurm slurm;
  const Variable partition("SQUEUE_PARTITION", "another");
  const Variable interactive("SCANCEL_INTERACTIVE", "true");
  const Bench bench(twenty);
  slurm.tasks("sleep 4; sh $FAKE_SCRIPT");
  const Ended ended = bench.run("out", on_cluster({"--slice", "20"}));
  CHECK(ended.exit_code() == 0);
  CHECK_THAT(ended.output, !Catch::Contains("lost"));
  slurm.tasks("sleep 60");
  const test::Program program(bench.scratch(), bench.words("more", on_cluster({"--slice", "20"})));
  // Once its task runs.
  for (int i = 0; i < 2000 && !slurm.runs(2); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  std::this_thread::sleep_for(std::chrono::seconds(1));
  program.send(SIGINT);
  CHECK_THAT(program.wait().output, Catch::Contains("--resume goes on"));
  CHECK(slurm.cancelled());
}

TEST_CASE("a task of a sweep that has changed since refuses", "[sweep]") {
  const FakeSlurm slurm;
  const Bench bench(twenty);
  // The task sees what its node has of the file.
  slurm.tasks("sed -i 's/\"replicates\": 5/\"replicates\": 6/' " +
              (bench.scratch() / "s.json").string() + "; sh $FAKE_SCRIPT");
  const Ended ended = bench.run("out", on_cluster());
  CHECK(ended.exit_code() == 2);
  CHECK_THAT(ended.output, Catch::Contains("/replicates was 5 and is now 6"));
}
