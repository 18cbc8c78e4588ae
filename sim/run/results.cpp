// Gathers every metric and histogram of a system that has run.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/results.hpp"

#include "sim/run/reading.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <vector>

namespace viosim {
namespace {

// "faults_0x59", by the numbers of specifications; RISC-V's in hexadecimal, too.
std::vector<std::string> names_of_reasons(const Iommu& iommu) {
  std::vector<std::string> names;
  for (const FaultCount& fault : iommu.faults_by_reason())
    names.push_back(fmt::format("faults_{:#04x}", static_cast<unsigned>(fault.code)));
  return names;
}

void add_iommu(Instruments& all, const System::IommuSystem& s) {
  const Iommu& iommu = *s.iommu;
  all.add(s.component, [&iommu, names = names_of_reasons(iommu)](Reading reading) {
    reading.metrics(iommu.stats);
    for (std::size_t i = 0; i < names.size(); ++i) {
      const FaultCount& fault = iommu.faults_by_reason()[i];
      reading.count(names[i], fault.requests, iommu.architecture().describe(fault.code));
    }
    reading.latency("translation", iommu.translation_latency());
  });
  all.add_metrics(s.context_cache, iommu.context_stats());
  all.add_metrics(s.pasid_cache, iommu.pasid_stats());
  all.add_metrics(s.iotlb, iommu.iotlb_stats());
  for (const auto& cache : s.walk_caches)
    all.add_metrics(cache.component, *iommu.walk_caches().stats(cache.stage, cache.level));
  const auto add_queue = [&](const auto& queue) {
    all.add(s.queue, [&queue](Reading reading) {
      reading.metrics(queue.stats);
      if constexpr (requires { queue.devices(); }) reading.metrics(queue.devices().stats);
      reading.latency("batch", queue.batch_latency);
    });
  };
  if (s.vtd != nullptr) add_queue(s.vtd->unit.queue());
  if (s.riscv != nullptr) add_queue(s.riscv->unit.queue());
  if (s.page_requests) {
    all.add(s.page_request_queue, [&s](Reading reading) {
      reading.metrics(s.vtd->unit.page_requests().stats);
      reading.metrics(s.page_requests->stats);
      reading.latency("group", s.page_requests->group_latency);
    });
  }
}

void add_ats(Instruments& all, const System::AtsSystem& ats) {
  const AtsDevice& device = *ats.device;
  all.add(
      ats.component,
      [&device](Reading reading) {
        reading.metrics(device.stats);
        reading.latency("dma", device.latency);
        reading.latency("translation", device.translation_latency);
        reading.latency("page", device.page_latency);
        reading.latency("invalidation", device.invalidation_latency);
      },
      ats.request);
  all.add_metrics(ats.tlb, device.tlb().stats());
}

}  // namespace

std::vector<Instrument> instruments(const System& system) {
  Instruments all;
  for (const System::HostSystem& host : system.hosts()) {
    const HostKernel& kernel = *host.kernel;
    all.add(host.component, [&kernel](Reading reading) {
      reading.metrics(kernel.stats);
      reading.latency("fault", kernel.fault_latency);
      reading.latency("migration", kernel.migration_latency);
    });
  }
  for (const System::IommuSystem& iommu : system.iommus()) add_iommu(all, iommu);
  for (const System::DmaSystem& device : system.dma_devices()) {
    all.add(
        device.component,
        [&fabric = system.fabric(), number = device.device](Reading reading) {
          reading.metrics(fabric.stats(number));
          reading.latency("dma", fabric.latency(number));
        },
        device.request);
  }
  for (const System::AtsSystem& ats : system.ats_devices()) add_ats(all, ats);
  for (const TracePlayer& player : system.players()) {
    for (const TracePlayer::Function& function : player.functions()) {
      all.add(function.component, [&function](Reading reading) {
        reading.metrics(function.stats);
        reading.metrics(function.recorded);
        reading.latency("translation", function.latency);
      });
    }
  }
  for (const System::HostSystem& host : system.hosts()) {
    if (host.software) add_software(all, *host.software);
  }
  add_links(all, system);
  return std::move(all.all);
}

Results collect(const System& system) {
  Results results;
  for (const Instrument& instrument : instruments(system)) instrument.read(results);
  std::erase_if(results.metrics, [](const MetricValue& metric) { return metric.left_out(); });
  std::erase_if(results.latencies,
                [](const LatencyValue& latency) { return latency.histogram->count() == 0; });
  return results;
}

}  // namespace viosim
