// Blocks decoded ahead by threads come in their order, and a damaged one in its turn.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/block_stream.hpp"

#include "core/base/error.hpp"
#include "tests/record/event_mix.hpp"
#include "tests/support/catch.hpp"
#include "tests/trace/made_run.hpp"

#include <numeric>

using namespace viosim;
using namespace viosim::test;
using Catch::Matchers::Contains;

namespace {

constexpr std::size_t block_count = 20;

const std::vector<std::vector<TraceEvent>>& made_blocks() {
  static const auto all = [] {
    std::vector<std::vector<TraceEvent>> blocks;
    for (std::size_t i = 0; i < block_count; ++i)
      blocks.push_back(make_events({.seed = i}, 100 + 50 * i));
    return blocks;
  }();
  return all;
}

void write_run(const std::filesystem::path& file) {
  MadeRun run(file);
  for (const auto& block : made_blocks()) run.block(block);
  run.finish();
}

std::vector<std::size_t> all_numbers() {
  std::vector<std::size_t> numbers(block_count);
  std::iota(numbers.begin(), numbers.end(), 0U);
  return numbers;
}

}  // namespace

TEST_CASE("blocks come in order, whatever the number of workers", "[trace][threads]") {
  const Scratch scratch;
  write_run(scratch / "run.db");
  RunReader reader = RunReader::open(scratch / "run.db");
  const unsigned workers = GENERATE(1U, 2U, 3U, 40U);
  BlockStream stream(reader, all_numbers(), workers);
  for (const auto& expected : made_blocks()) {
    const std::vector<TraceEvent>* const events = stream.next();
    REQUIRE(events != nullptr);
    CHECK((*events == expected));
  }
  CHECK(stream.next() == nullptr);
  CHECK(stream.next() == nullptr);
}

TEST_CASE("a stream of some blocks gives those, and may be dropped early", "[trace][threads]") {
  const Scratch scratch;
  write_run(scratch / "run.db");
  RunReader reader = RunReader::open(scratch / "run.db");
  {
    BlockStream stream(reader, {3, 4, 9, 11, 12, 13, 14, 15}, 3);
    CHECK((*stream.next() == made_blocks()[3]));
    CHECK((*stream.next() == made_blocks()[4]));
    CHECK((*stream.next() == made_blocks()[9]));
  }
  BlockStream none(reader, {}, 3);
  CHECK(none.next() == nullptr);
}

TEST_CASE("a damaged block fails in its turn", "[trace][threads]") {
  const Scratch scratch;
  write_run(scratch / "run.db");
  Connection((scratch / "run.db").string(), Connection::Mode::read)
      .run("UPDATE trace_block SET data = x'0102' WHERE number = 5");
  RunReader reader = RunReader::open(scratch / "run.db");
  BlockStream stream(reader, all_numbers(), 3);
  for (std::size_t i = 0; i < 5; ++i) REQUIRE(stream.next() != nullptr);
  CHECK_THROWS_WITH(stream.next(), Contains("block 5") && Contains("checksum"));
}
