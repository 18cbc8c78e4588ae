// How fast a trace block is encoded and decoded, and how many bytes an event takes.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/block_decoder.hpp"
#include "sim/record/block_encoder.hpp"
#include "sim/record/block_stream.hpp"
#include "sim/record/run_database.hpp"
#include "sim/record/run_reader.hpp"
#include "tests/record/event_mix.hpp"
#include "tests/support/scratch.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

namespace {

using namespace viosim;
using Arrival = EventMix::Arrival;
using Memory = EventMix::Memory;

// A block from the middle of a run.
std::vector<TraceEvent> block_of(const EventMix& mix) {
  std::vector<TraceEvent> events = make_events(mix, 3 * trace_block_events);
  return {events.end() - trace_block_events, events.end()};
}

void encode(benchmark::State& state, const EventMix& mix) {
  const auto events = block_of(mix);
  BlockEncoder encoder;
  std::size_t bytes = 0;
  for (auto _ : state) benchmark::DoNotOptimize(bytes = encoder.encode(events).size());
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(events.size()));
  state.counters["bytes_per_event"] =
      static_cast<double>(bytes) / static_cast<double>(events.size());
}

void decode(benchmark::State& state, const EventMix& mix) {
  BlockEncoder encoder;
  const auto bytes = encoder.encode(block_of(mix));
  BlockDecoder decoder;
  std::vector<TraceEvent> events;
  for (auto _ : state) {
    decoder.decode(bytes, events);
    benchmark::DoNotOptimize(events.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(events.size()));
}

// A whole run: from the tracer to the renamed file, in real time.
void write_run(benchmark::State& state) {
  const auto events = make_events({}, 16 * trace_block_events);
  const Scratch scratch;
  for (auto _ : state) {
    RunDatabase database =
        RunDatabase::create(scratch / "run.db", {.program_version = "bench"},
                            {.workers = static_cast<unsigned>(state.range(0)), .waiting = 2});
    Tracer tracer(database.trace());
    for (int round = 0; round < 4; ++round)
      for (const TraceEvent& event : events) tracer.emit(event);
    tracer.finish();
    database.finish();
  }
  state.SetItemsProcessed(state.iterations() * 4 * static_cast<std::int64_t>(events.size()));
}
BENCHMARK(write_run)->Name("record/run/workers")->Arg(1)->Arg(2)->Arg(3)->UseRealTime();

// A whole run back; 0 workers: by the reader itself.
void read_run(benchmark::State& state) {
  const auto events = make_events({}, 16 * trace_block_events);
  const Scratch scratch;
  {
    RunDatabase database = RunDatabase::create(scratch / "run.db", {.program_version = "bench"});
    Tracer tracer(database.trace());
    for (int round = 0; round < 4; ++round)
      for (const TraceEvent& event : events) tracer.emit(event);
    tracer.finish();
    database.finish();
  }
  const auto workers = static_cast<unsigned>(state.range(0));
  for (auto _ : state) {
    RunReader reader = RunReader::open(scratch / "run.db");
    std::uint64_t sum = 0;
    const auto visit = [&](const TraceEvent& event) { sum += event.address; };
    if (workers == 0) {
      reader.for_each_event(visit);
    } else {
      std::vector<std::size_t> numbers(reader.blocks().size());
      std::iota(numbers.begin(), numbers.end(), 0U);
      BlockStream blocks(reader, numbers, workers);
      while (const std::vector<TraceEvent>* block = blocks.next())
        std::for_each(block->begin(), block->end(), visit);
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * 4 * static_cast<std::int64_t>(events.size()));
}
BENCHMARK(read_run)->Name("read/run/workers")->Arg(0)->Arg(1)->Arg(2)->Arg(3)->UseRealTime();

void add(const std::string& name, const EventMix& mix) {
  benchmark::RegisterBenchmark(("encode/" + name).c_str(), encode, mix);
  benchmark::RegisterBenchmark(("decode/" + name).c_str(), decode, mix);
}

const bool added = [] {
  for (const std::uint32_t components : {16U, 64U, 1024U})
    add("random/" + std::to_string(components), {.components = components});
  add("contiguous/64", {.memory = Memory::contiguous});
  add("fixed_rate/64", {.arrival = Arrival::fixed_rate});
  add("after_answer/64", {.arrival = Arrival::after_answer});
  add("offsets/64", {.offset_align = 64});
  add("many_pasids/64", {.pasids_each = 64});
  add("queueing/64", {.miss_percent = 50, .queueing = true});
  add("wide_window/1024", {.components = 1024, .window_pages = 1U << 18U});
  return true;
}();

}  // namespace
