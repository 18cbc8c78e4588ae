// The program itself, killed at any moment of a run: what it leaves.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "sim/record/run_database.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/regress/child.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

using namespace viosim;

namespace {

// About 600,000 events, most of them traced while the run goes on.
constexpr const char* scenario = R"({
  "name": "killed",
  "hosts": [{"name": "host0",
    "iommus": [{"name": "dmar0", "model": "vtd", "iotlb": {"entries": 64, "ways": 4}}],
    "devices": [{"name": "acc", "count": 16, "model": "dma", "iommu": "dmar0", "requests": 20000,
                 "outstanding": 4, "traffic": {"pattern": "uniform", "window": "1 MiB"}}]}]})";

// How many moments are tried. A program that is compiled to be watched runs many times as long.
constexpr std::uint64_t usual_kills = 200;
std::uint64_t kills() {
  const char* wanted = std::getenv("VIOSIM_KILLS");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : usual_kills;
}

std::vector<std::string> run_into(const std::filesystem::path& file,
                                  const std::filesystem::path& out) {
  return {"run", file.string(), "--out", out.string(), "--progress", "never"};
}

// Starts the program, with its output nowhere.
pid_t start(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), VIOSIM_PROGRAM);
  std::vector<char*> argv;
  for (std::string& word : arguments) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    std::_Exit(127);
  }
  return child;
}

std::string integrity_of(const std::filesystem::path& path) {
  Connection connection(path.string(), Connection::Mode::read);
  Statement statement = connection.prepare("PRAGMA integrity_check");
  statement.step();
  return std::string(statement.text(0));
}

std::int64_t number_of_tables(const std::filesystem::path& path) {
  return Connection(path.string(), Connection::Mode::read)
      .integer("SELECT count(*) FROM sqlite_master WHERE type = 'table'");
}

// The blocks are those of the whole run, as far as they go; how many there are.
std::size_t sound_blocks(RunReader& left, const RunReader& whole) {
  REQUIRE(left.blocks().size() <= whole.blocks().size());
  std::vector<TraceEvent> events;
  for (std::size_t i = 0; i < left.blocks().size(); ++i) {
    REQUIRE((left.blocks()[i] == whole.blocks()[i]));
    REQUIRE_NOTHROW(left.read_block(i, events));
  }
  return left.blocks().size();
}

// One part of all moments.
void kill_at_moments(std::uint64_t moments) {
  const Scratch scratch;
  std::ofstream(scratch / "killed.json") << scenario;
  const auto file = scratch / "killed.json";
  REQUIRE(run_child(VIOSIM_PROGRAM, run_into(file, scratch / "whole"), scratch / "log").exit_code ==
          0);
  const RunReader whole = RunReader::open(scratch / "whole" / "run.db");
  REQUIRE(whole.blocks().size() > 5);

  Rng rng(static_cast<std::uint64_t>(::getpid()), "moments");
  std::size_t with_blocks = 0;
  std::size_t finished = 0;
  useconds_t longest = 100'000;  // grows until some runs finish, whatever the machine
  for (std::uint64_t round = 0; round < moments; ++round) {
    const auto out = scratch / ("run" + std::to_string(round));
    const auto delay = static_cast<useconds_t>(rng.below(longest));
    INFO("killed after " << delay << " us");
    const pid_t child = start(run_into(file, out));
    ::usleep(delay);
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    const auto partial = RunDatabase::partial_path(out / "run.db");
    if (std::filesystem::exists(out / "run.db")) {
      ++finished;
      RunReader reader = RunReader::open(out / "run.db");
      REQUIRE(reader.complete());
      REQUIRE(sound_blocks(reader, whole) == whole.blocks().size());
    } else {
      longest = std::min<useconds_t>(longest + longest / 16, 1'500'000);
    }
    if (std::filesystem::exists(partial)) {
      REQUIRE(integrity_of(partial) == "ok");
      // In its first milliseconds the database is empty, and no reader takes it for a run.
      if (number_of_tables(partial) != 0) {
        RunReader reader = RunReader::open(partial);
        const std::size_t blocks = sound_blocks(reader, whole);
        with_blocks += blocks != 0 ? 1 : 0;
        // Killed after its last commit and before it got its name, it is whole.
        if (reader.complete()) REQUIRE(blocks == whole.blocks().size());
      }
    }
    std::filesystem::remove_all(out);
  }
  CHECK(with_blocks + finished > moments / 20);
}

}  // namespace

// In parts that can be tried at the same time. VIOSIM_KILLS=2000 tries more moments.
TEST_CASE("the program killed at any moment leaves its finished blocks, sound (1/4)", "[crash]") {
  kill_at_moments(kills() / 4);
}
TEST_CASE("the program killed at any moment leaves its finished blocks, sound (2/4)", "[crash]") {
  kill_at_moments(kills() / 4);
}
TEST_CASE("the program killed at any moment leaves its finished blocks, sound (3/4)", "[crash]") {
  kill_at_moments(kills() / 4);
}
TEST_CASE("the program killed at any moment leaves its finished blocks, sound (4/4)", "[crash]") {
  kill_at_moments(kills() / 4);
}
