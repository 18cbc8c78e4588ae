// Gathers every metric and histogram of a system that has run.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/results.hpp"

#include "core/base/fields.hpp"

namespace viosim {
namespace {

class Collector {
 public:
  template <class Stats>
  void metrics(std::uint32_t component, const Stats& stats) {
    for_each_field<Stats>([&](const auto& metric) {
      results.metrics.push_back(
          {component, std::string(metric.name), metric.unit, value_of(stats.*(metric.member))});
    });
  }
  void latency(std::uint32_t component, const char* operation, const Histogram& histogram) {
    if (histogram.count() != 0) results.latencies.push_back({component, operation, &histogram});
  }

  Results results;
};

}  // namespace

Results collect(const System& system) {
  Collector collector;
  for (const System::HostSystem& host : system.hosts()) {
    collector.metrics(host.component, host.kernel->stats);
    collector.latency(host.component, "fault", host.kernel->fault_latency);
    collector.latency(host.component, "migration", host.kernel->migration_latency);
  }
  for (const System::IommuSystem& s : system.iommus()) {
    collector.metrics(s.component, s.iommu->stats);
    collector.latency(s.component, "translation", s.iommu->translation_latency);
    collector.metrics(s.context_cache, s.iommu->context_stats());
    collector.metrics(s.pasid_cache, s.iommu->pasid_stats());
    collector.metrics(s.iotlb, s.iommu->iotlb_stats());
    for (const auto& cache : s.walk_caches) {
      collector.metrics(cache.component, *s.iommu->walk_caches().stats(cache.stage, cache.level));
    }
    const auto collect_queue = [&](const auto& queue) {
      collector.metrics(s.queue, queue.stats);
      collector.latency(s.queue, "batch", queue.batch_latency);
    };
    if (s.vtd != nullptr) collect_queue(s.vtd->unit.queue());
    if (s.riscv != nullptr) collect_queue(s.riscv->unit.queue());
    if (s.page_requests) {
      collector.metrics(s.page_request_queue, s.vtd->unit.page_requests().stats);
      collector.metrics(s.page_request_queue, s.page_requests->stats);
      collector.latency(s.page_request_queue, "group", s.page_requests->group_latency);
    }
  }
  for (const System::DmaSystem& device : system.dma_devices()) {
    collector.metrics(device.component, system.fabric().stats(device.device));
    collector.latency(device.component, "dma", system.fabric().latency(device.device));
  }
  for (const System::AtsSystem& ats : system.ats_devices()) {
    collector.metrics(ats.component, ats.device->stats);
    collector.latency(ats.component, "dma", ats.device->latency);
    collector.latency(ats.component, "translation", ats.device->translation_latency);
    collector.latency(ats.component, "page", ats.device->page_latency);
    collector.latency(ats.component, "invalidation", ats.device->invalidation_latency);
    collector.metrics(ats.tlb, ats.device->tlb().stats());
  }
  for (const TracePlayer& player : system.players()) {
    for (const TracePlayer::Function& function : player.functions()) {
      collector.metrics(function.component, function.stats);
      collector.metrics(function.component, function.recorded);
      collector.latency(function.component, "translation", function.latency);
    }
  }
  return collector.results;
}

}  // namespace viosim
