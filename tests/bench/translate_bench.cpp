// Timed translations per second on one core.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/actor_reference.hpp"
#include "tests/support/rig.hpp"

#include <benchmark/benchmark.h>

#include <bit>
#include <cstdint>

namespace viosim::test {
namespace {

struct Load {
  std::uint64_t pages_per_device;  // of the window
  double resident;                 // part of all pages that the IOTLB holds
  std::uint64_t requests;          // in all
};

// D devices, one request in flight each, uniform over their windows; 4-level tables; context and
// PASID caches that hold everybody.
void build(Rig& rig, std::uint32_t devices, const Load& load) {
  const Bytes window(load.pages_per_device << 12U);
  for (std::uint32_t d = 0; d < devices; ++d) {
    const Iova base(std::uint64_t{d} * window.count());
    const PageTable& table =
        rig.new_space(base, window, Hpa((std::uint64_t{1} << 36U) + base.value()));
    rig.attach(Rig::source_of(d), table, DomainId(static_cast<std::uint16_t>(2 + d)));
    DmaParams dma;
    dma.traffic.window = window;
    dma.requests = load.requests / devices;
    rig.add_device(dma, base);
  }
}

RigParams params(std::uint32_t devices, const Load& load) {
  RigParams rig;
  const std::uint32_t holds_all = std::max<std::uint32_t>(64, std::bit_ceil(devices));
  rig.iommu.context_cache.entries = holds_all;
  rig.iommu.pasid_cache.entries = holds_all;
  const double pages = static_cast<double>(devices * load.pages_per_device) * load.resident;
  rig.iommu.iotlb.entries = std::max<std::uint32_t>(8, static_cast<std::uint32_t>(pages));
  rig.iommu.iotlb.ways = 0;
  rig.iommu.walkers = std::max<std::uint32_t>(6, devices);
  return rig;
}

void translate(benchmark::State& state, const Load& load) {
  const auto devices = static_cast<std::uint32_t>(state.range(0));
  std::uint64_t requests = 0;
  std::uint64_t misses = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto rig = std::make_unique<Rig>(params(devices, load));
    build(*rig, devices, load);
    state.ResumeTiming();
    rig->engine.run();
    state.PauseTiming();
    requests += rig->iommu().stats.requests;
    misses += rig->iommu().iotlb_stats().misses;
    rig.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(requests));
  state.counters["miss_rate"] = static_cast<double>(misses) / static_cast<double>(requests);
}

// The same by one SimGrid actor per device.
void reference(benchmark::State& state, const Load& load) {
  const auto devices = static_cast<std::uint32_t>(state.range(0));
  const RigParams rig = params(devices, load);
  SmallModel model;
  model.iommu = rig.iommu;
  model.memory_latency = rig.memory_latency;
  for (std::uint32_t d = 0; d < devices; ++d) {
    const Iova base(std::uint64_t{d} * (load.pages_per_device << 12U));
    model.spaces.push_back({.base = base,
                            .pages = load.pages_per_device,
                            .domain = DomainId(static_cast<std::uint16_t>(2 + d))});
    SmallModel::Device& device = model.devices.emplace_back();
    device.space = d;
    device.source = Rig::source_of(d);
    device.dma.traffic.window = Bytes(load.pages_per_device << 12U);
    device.dma.requests = load.requests / devices;
  }
  std::uint64_t requests = 0;
  for (auto _ : state) {
    state.PauseTiming();
    ActorReference actors(model, Keep::counts_only);
    state.ResumeTiming();
    requests += actors.run().iommu.requests;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(requests));
}

}  // namespace
}  // namespace viosim::test

int main(int argc, char** argv) {
  using namespace viosim::test;
  for (const std::int64_t devices : {1, 4, 16, 64, 1024}) {
    const auto add = [devices](const char* name, Load load,
                               void (&run)(benchmark::State&, const Load&) = translate) {
      benchmark::RegisterBenchmark(name,
                                   [load, &run](benchmark::State& state) { run(state, load); })
          ->Arg(devices)
          ->Iterations(1)
          ->Unit(benchmark::kMillisecond);
    };
    add("translate/hits", {16, 1.0, 8'000'000});
    add("translate/miss10", {16, 0.9, 4'000'000});
    add("translate/misses", {1024, 0.001, 1'000'000});
    add("reference/hits", {16, 1.0, 1'000'000}, reference);
    add("reference/miss10", {16, 0.9, 400'000}, reference);
    add("reference/misses", {1024, 0.001, 100'000}, reference);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
