// Functions with work queues: requests per second on one core, and what a queue takes of memory.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/function_rig.hpp"

#include <benchmark/benchmark.h>

#include <bit>
#include <cstdint>
#include <fstream>
#include <memory>
#include <unistd.h>
#include <vector>

namespace viosim::test {
namespace {

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

struct QueueLoad {
  bool ats;
  std::uint64_t requests;  // in all
};

RigParams large_caches(std::uint32_t functions) {
  RigParams params;
  params.iommu.context_cache.entries = std::bit_ceil(functions * 2);
  params.iommu.pasid_cache.entries = std::bit_ceil(functions * 2);
  params.iommu.iotlb.entries = std::bit_ceil(functions * 32);
  params.iommu.walkers = 64;
  return params;
}

// Functions with so many enabled queues each, all of one address space of 16 pages; a hundred times as
// long an interval as a function's.
void queues(benchmark::State& state, const QueueLoad& load) {
  const auto functions = static_cast<std::uint32_t>(state.range(0));
  const auto each = static_cast<std::uint32_t>(state.range(1));
  std::uint64_t done = 0;
  for (auto _ : state) {
    state.PauseTiming();
    // No trace: the rig of the models, not that of the tests.
    auto rig = std::make_unique<Rig>(large_caches(functions));
    NotingHost host(rig->engine);
    const PageTable& table = rig->new_space(Iova(0), 64_KiB, Hpa(1 << 30U));
    std::deque<AtsDevice> ats;
    std::vector<WorkQueues*> all;
    const std::uint64_t empty = resident_bytes();
    for (std::uint32_t f = 0; f < functions; ++f) {
      DeviceFunction config;
      config.path = "function[" + std::to_string(f) + "]";
      config.iommu = &rig->iommu();
      config.source = Rig::source_of(f);
      config.memory_latency = 80ns;
      config.number = f + 1;
      config.params = {each * 2, 2ns};
      rig->attach(config.source, table, DomainId(2), Pasid(1));
      vtd::ScalableContext context;
      context.pasid_enable = true;
      context.device_tlb_enable = true;
      rig->unit().tables().detach(config.source);
      rig->unit().tables().attach(config.source, 64, context);
      vtd::PasidEntry entry;
      entry.present = true;
      entry.address_width = 2;
      entry.type = vtd::PasidEntry::Type::second_level;
      entry.second_level = table.root();
      entry.domain = DomainId(2);
      rig->unit().tables().set_entry(config.source, Pasid(1), entry);
      if (load.ats) {
        all.push_back(
            &ats.emplace_back(config, AtsParams{}, PriParams{},
                              AtsDevice::Wiring{rig->engine.agenda(), rig->tracer(), host}));
      } else {
        all.push_back(&rig->fabric().function(rig->fabric().add(config)));
      }
    }
    const std::uint64_t idle = resident_bytes();
    for (WorkQueues* const function : all) {
      for (std::uint32_t q = 0; q < each; ++q) {
        QueueWork work;
        work.pasid = Pasid(1);
        work.dma.traffic.window = 64_KiB;
        work.dma.interval = 2ns;
        work.dma.requests = load.requests / functions / each;
        function->enable(q, work);
      }
    }
    const std::uint64_t enabled = resident_bytes();
    state.ResumeTiming();
    rig->engine.run();
    state.PauseTiming();
    done += load.requests;
    state.counters["idle_function_bytes"] = static_cast<double>(idle - empty) / functions;
    state.counters["enabled_queue_bytes"] =
        static_cast<double>(enabled - idle) / static_cast<double>(std::uint64_t{functions} * each);
    state.counters["resident_mib"] = static_cast<double>(resident_bytes()) / (1U << 20U);
    ats.clear();
    rig.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(done));
}

}  // namespace

void register_queue_benchmarks() {
  const auto add = [](const char* name, std::int64_t functions, std::int64_t each, QueueLoad load) {
    benchmark::RegisterBenchmark(name, [load](benchmark::State& state) { queues(state, load); })
        ->Args({functions, each})
        ->Iterations(1)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  };
  for (const std::int64_t each : {1, 16, 64}) {
    add("queues/hits", 16, each, {false, 4'000'000});
    add("queues/ats", 16, each, {true, 1'000'000});
  }
  add("queues/hits", 4000, 16, {false, 6'400'000});
  add("queues/ats", 4000, 16, {true, 1'280'000});
}

}  // namespace viosim::test
