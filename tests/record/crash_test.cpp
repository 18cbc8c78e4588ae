// Runs that end badly: killed at any moment, or out of room.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "core/base/rng.hpp"
#include "sim/record/run_database.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/record/sqlite.hpp"
#include "tests/record/event_mix.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <new>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace viosim;

namespace {

constexpr std::size_t blocks_per_run = 30;

// What the process about to be killed says of itself, in memory that outlives it.
struct Progress {
  std::atomic<bool> writing{false};  // PATH.partial exists and holds its tables
  std::atomic<std::int64_t> stored{0};
  std::atomic<std::int64_t> finished{0};
};

class SharedProgress {
 public:
  SharedProgress() {
    void* memory = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    progress_ = new (memory) Progress;
  }
  ~SharedProgress() { ::munmap(progress_, sizeof(Progress)); }
  SharedProgress(const SharedProgress&) = delete;
  SharedProgress& operator=(const SharedProgress&) = delete;
  Progress* operator->() const { return progress_; }
  Progress& operator*() const { return *progress_; }

 private:
  Progress* progress_;
};

const std::vector<std::vector<TraceEvent>>& blocks() {
  static const auto all = [] {
    std::vector<std::vector<TraceEvent>> made;
    for (std::size_t i = 0; i < blocks_per_run; ++i)
      made.push_back(make_events({.seed = i}, 500 + 100 * i));
    return made;
  }();
  return all;
}

// One run after another into the same file, until killed.
[[noreturn]] void write_runs(const std::filesystem::path& path, Progress& progress) {
  for (;;) {
    RunDatabase database = RunDatabase::create(path, {.program_version = "0.1.0", .seed = 1});
    progress.stored = 0;
    progress.writing = true;
    database.add_component("host0");
    for (const auto& block : blocks()) {
      database.trace().take(block);
      progress.stored = database.trace().blocks_stored();
    }
    progress.writing = false;
    database.finish();
    ++progress.finished;
  }
}

std::string integrity_of(const std::filesystem::path& path) {
  Connection connection(path.string(), Connection::Mode::read);
  Statement statement = connection.prepare("PRAGMA integrity_check");
  statement.step();
  return std::string(statement.text(0));
}

void expect_sound(RunReader& reader) {
  REQUIRE(reader.blocks().size() <= blocks_per_run);
  std::vector<TraceEvent> events;
  for (std::size_t number = 0; number < reader.blocks().size(); ++number) {
    reader.read_block(number, events);
    REQUIRE(events == blocks()[number]);
  }
  if (!reader.blocks().empty()) REQUIRE(reader.components().size() == 1);
}

void expect_readable(const std::filesystem::path& path, const Progress& progress) {
  if (progress.finished > 0) REQUIRE(std::filesystem::exists(path));
  if (std::filesystem::exists(path)) {
    RunReader whole = RunReader::open(path);
    REQUIRE(whole.complete());
    REQUIRE(whole.blocks().size() == blocks_per_run);
    expect_sound(whole);
  }
  const auto partial = RunDatabase::partial_path(path);
  if (std::filesystem::exists(partial)) REQUIRE(integrity_of(partial) == "ok");
  if (!progress.writing) return;
  RunReader reader = RunReader::open(partial);
  REQUIRE_FALSE(reader.complete());
  REQUIRE(static_cast<std::int64_t>(reader.blocks().size()) >= progress.stored);
  expect_sound(reader);
}

template <class Child>
pid_t start(Child&& child) {
  const pid_t id = ::fork();
  REQUIRE(id >= 0);
  if (id != 0) return id;
  try {
    child();
  } catch (...) {
    std::_Exit(99);
  }
  std::_Exit(0);
}

int status_of(pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

std::uint64_t kills() {
  const char* wanted = std::getenv("VIOSIM_KILLS");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 200;
}

}  // namespace

// VIOSIM_KILLS=2000 tries more moments.
TEST_CASE("a run killed at any moment leaves all its finished blocks", "[record][crash]") {
  blocks();
  Rng rng(static_cast<std::uint64_t>(::getpid()), "moments");
  for (std::uint64_t round = 0; round < kills(); ++round) {
    const Scratch scratch;
    const SharedProgress progress;
    const auto delay = static_cast<useconds_t>(rng.below(60'000));
    INFO("killed after " << delay << " us");
    const pid_t child = start([&] { write_runs(scratch / "run.db", *progress); });
    ::usleep(delay);
    ::kill(child, SIGKILL);
    REQUIRE(WIFSIGNALED(status_of(child)));
    expect_readable(scratch / "run.db", *progress);
  }
}

TEST_CASE("a file that cannot grow ends the run with a clear error", "[record][crash]") {
  const Scratch scratch;
  blocks();
  const pid_t child = start([&] {
    const rlimit limit{600'000, 600'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) std::_Exit(1);
    RunDatabase database = RunDatabase::create(scratch / "run.db", {.program_version = "0.1.0"});
    database.add_component("host0");
    try {
      for (int round = 0; round < 1'000; ++round) {
        for (const auto& block : blocks()) database.trace().take(block);
      }
      database.finish();
      std::_Exit(2);
    } catch (const ConfigError& error) {
      const std::string text = error.what();
      std::_Exit(text.ends_with("files may have 600000 bytes here (ulimit -f)") ? 0 : 3);
    }
  });
  const int status = status_of(child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK_FALSE(std::filesystem::exists(scratch / "run.db"));
  const auto partial = RunDatabase::partial_path(scratch / "run.db");
  CHECK(integrity_of(partial) == "ok");
  RunReader reader = RunReader::open(partial);
  CHECK_FALSE(reader.complete());
  CHECK_FALSE(reader.blocks().empty());
}
