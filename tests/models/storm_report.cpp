// What people and tests are told of a storm.
// SPDX-License-Identifier: Apache-2.0
#include "tests/models/storm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace viosim::test {

std::string Storm::story(const Answer& answer) const {
  const Device& device = devices_[answer.device];
  const StormFunction& function = device.function;
  const IommuParams& params = system_->iommu().params();
  const std::uint64_t number = std::max<std::uint64_t>(device.space.last().target, 1) - 1;
  const SpaceShape& shape = spaces_[number].tables->shape();
  return fmt::format(
      "{}, tagged by {}, caching mode {}; PASID {}, ATS {}, PRI {}, supervisor {}, execute {}, "
      "outlaw {}; space {} of type {}, {}+{} levels, leaves {} and {}, rights {:06b}",
      system_->riscv()    ? "RISC-V"
      : system_->legacy() ? "legacy"
                          : "scalable",
      params.iotlb_tag == IotlbTag::source ? "source" : "domain", params.caching_mode,
      function.pasid == no_pasid ? -1 : static_cast<int>(function.pasid.value()),
      function.translations, function.page_requests, function.supervisor, function.execute,
      function.outlaw, number, static_cast<int>(shape.type), shape.first_levels,
      shape.second_levels, shape.first_leaf, shape.second_leaf, answer.rights.bits());
}

StormReach Storm::reach() const {
  StormReach reach = reach_;
  const Iommu& iommu = system_->iommu();
  reach.hits = iommu.iotlb_stats().hits;
  reach.walks = iommu.stats.walks;
  reach.faults = iommu.stats.faults;
  reach.merged = iommu.stats.walks_merged;
  reach.queued = iommu.stats.walks_queued;
  reach.withheld = iommu.stats.fills_withheld;
  reach.updated = iommu.stats.entries_updated;
  for (const Stage stage : {Stage::first, Stage::second}) {
    for (unsigned level = WalkCaches::lowest; level <= WalkCaches::highest; ++level) {
      if (const CacheStats* stats = iommu.walk_caches().stats(stage, level))
        reach.walk_cache_hits += stats->hits;
    }
  }
  for (const AtsDevice& engine : engines_) {
    reach.device_tlb_hits += engine.stats.hits;
    reach.page_responses += engine.stats.page_responses;
  }
  const std::size_t architecture = system_->riscv() ? 2 : system_->legacy() ? 0 : 1;
  for (const Answer& answer : answers_) {
    const std::size_t faulted = answer.fault == FaultCode::none ? 0 : 1;
    const Device& device = devices_[answer.device];
    ++reach.by_type[faulted][static_cast<std::size_t>(answer.type)];
    ++reach.by_architecture[faulted][architecture];
    reach.privileged[faulted] += answer.privileged ? 1 : 0;
    reach.executes[faulted] += answer.access == Access::execute ? 1 : 0;
    const std::uint64_t space = std::max<std::uint64_t>(device.space.last().target, 1) - 1;
    const auto type = static_cast<std::size_t>(spaces_[space].tables->shape().type);
    ++reach.by_space[faulted][type - 1];
  }
  return reach;
}

void StormReach::add(const StormReach& other) {
  hits += other.hits;
  walks += other.walks;
  faults += other.faults;
  merged += other.merged;
  queued += other.queued;
  withheld += other.withheld;
  updated += other.updated;
  tables_moved += other.tables_moved;
  rebound += other.rebound;
  walk_cache_hits += other.walk_cache_hits;
  pages_mapped += other.pages_mapped;
  device_tlb_hits += other.device_tlb_hits;
  page_responses += other.page_responses;
  for (std::size_t faulted = 0; faulted < 2; ++faulted) {
    for (std::size_t i = 0; i < 4; ++i) {
      by_type[faulted][i] += other.by_type[faulted][i];
      by_space[faulted][i] += other.by_space[faulted][i];
    }
    for (std::size_t i = 0; i < 3; ++i)
      by_architecture[faulted][i] += other.by_architecture[faulted][i];
    privileged[faulted] += other.privileged[faulted];
    executes[faulted] += other.executes[faulted];
  }
}

std::uint64_t Storm::memory_hash() const {
  std::uint64_t hash = 0;
  const auto add = [&](Hpa at) { hash = (hash ^ memory_.read(at)) * 0x9e3779b97f4a7c15U; };
  for (const Space& space : spaces_) {
    const SpaceShape& shape = space.tables->shape();
    for (std::uint64_t page = 0; page < pages; ++page) {
      for (unsigned level = shape.first_leaf; shape.first() && level <= shape.first_levels; ++level)
        add(space.tables->first_entry(page, level));
      const Iova at = shape.first() ? space.tables->guest(page) : space.tables->iova(page);
      for (unsigned level = shape.second_leaf; shape.second() && level <= shape.second_levels;
           ++level)
        add(space.tables->second_entry(at, level));
    }
  }
  return hash;
}

std::string Storm::untiled() const {
  std::multiset<Interval> in_iommu;
  std::multiset<Interval> of_devices;
  for (const auto& [key, parts] : parts_) {
    for (std::size_t i = 1; i < parts.size(); ++i) {
      if (parts[i].begin != parts[i - 1].end)
        return fmt::format("a gap at {} ps in request {}", parts[i].begin, key.second);
    }
    auto& lives = key.first == iommu_component ? in_iommu : of_devices;
    lives.insert({parts.front().begin, parts.back().end});
  }
  for (const Answer& answer : answers_) {
    if (answer.at == answer.arrival || (answer.hit && !answer.by_device_tlb)) continue;
    auto& lives = answer.by_device_tlb ? of_devices : in_iommu;
    const auto life = lives.find({answer.arrival, answer.at});
    if (life == lives.end())
      return fmt::format("no parts of a request from {} to {} ps", answer.arrival, answer.at);
    lives.erase(life);
  }
  return {};
}

}  // namespace viosim::test
