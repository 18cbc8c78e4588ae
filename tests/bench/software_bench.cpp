// How many steps of simulated software a second: threads that work for a while, and then again.
// SPDX-License-Identifier: Apache-2.0
#include "models/cpu/locks.hpp"
#include "models/cpu/workers.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>

namespace {

using namespace viosim;

constexpr std::uint64_t steps_of_all = 1'000'000;

// Threads that take turns: each step of one lies between steps of others.
void steps(benchmark::State& state) {
  const auto threads = static_cast<std::uint32_t>(state.range(0));
  std::uint64_t done = 0;
  for (auto _ : state) {
    Engine engine;
    Cpus cpus(engine, "cpus", threads);
    Workers workers(engine, cpus, "threads", 0);
    for (std::uint32_t i = 0; i < threads; ++i) {
      workers.post_at(Instant(Ps(i)), [i, threads](Thread& thread) {
        for (std::uint64_t k = 0; k < steps_of_all / threads; ++k) {
          thread.run(Ps(static_cast<std::int64_t>(1000 + (i * 7919 + k * 104'729) % 5000)));
        }
      });
    }
    engine.run();
    done += engine.software_steps();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(done));
}

// Threads that all want the same spinlock.
void contended(benchmark::State& state) {
  const auto threads = static_cast<std::uint32_t>(state.range(0));
  constexpr std::uint64_t turns_of_all = 200'000;
  for (auto _ : state) {
    Engine engine;
    Cpus cpus(engine, "cpus", threads);
    Workers workers(engine, cpus, "threads", 0);
    SpinLock lock(engine, "lock", 100ns);
    for (std::uint32_t i = 0; i < threads; ++i) {
      workers.post_at(Instant(Ps(i)), [&lock, threads](Thread& thread) {
        for (std::uint64_t k = 0; k < turns_of_all / threads; ++k) {
          const Guard guard(lock, thread);
          thread.run(1us);
        }
      });
    }
    engine.run();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(turns_of_all));
}

}  // namespace

BENCHMARK(steps)
    ->Name("software/steps")
    ->Arg(1)
    ->Arg(2)
    ->Arg(64)
    ->Arg(1000)
    ->Arg(4000)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);
BENCHMARK(contended)
    ->Name("software/spinlock")
    ->Arg(2)
    ->Arg(64)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);
