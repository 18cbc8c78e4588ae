// Nested translations per second on one core, and what many devices and PASIDs cost.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/guest_memory.hpp"
#include "tests/support/rig.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <deque>
#include <memory>

namespace viosim::test {
namespace {

constexpr std::uint32_t pages = 1024;  // of each device's window
constexpr std::uint32_t guest_frames = 8;

RigParams nested_params(std::uint32_t devices, bool walk_caches) {
  RigParams rig;
  const std::uint32_t holds_all = std::max<std::uint32_t>(64, std::bit_ceil(devices) * 2);
  rig.iommu.context_cache.entries = holds_all;
  rig.iommu.pasid_cache.entries = holds_all;
  rig.iommu.iotlb.entries = std::bit_ceil(devices);
  rig.iommu.iotlb.ways = 1;
  rig.iommu.walkers = std::max<std::uint32_t>(6, devices);
  if (walk_caches) {
    rig.iommu.walk_caches.first.level2.entries = holds_all * 2;
    rig.iommu.walk_caches.second.level2.entries = holds_all * 4;
  }
  return rig;
}

// D devices, one request in flight each, uniform over windows of their own, each with two stages of
// four levels; the IOTLB holds a page of each.
struct Nested {
  Nested(std::uint32_t devices, std::uint64_t requests, bool walk_caches)
      : rig(nested_params(devices, walk_caches)) {
    for (std::uint32_t d = 0; d < devices; ++d) add(d, requests / devices);
  }

  void add(std::uint32_t d, std::uint64_t requests) {
    PageTable& second = seconds.emplace_back(rig.memory, TableFormat::second_level, 4);
    GuestMemory& guest =
        guests.emplace_back(rig.memory, second, Hpa(0x4000'0000), Bytes(guest_frames << 12U), 1);
    PageTable& first = firsts.emplace_back(guest, TableFormat::first_level, 4);
    const Iova base(std::uint64_t{d} << 22U);
    const Hpa guest_pages(0x8000'0000);
    first.map(base, guest_pages, pages, {true, true});
    second.map(Iova(guest_pages.value()), Hpa((std::uint64_t{1} << 40U) + base.value()), pages,
               {true, true});
    vtd::PasidEntry entry;
    entry.present = true;
    entry.address_width = 2;
    entry.type = vtd::PasidEntry::Type::nested;
    entry.first_level = first.root();
    entry.second_level = second.root();
    entry.domain = DomainId(static_cast<std::uint16_t>(2 + d));
    const Bdf source = Rig::source_of(d);
    rig.unit().tables().attach(source, 1, Pasid(0));
    rig.unit().tables().set_entry(source, Pasid(0), entry);
    DmaParams dma;
    dma.traffic.window = Bytes(std::uint64_t{pages} << 12U);
    dma.requests = requests;
    rig.add_device(dma, base);
  }

  Rig rig;
  std::deque<PageTable> seconds;
  std::deque<GuestMemory> guests;
  std::deque<PageTable> firsts;
};

void nested(benchmark::State& state, std::uint64_t requests, bool walk_caches) {
  std::uint64_t done = 0;
  std::uint64_t reads = 0;
  std::uint64_t walks = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto run =
        std::make_unique<Nested>(static_cast<std::uint32_t>(state.range(0)), requests, walk_caches);
    state.ResumeTiming();
    run->rig.engine.run();
    state.PauseTiming();
    const IommuStats& stats = run->rig.iommu().stats;
    done += stats.requests;
    reads += stats.walk_reads;
    walks += stats.walks;
    run.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(done));
  state.counters["reads_per_walk"] = static_cast<double>(reads) / static_cast<double>(walks);
  state.counters["miss_rate"] = static_cast<double>(walks) / static_cast<double>(done);
}

// D devices of a hundred PASIDs each, every one with an entry; a tenth of the requests misses the
// IOTLB, and more while it fills. Each device uses one PASID.
void large(benchmark::State& state, std::uint64_t requests_each) {
  const auto devices = static_cast<std::uint32_t>(state.range(0));
  constexpr std::uint32_t pasids = 100;
  constexpr std::uint32_t window = 10;
  std::uint64_t done = 0;
  std::uint64_t misses = 0;
  for (auto _ : state) {
    state.PauseTiming();
    RigParams params;
    params.iommu.context_cache.entries = std::bit_ceil(devices);
    params.iommu.pasid_cache.entries = std::bit_ceil(devices);
    const std::uint32_t sets = std::bit_floor(devices);
    params.iommu.iotlb.ways = (devices * (window - 1) + sets / 2) / sets;
    params.iommu.iotlb.entries = sets * params.iommu.iotlb.ways;
    params.iommu.walkers = devices;
    auto rig = std::make_unique<Rig>(params);
    for (std::uint32_t d = 0; d < devices; ++d) {
      const Iova base(std::uint64_t{d} * (window << 12U));
      const Bytes size(window << 12U);
      const PageTable& table =
          rig->new_space(base, size, Hpa((std::uint64_t{1} << 40U) + base.value()));
      vtd::PasidEntry entry;
      entry.present = true;
      entry.address_width = 2;
      entry.type = vtd::PasidEntry::Type::second_level;
      entry.second_level = table.root();
      entry.domain = DomainId(static_cast<std::uint16_t>(2 + d));
      const Bdf source = Rig::source_of(d);
      rig->unit().tables().attach(source, pasids, Pasid(0));
      for (std::uint32_t pasid = 0; pasid < pasids; ++pasid)
        rig->unit().tables().set_entry(source, Pasid(pasid), entry);
      DmaParams dma;
      dma.traffic.window = size;
      dma.requests = requests_each;
      rig->add_device(dma, base, Pasid(d % pasids));
    }
    state.ResumeTiming();
    rig->engine.run();
    state.PauseTiming();
    done += rig->iommu().stats.requests;
    misses += rig->iommu().iotlb_stats().misses;
    state.counters["table_mib"] = static_cast<double>(rig->memory.footprint()) / (1U << 20U);
    rig.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(done));
  state.counters["miss_rate"] = static_cast<double>(misses) / static_cast<double>(done);
}

}  // namespace

void register_nested_benchmarks() {
  const auto add = [](const char* name, std::int64_t devices, std::int64_t runs, auto run) {
    benchmark::RegisterBenchmark(name, run)->Arg(devices)->Iterations(runs)->UseRealTime()->Unit(
        benchmark::kMillisecond);
  };
  for (const std::int64_t devices : {1, 16, 1024}) {
    add("translate/nested_warm", devices, 1,
        [](benchmark::State& state) { nested(state, 1'000'000, true); });
    add("translate/nested_cold", devices, 1,
        [](benchmark::State& state) { nested(state, 500'000, false); });
  }
  // Each device's first walks are cold: runs compare in which each device sends equally many
  // requests. Few devices are over soon, and run several times.
  for (const std::int64_t devices : {100, 10'000}) {
    const std::int64_t runs = 10'000 / devices;
    add("translate/large_400", devices, runs, [](benchmark::State& state) { large(state, 400); });
    add("translate/large_4000", devices, runs > 1 ? 10 : 1,
        [](benchmark::State& state) { large(state, 4'000); });
  }
}

}  // namespace viosim::test
