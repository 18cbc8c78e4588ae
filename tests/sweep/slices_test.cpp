// Slices and their parts as files, and what is read of Slurm's answers.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/slices.hpp"

#include "core/base/error.hpp"
#include "sim/sweep/run_set.hpp"
#include "sim/sweep/slice_size.hpp"
#include "sim/sweep/slurm.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <fstream>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

using namespace viosim;

namespace {

using Numbers = std::vector<std::uint64_t>;

const SweepIdentity identity{{"sweep", "{}"}, {"program_version", "1"}};

FinishedRun finished(std::uint64_t number) {
  FinishedRun run;
  run.run = number;
  run.outcome.figures = {{"host0.dev", "requests", "count", static_cast<double>(number)}};
  run.cost = {0.25, 4096};
  return run;
}

std::string refusal_of(Slices& slices, const SweepIdentity& other, bool resume) {
  try {
    slices.open(other, resume);
  } catch (const ConfigError& error) {
    return error.problems().front().text();
  }
  return {};
}

Numbers runs_of(const std::vector<Slices::Part>& parts) {
  Numbers runs;
  for (const Slices::Part& part : parts) {
    for (const FinishedRun& run : part.runs) runs.push_back(run.run);
  }
  return runs;
}

void expect_no_complaint(const std::string& text) { FAIL(text); }

}  // namespace

TEST_CASE("sets of runs are written as ranges and read back", "[sweep]") {
  CHECK(run_set_text({3, 0, 1, 2, 7, 9, 8, 7}) == "0-3,7-9");
  CHECK(run_set_text({5}) == "5");
  CHECK(parse_run_set("0-3,7-9") == Numbers{0, 1, 2, 3, 7, 8, 9});
  CHECK(parse_run_set("18446744073709551615") == Numbers{18446744073709551615U});
  const std::string wrong = GENERATE("", "a", "1,", "3-1", "1-", "2,1", "1,1", "1 ",
                                     "0-18446744073709551615", "18446744073709551616");
  CAPTURE(wrong);
  CHECK_FALSE(parse_run_set(wrong));
}

TEST_CASE("a part is read once, as it was written", "[sweep]") {
  const Scratch scratch;
  Slices slices(scratch / "slices");
  slices.open(identity, false);
  slices.write_slice(3, {5, 6, 7, 20});
  CHECK(slices.runs_of(3, 21) == Numbers{5, 6, 7, 20});
  CHECK_THROWS_WITH(slices.runs_of(3, 20), Catch::Contains("each less than 20"));
  CHECK(slices.next_slice() == 4);
  slices.write_part({3, "a", 0}, {});
  slices.write_part({3, "a", 1}, {finished(6), finished(20)});
  const auto parts = slices.new_parts(expect_no_complaint);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].slice == 3);
  CHECK(parts[0].runs.empty());
  REQUIRE(parts[1].runs.size() == 2);
  CHECK(parts[1].runs[1].outcome == finished(20).outcome);
  CHECK(parts[1].runs[1].cost.seconds == 0.25);
  CHECK(parts[1].runs[1].cost.memory == 4096);
  CHECK(slices.new_parts(expect_no_complaint).empty());
  // Of another task, with the same slice.
  slices.write_part({3, "b", 1}, {finished(6)});
  CHECK(runs_of(slices.new_parts(expect_no_complaint)) == Numbers{6});
  CHECK(slices.finished_of(3) == std::set<std::uint64_t>{6, 20});
  CHECK(slices.finished_of(30).empty());
  slices.remove();
  CHECK_FALSE(std::filesystem::exists(scratch / "slices"));
}

TEST_CASE("a damaged part is told and counts as none", "[sweep]") {
  const Scratch scratch;
  Slices slices(scratch / "slices");
  slices.open(identity, false);
  slices.write_part({0, "a", 0}, {finished(1)});
  slices.write_part({1, "a", 0}, {finished(2)});
  const std::filesystem::path part = slices.directory() / "000000-a-0.part";
  const auto size = static_cast<std::streamoff>(std::filesystem::file_size(part));
  const bool shortened = GENERATE(true, false);
  if (shortened) {
    std::filesystem::resize_file(part, static_cast<std::uintmax_t>(size - 1));
  } else {
    std::fstream(part, std::ios::in | std::ios::out).seekp(size - 1) << '!';
  }
  std::vector<std::string> complaints;
  const auto parts = slices.new_parts([&](const std::string& text) { complaints.push_back(text); });
  CHECK(runs_of(parts) == Numbers{2});
  REQUIRE(complaints.size() == 1);
  CHECK_THAT(complaints[0], Catch::Contains("000000-a-0.part") && Catch::Contains("is damaged"));
}

TEST_CASE("slices are gone on with by the same sweep, when it wants to", "[sweep]") {
  const Scratch scratch;
  std::string key;
  {
    Slices begun(scratch / "slices");
    begun.open(identity, false);
    key = begun.key();
  }
  Slices again(scratch / "slices");
  CHECK(refusal_of(again, identity, false).empty());  // nothing has been submitted
  CHECK(again.key() == key);
  again.write_slice(0, {0});
  CHECK_THAT(refusal_of(again, identity, false),
             Catch::Contains("holds 1 slices") && Catch::Contains("--resume"));
  CHECK(refusal_of(again, identity, true).empty());
  SweepIdentity other = identity;
  other["program_version"] = "2";
  CHECK_THAT(refusal_of(again, other, true),
             Catch::Contains("program_version") && Catch::Contains("was 1 and is now 2"));
  Slices elsewhere(scratch / "elsewhere");
  elsewhere.open(identity, false);
  CHECK(elsewhere.key() != key);
}

TEST_CASE("slices are one sweep's at a time, whichever it is", "[sweep]") {
  const Scratch scratch;
  std::optional<Slices> first(scratch / "slices");
  first->open(identity, false);
  first->write_slice(0, {0});
  Slices second(scratch / "slices");
  SweepIdentity other = identity;
  other["program_version"] = "2";
  const bool same = GENERATE(true, false);
  CHECK_THAT(refusal_of(second, same ? identity : other, same),
             Catch::Contains("slices/lock: another sweep works with this directory") &&
                 Catch::Contains("--shared"));
  CHECK(first->any());
  SECTION("until it is killed") { first.reset(); }
  SECTION("until it removes them") { first->remove(); }
  CHECK(refusal_of(second, identity, true).empty());
  CHECK(second.any() == !first);
}

TEST_CASE("what is left of a sweep that has come to nothing is no other one's", "[sweep]") {
  const Scratch scratch;
  std::optional<Slices> before(scratch / "slices");
  before->open(identity, false);
  CHECK_FALSE(before->any());
  before.reset();
  SweepIdentity other = identity;
  other["program_version"] = "2";
  // No slice was handed out.
  Slices next(scratch / "slices");
  CHECK(refusal_of(next, other, false).empty());
  CHECK_THAT(refusal_of(next, identity, true), Catch::Contains("was 2 and is now 1"));
  // A task that was cancelled has written once more.
  next.write_slice(0, {0});
  CHECK(next.any());
  next.forget();
  std::filesystem::create_directories(next.directory());
  next.write_part({0, "late", 1}, {finished(0)});
  Slices last(scratch / "slices");
  CHECK(refusal_of(last, identity, false).empty());
  CHECK(last.new_parts(expect_no_complaint).empty());
}

TEST_CASE("a slice that is damaged is refused with its file", "[sweep]") {
  const Scratch scratch;
  Slices slices(scratch / "slices");
  slices.open(identity, false);
  std::ofstream(slices.directory() / "000002.slice") << "1-x\n";
  CHECK_THROWS_WITH(slices.runs_of(2, 21),
                    Catch::Contains("000002.slice") && Catch::Contains("read \"1-x\""));
  CHECK_THROWS_WITH(slices.runs_of(4, 21), Catch::Contains("000004.slice: cannot be read"));
}

TEST_CASE("lines of squeue are tasks of the sweep, or somebody else's", "[sweep]") {
  const auto task = parse_slurm_task("1234|17|RUNNING|None|viosim-ab.2000", "viosim-ab");
  REQUIRE(task);
  CHECK(task->job == "1234");
  CHECK(task->slice == 2017);
  CHECK_FALSE(task->ended());
  const std::string other =
      GENERATE("1234|17|RUNNING|None|viosim-abc.2000", "1234|17|RUNNING|None|viosim-ab",
               "1234|N/A|RUNNING|None|viosim-ab.0", "1234|17|RUNNING|None|wrap", "", "|||||");
  CAPTURE(other);
  CHECK_FALSE(parse_slurm_task(other, "viosim-ab"));
}

#ifndef VIOSIM_SANITIZED  // sanitizers look at memory through pipes of their own
TEST_CASE("a command of Slurm's for which there is no room is one that did not answer", "[sweep]") {
  const Interrupt interrupt;
  const Slurm slurm(interrupt, "key");
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  // Its third pipe finds no room.
  const int lowest = ::dup(STDIN_FILENO);
  REQUIRE(lowest >= 0);
  ::close(lowest);
  const rlimit none{static_cast<rlim_t>(lowest) + 5, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  std::string problem;
  try {
    static_cast<void>(slurm.tasks());
  } catch (const SlurmError& error) {
    problem = error.what();
  }
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(problem == "squeue could not be started: Too many open files");
}
#endif

TEST_CASE("which states of tasks are an end", "[sweep]") {
  const auto ended = [](const std::string& state, const std::string& reason) {
    return parse_slurm_task("1|0|" + state + '|' + reason + "|k.0", "k")->ended();
  };
  for (const char* state :
       {"COMPLETED", "FAILED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY", "CANCELLED", "PREEMPTED"})
    CHECK(ended(state, "None"));
  for (const char* state :
       {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "REQUEUED"})
    CHECK_FALSE(ended(state, "None"));
  CHECK(ended("PENDING", "launch failed requeued held"));
  CHECK_FALSE(ended("PENDING", "Resources"));
}

TEST_CASE("a slice is work for 5 to 45 seconds", "[sweep]") {
  CHECK(slice_size(1'000'000, 0.1, 1) == 450);
  CHECK(slice_size(1'000'000, 0.1, 4) == 1800);
  CHECK(slice_size(6'400, 0.1, 1) == 100);  // 64 slices
  CHECK(slice_size(640, 0.1, 1) == 50);     // of 5 s
  CHECK(slice_size(10, 100, 1) == 1);
}
