// The background recorder: order, failures, bounded memory.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/trace_recorder.hpp"

#include "core/base/rng.hpp"
#include "sim/record/block_decoder.hpp"
#include "tests/record/event_mix.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>

using namespace viosim;

namespace {

std::vector<std::vector<TraceEvent>> some_blocks(std::size_t count) {
  std::vector<std::vector<TraceEvent>> blocks;
  Rng rng(9, "sizes");
  for (std::size_t i = 0; i < count; ++i)
    blocks.push_back(make_events({.seed = i}, 1 + rng.below(4'000)));
  return blocks;
}

// Decodes what it is given; takes an uneven time over it.
struct Memory {
  std::vector<std::vector<TraceEvent>> blocks;
  BlockDecoder decoder;
  Rng rng{4, "pauses"};
  void store(const EncodedBlock& block) {
    if (block.number != static_cast<std::int64_t>(blocks.size()))
      throw std::logic_error("out of order");
    if (rng.below(4) == 0) std::this_thread::sleep_for(std::chrono::microseconds(rng.below(500)));
    decoder.decode(block.data, blocks.emplace_back());
  }
};

}  // namespace

TEST_CASE("blocks are stored whole and in order by any number of workers",
          "[record][recorder][threads]") {
  const auto workers = GENERATE(1U, 2U, 5U);
  const auto waiting = GENERATE(1U, 4U);
  const auto blocks = some_blocks(100);
  Memory memory;
  TraceRecorder recorder([&](const EncodedBlock& block) { memory.store(block); },
                         {.workers = workers, .waiting = waiting});
  for (const auto& block : blocks) recorder.take(block);
  recorder.finish();
  CHECK(recorder.blocks_stored() == 100);
  CHECK(memory.blocks == blocks);
}

TEST_CASE("a tracer's events all arrive, the last short block too", "[record][recorder][threads]") {
  const auto events = make_events({}, 3 * trace_block_events + 5);
  Memory memory;
  TraceRecorder recorder([&](const EncodedBlock& block) { memory.store(block); }, {});
  Tracer tracer(recorder);
  for (const TraceEvent& event : events) tracer.emit(event);
  tracer.finish();
  recorder.finish();
  std::vector<TraceEvent> stored;
  for (const auto& block : memory.blocks) stored.insert(stored.end(), block.begin(), block.end());
  CHECK(stored == events);
}

TEST_CASE("a recorder that is dropped stores what it took", "[record][recorder][threads]") {
  const auto blocks = some_blocks(20);
  Memory memory;
  {
    TraceRecorder recorder([&](const EncodedBlock& block) { memory.store(block); }, {});
    for (const auto& block : blocks) recorder.take(block);
  }
  CHECK(memory.blocks == blocks);
}

TEST_CASE("a failure to store ends the run with its reason and leaves no hole",
          "[record][recorder][threads]") {
  const auto workers = GENERATE(1U, 2U, 5U);
  const auto blocks = some_blocks(50);
  std::vector<std::int64_t> stored;
  TraceRecorder recorder(
      [&](const EncodedBlock& block) {
        if (block.number == 7) throw std::runtime_error("the disk is full");
        stored.push_back(block.number);
      },
      {.workers = workers});
  const auto run = [&] {
    for (const auto& block : blocks) recorder.take(block);
    recorder.finish();
  };
  CHECK_THROWS_WITH(run(), "the disk is full");
  CHECK_THROWS_WITH(recorder.finish(), "the disk is full");
  CHECK(stored == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6});
}

TEST_CASE("the simulation waits rather than pile up blocks", "[record][recorder][threads]") {
  std::promise<void> gate;
  const auto opened = gate.get_future().share();
  TraceRecorder recorder([&](const EncodedBlock&) { opened.wait(); }, {.workers = 2, .waiting = 3});
  std::atomic<int> taken{0};
  std::thread simulation([&] {
    for (const auto& block : some_blocks(20)) {
      recorder.take(block);
      ++taken;
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(taken <= 2 + 3);
  gate.set_value();
  simulation.join();
  recorder.finish();
  CHECK(recorder.blocks_stored() == 20);
}
