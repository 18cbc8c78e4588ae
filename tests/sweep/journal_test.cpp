// The journal of a sweep: what is in it survives, and what somebody has changed in it is refused.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/journal.hpp"

#include "core/base/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <filesystem>
#include <sys/stat.h>

using namespace viosim;

namespace {

constexpr std::uint64_t most_runs = 10;
const SweepIdentity identity{{"sweep", R"({"seed": 1})"}, {"program_version", "1"}};

FinishedRun finished(std::uint64_t number) {
  FinishedRun run;
  run.run = number;
  run.outcome.figures = {{"host0.dev", "requests", "count", static_cast<double>(number)}};
  run.cost = {0.25, 4096};
  return run;
}

std::filesystem::path journal_in(const Scratch& scratch) {
  Journal journal(scratch / "sweep.runs", identity, {most_runs, false});
  journal.store({finished(3), finished(1)});
  return scratch / "sweep.runs";
}

void change(const std::filesystem::path& file, const std::string& sql) {
  Connection(file.string(), Connection::Mode::create).run(sql);
}

std::string refusal_of(const std::filesystem::path& file) {
  try {
    Journal(file, identity, {most_runs, true}).for_each([](const FinishedRun&) {});
  } catch (const ConfigError& error) {
    return error.problems().front().text();
  }
  return {};
}

}  // namespace

TEST_CASE("a journal has what was stored, by run number", "[sweep]") {
  const Scratch scratch;
  Journal journal(journal_in(scratch), identity, {most_runs, true});
  std::vector<std::uint64_t> runs;
  journal.for_each([&](const FinishedRun& run) {
    CHECK(run.outcome == finished(run.run).outcome);
    CHECK(run.cost.seconds == 0.25);
    CHECK(run.cost.memory == 4096);
    runs.push_back(run.run);
  });
  CHECK(runs == std::vector<std::uint64_t>{1, 3});
}

TEST_CASE("a journal that was changed is refused", "[sweep]") {
  const Scratch scratch;
  const std::filesystem::path file = journal_in(scratch);
  const auto [sql, message] = GENERATE(table<std::string, std::string>({
      {"UPDATE finished SET run = -run - 1", "finished.run is -4"},
      {"UPDATE finished SET run = run + 100000", "finished.run is 100001"},
      {"UPDATE finished SET run = run + 1",
       "run 2 is damaged: it is not as it was written. To have it done again: sqlite3 "},
      {"UPDATE finished SET outcome = x'00'",
       "'DELETE FROM finished WHERE run = 1'. To begin anew, remove the file"},
      {"UPDATE finished SET outcome = 'text'", "run 1 is damaged"},
      {"UPDATE finished SET seconds = 9e999", "finished.seconds is Inf"},
      {"UPDATE finished SET memory = -1", "finished.memory is -1"},
      {"PRAGMA user_version = 99", "sweep.runs: has format 99; expected 1"},
      {"PRAGMA user_version = 0; DELETE FROM finished", "sweep.runs: has format 0; expected 1"},
      {"UPDATE identity SET value = x'ff' WHERE key = 'sweep'",
       "sweep.runs: is damaged: the sweep that it holds is no JSON"},
      {"UPDATE identity SET value = '{\"seed\": 2}' WHERE key = 'sweep'",
       "cannot be resumed: sweep /seed was 2 and is now 1"},
  }));
  CAPTURE(sql);
  change(file, sql);
  CHECK_THAT(refusal_of(file), Catch::Contains(message));
}

TEST_CASE("another program's database in a journal's place stays as it is", "[sweep]") {
  const Scratch scratch;
  const std::filesystem::path file = scratch / "sweep.runs";
  change(file, "PRAGMA application_id = 7; CREATE TABLE mine(a); INSERT INTO mine VALUES(1)");
  for (const bool resume : {false, true}) {
    CHECK_THROWS_WITH(Journal(file, identity, {most_runs, resume}),
                      Catch::Contains("sweep.runs: is another program's database"));
  }
  Connection connection(file.string(), Connection::Mode::read);
  CHECK(connection.integer("PRAGMA application_id") == 7);
  CHECK(connection.integer("SELECT count(*) FROM sqlite_master") == 1);
}

TEST_CASE("a journal's place that is no file is refused as one", "[sweep]") {
  const Scratch scratch;
  const std::filesystem::path place = scratch / "sweep.runs";
  if (GENERATE(false, true))
    std::filesystem::create_directory(place);
  else
    REQUIRE(::mkfifo(place.c_str(), 0600) == 0);
  CHECK_THAT(refusal_of(place),
             Catch::Contains("sweep.runs: is no file; expected the journal of a sweep, or none"));
}

TEST_CASE("an empty file in a journal's place is what a sweep leaves that is killed at once",
          "[sweep]") {
  const Scratch scratch;
  change(scratch / "sweep.runs", "SELECT 1");
  Journal(scratch / "sweep.runs", identity, {most_runs, true}).store({finished(1)});
  CHECK_THAT(refusal_of(scratch / "sweep.runs"), Catch::Equals(""));
}

TEST_CASE("a journal that another sweep holds is told as one", "[sweep]") {
  const Scratch scratch;
  const Journal held(scratch / "sweep.runs", identity, {most_runs, false});
  CHECK_THROWS_WITH(Journal(scratch / "sweep.runs", identity, {most_runs, true}),
                    Catch::Contains("another program is writing this journal of a sweep"));
}
