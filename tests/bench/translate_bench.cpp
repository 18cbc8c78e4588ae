// Timed translations per second on one core.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/checker.hpp"
#include "sim/record/run_database.hpp"
#include "tests/support/actor_reference.hpp"
#include "tests/support/rig.hpp"

#include <benchmark/benchmark.h>

#include <bit>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

namespace viosim::test {
void register_nested_benchmarks();
void register_queue_benchmarks();

namespace {

struct Load {
  std::uint32_t pages;  // of each device's window
  std::uint32_t
      resident;  // of these, how many the IOTLB holds: it has a set per device and so many ways
  std::uint64_t requests;  // in all
};

// D devices, one request in flight each, uniform over their windows; 4-level tables; context and
// PASID caches that hold everybody.
void build(Rig& rig, std::uint32_t devices, const Load& load) {
  const Bytes window(std::uint64_t{load.pages} << 12U);
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
  rig.iommu.iotlb.entries = devices * load.resident;
  rig.iommu.iotlb.ways = load.resident;
  rig.iommu.walkers = std::max<std::uint32_t>(6, devices);
  return rig;
}

// Where a traced run writes.
std::filesystem::path scratch_file() {
  return std::filesystem::temp_directory_path() /
         ("viosim_bench." + std::to_string(::getpid()) + ".db");
}

// Who listens: nobody, the run database, the invariants, or these while a page of another address
// space is unmapped, so that every answer is looked at.
enum class Listens { nobody, database, checks, alert_checks };

std::vector<std::string> paths(std::uint32_t devices) {
  std::vector<std::string> all;
  for (std::uint32_t d = 0; d < devices; ++d) all.push_back("host0.dev[" + std::to_string(d) + "]");
  return all;
}

void listen(Rig& rig, check::Checker& checker, bool alert) {
  rig.tracer().start(checker);
  if (!alert) return;
  TraceEvent unmap;
  unmap.pasid = 1;
  unmap.kind = static_cast<std::uint16_t>(EventKind::unmap);
  unmap.code = 1;
  rig.tracer().emit(unmap);
}

template <Listens listens>
void translate(benchmark::State& state, const Load& load) {
  const auto devices = static_cast<std::uint32_t>(state.range(0));
  constexpr bool traced = listens == Listens::database;
  constexpr bool checked = listens == Listens::checks || listens == Listens::alert_checks;
  std::uint64_t requests = 0;
  std::uint64_t misses = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::optional<RunDatabase> database;
    if (traced) database.emplace(RunDatabase::create(scratch_file(), {}));
    auto rig = std::make_unique<Rig>(params(devices, load), traced ? &database->trace() : nullptr);
    build(*rig, devices, load);
    check::Checker checker(paths(devices));
    if (checked) listen(*rig, checker, listens == Listens::alert_checks);
    state.ResumeTiming();
    rig->engine.run();
    rig->tracer().finish();
    if (traced) database->finish();
    state.PauseTiming();
    requests += rig->iommu().stats.requests;
    misses += rig->iommu().iotlb_stats().misses;
    rig.reset();
    std::filesystem::remove(scratch_file());
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
    const Iova base(std::uint64_t{d} * load.pages << 12U);
    model.spaces.push_back(
        {.base = base, .pages = load.pages, .domain = DomainId(static_cast<std::uint16_t>(2 + d))});
    SmallModel::Device& device = model.devices.emplace_back();
    device.space = d;
    device.source = Rig::source_of(d);
    device.dma.traffic.window = Bytes(std::uint64_t{load.pages} << 12U);
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
                               void (&run)(benchmark::State&, const Load&)) {
      benchmark::RegisterBenchmark(name,
                                   [load, &run](benchmark::State& state) { run(state, load); })
          ->Arg(devices)
          ->Iterations(1)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    };
    add("translate/hits", {16, 16, 8'000'000}, translate<Listens::nobody>);
    add("checked/hits", {16, 16, 8'000'000}, translate<Listens::checks>);
    add("alert/hits", {16, 16, 8'000'000}, translate<Listens::alert_checks>);
    add("traced/hits", {16, 16, 8'000'000}, translate<Listens::database>);
    add("reference/hits", {16, 16, 1'000'000}, reference);
    add("translate/miss10", {10, 9, 4'000'000}, translate<Listens::nobody>);
    add("checked/miss10", {10, 9, 4'000'000}, translate<Listens::checks>);
    add("alert/miss10", {10, 9, 4'000'000}, translate<Listens::alert_checks>);
    add("traced/miss10", {10, 9, 4'000'000}, translate<Listens::database>);
    add("reference/miss10", {10, 9, 400'000}, reference);
    add("translate/misses", {1024, 1, 1'000'000}, translate<Listens::nobody>);
    add("checked/misses", {1024, 1, 1'000'000}, translate<Listens::checks>);
    add("alert/misses", {1024, 1, 1'000'000}, translate<Listens::alert_checks>);
    add("traced/misses", {1024, 1, 1'000'000}, translate<Listens::database>);
    add("reference/misses", {1024, 1, 100'000}, reference);
  }
  register_nested_benchmarks();
  register_queue_benchmarks();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
