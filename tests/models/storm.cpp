// What a storm's devices ask, and what the tables allow.
// SPDX-License-Identifier: Apache-2.0
#include "tests/models/storm.hpp"

#include "models/event_order.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace viosim::test {
namespace {

constexpr std::uint64_t acts = 1U << 20U;  // events below are of devices

template <std::size_t n>
Replacement draw_replacement(Rng& rng, const std::array<Replacement, n>& from) {
  return from[rng.below(n)];
}

}  // namespace

Instant History::known_since(Instant arrival) const {
  Instant since;
  for (const Fence& fence : fences_) {
    if (fence.done <= arrival) since = std::max(since, fence.submitted);
  }
  return since;
}

Storm::Storm(std::uint64_t seed, bool run_ahead, Order order) : rng_(seed, "storm"), order_(order) {
  vtd::UnitParams params = draw_params();
  legacy_ = params.mode == vtd::Mode::legacy;
  unit_ = std::make_unique<vtd::Unit>("dmar0", params, 0, agenda_, memory_, seed);
  iommu().run_ahead(run_ahead);
  unit_->queue().listen(*this);
  status_ = memory_.allocate_frames();
  software_first_ = chance(50);
  spacing_ = chance(50) ? 1 : 2 + static_cast<unsigned>(below(2));
  const std::uint64_t spaces = 1 + below(4);
  for (std::size_t number = 0; number < spaces; ++number) add_space(number);
  const std::uint64_t devices = 1 + below(6);
  for (std::uint32_t number = 0; number < devices; ++number) add_device(number);
  steps_left_ = 10 + below(30);
}

WalkCachesParams Storm::draw_walk_caches() {
  WalkCachesParams caches;
  caches.latency = some_time(2);
  if (chance(25)) return caches;
  for (StageCachesParams* stage : {&caches.first, &caches.second}) {
    for (WalkCacheParams* level :
         {&stage->level2, &stage->level3, &stage->level4, &stage->level5}) {
      level->entries = chance(30) ? 0 : 1U << below(4);
      level->replacement = draw_replacement(
          rng_, std::array{Replacement::lru, Replacement::fifo, Replacement::random});
    }
  }
  return caches;
}

vtd::UnitParams Storm::draw_params() {
  vtd::UnitParams params;
  params.mode = chance(25) ? vtd::Mode::legacy : vtd::Mode::scalable;
  for (CacheParams* cache : {&params.context_cache, &params.pasid_cache, &params.iotlb}) {
    cache->entries = 1U << below(cache == &params.iotlb ? 6 : 3);
    cache->ways = chance(50) ? 0 : 1U << below(std::bit_width(cache->entries));
    cache->replacement = draw_replacement(
        rng_, std::array{Replacement::lru, Replacement::fifo, Replacement::random});
    if (cache->sets() == 1 && chance(20)) cache->replacement = Replacement::flush_all;
    cache->latency = some_time(2);
  }
  if (chance(15)) {
    params.iotlb_tag = IotlbTag::source;
    params.iotlb.latency = 5ns;
  }
  params.walkers = 1 + static_cast<std::uint32_t>(below(4));
  params.walk_read = 5ns + some_time(5);
  params.walk_update = 5ns + some_time(5);
  params.fault_record = 5ns + some_time(5);
  params.merge_walks = chance(70);
  params.caching_mode = chance(20);
  params.invalidation.drain = chance(50);
  params.devices_with_processes = chance(20);
  params.walk_caches = draw_walk_caches();
  for (Ps* time :
       {&params.invalidation.doorbell, &params.invalidation.fetch, &params.invalidation.fetch_each,
        &params.invalidation.context_cache, &params.invalidation.pasid_cache,
        &params.invalidation.iotlb, &params.invalidation.wait})
    *time = some_time(4);
  return params;
}

SpaceShape Storm::draw_shape(std::size_t number) {
  using Type = vtd::PasidEntry::Type;
  SpaceShape shape;
  shape.type = legacy_ ? Type::second_level : static_cast<Type>(1 + below(3));
  shape.first_levels = 4 + static_cast<unsigned>(below(2));
  shape.second_levels = 3 + static_cast<unsigned>(below(3));
  shape.spacing = spacing_;
  shape.first_leaf = 1 + static_cast<unsigned>(below(spacing_));
  shape.second_leaf = 1 + static_cast<unsigned>(below(spacing_));
  shape.second_leaf = std::min(shape.second_leaf, shape.second_levels - 1);
  shape.second_updates = !legacy_ && chance(50);
  // First-level spaces share a domain: they have PASIDs of their own.
  shape.domain = DomainId(static_cast<std::uint16_t>(shape.second() ? 10 + number : 1));
  return shape;
}

void Storm::add_space(std::size_t number) {
  Space& space = spaces_.emplace_back();
  space.tables.emplace(memory_, draw_shape(number));
  space.first.resize(pages);
  space.second.resize(guest_pages);
  for (std::uint64_t page = 0; page < pages; ++page) {
    if (space.tables->shape().first()) change_first(space, page);
  }
  for (std::uint64_t page = 0; page < (space.tables->shape().nested() ? guest_pages : pages);
       ++page) {
    if (space.tables->shape().second()) change_second(space, page);
  }
  pending_.clear();
}

void Storm::add_device(std::uint32_t number) {
  Device& device = devices_.emplace_back();
  device.port.source = Bdf(static_cast<std::uint16_t>(0x100 + number * 40));
  device.port.device = number + 1;
  device.left = 20 + below(100);
  if (!legacy_) {
    if (chance(70)) device.port.pasid = Pasid(16 + number);
    unit_->tables().attach(device.port.source, 64, Pasid(16 + number));
  }
  bind(number, below(spaces_.size()));
}

void Storm::bind(std::uint32_t number, std::uint64_t space) {
  Device& device = devices_[number];
  if (legacy_) {
    unit_->tables().attach(device.port.source, spaces_[space].tables->context());
  } else {
    unit_->tables().set_entry(device.port.source, Pasid(16 + number),
                              spaces_[space].tables->entry());
  }
  device.space.change(agenda_.now(), {space + 1, true});
}

void Storm::run() {
  for (std::uint32_t number = 0; number < devices_.size(); ++number) {
    agenda_.schedule(Instant(some_time(20)), rank(EventClass::arrival, number + 1), *this, number);
  }
  later(some_time(50), [this] { step(); });
  if (chance(50)) later(some_time(100), [this] { noise(); });
  agenda_.run_before(Instant::latest());
}

void Storm::later(Ps after, std::function<void()> act) {
  acts_.push_back(std::move(act));
  const EventRank place =
      software_first_ ? rank(EventClass::table_read, 0) : rank(EventClass::recorded, 0);
  agenda_.schedule(agenda_.now() + after, place, *this, acts + acts_.size() - 1);
}

void Storm::fire(std::uint64_t what) {
  if (what < acts) return ask(static_cast<std::uint32_t>(what));
  acts_[what - acts]();
}

void Storm::ask(std::uint32_t number) {
  Device& device = devices_[number];
  const Space& space = spaces_[std::max<std::uint64_t>(device.space.last().target, 1) - 1];
  Answer answer;
  answer.device = number;
  answer.page = below(chance(50) ? 2 : pages);
  answer.access = chance(30) ? Access::write : Access::read;
  answer.arrival = agenda_.now().ps();
  const Bytes offset(below(512) * 8);
  const Iova iova = space.tables->iova(answer.page) + offset;
  const UseStamp stamp =
      UseStamp::arrival(static_cast<std::uint64_t>(answer.arrival), device.port.device);
  Hpa address;
  if (iommu().lookup(device.port, iova, answer.access, stamp, address)) {
    answer.hit = true;
    answer.at = (agenda_.now() + iommu().hit_latency()).ps();
    answer.address = address.page_base(page_4k);
    answers_.push_back(answer);
  } else {
    answer.at = -1;
    answers_.push_back(answer);
    iommu().start_walk(device.port, iova, answer.access, stamp, *this, answers_.size() - 1);
  }
  if (--device.left == 0) return;
  const Ps next = Ps(5'000) + some_time(chance(60) ? 10 : 200);
  agenda_.schedule(agenda_.now() + next, rank(EventClass::arrival, number + 1), *this, number);
}

void Storm::walked(std::uint64_t cookie, const WalkResult& result) {
  Answer& answer = answers_[cookie];
  answer.at = agenda_.now().ps();
  answer.fault = result.fault;
  answer.address = result.translation.page;
  answer.level = result.translation.level;
  answer.rights = result.translation.rights;
}

bool Storm::allowed(const Answer& answer) const {
  const History& spaces = devices_[answer.device].space;
  const Instant arrival(Ps(answer.arrival));
  bool found = false;
  spaces.for_each(spaces.known_since(arrival), Instant(Ps(answer.at)), [&](History::Value value) {
    found = found || (value.target == 0 ? answer.fault != FaultCode::none
                                        : allowed_in(spaces_[value.target - 1], answer, arrival));
  });
  return found;
}

// Faults are not cached, but for absent pages in caching mode: the tables had to refuse between
// arrival and answer.
bool Storm::allowed_in(const Space& space, const Answer& answer, Instant arrival) const {
  const SpaceShape& shape = space.tables->shape();
  const bool faulted = answer.fault != FaultCode::none;
  const bool fresh = faulted && !unit_->params().caching_mode;
  const Instant to(Ps(answer.at));
  const auto since = [&](const History& of) { return fresh ? arrival : of.known_since(arrival); };
  bool found = false;
  const auto see = [&](History::Value value, bool writable) {
    const bool refuses = value.target == 0 || (answer.access == Access::write && !value.writable);
    writable = writable && value.writable;
    found = found || (faulted ? refuses
                              : !refuses && answer.address == Hpa(value.target) &&
                                    (writable || !answer.rights.can_write(false)));
  };
  const auto see_second = [&](std::uint64_t page, bool writable) {
    const History& of = space.second[page];
    of.for_each(since(of), to, [&](History::Value value) { see(value, writable); });
  };
  if (!shape.first()) {
    see_second(answer.page, true);
    return found;
  }
  const History& of = space.first[answer.page];
  of.for_each(since(of), to, [&](History::Value value) {
    if (!shape.nested() || value.target == 0 ||
        (answer.access == Access::write && !value.writable)) {
      if (!shape.nested() || faulted) see(value, true);
    } else {
      see_second(value.target - 1, value.writable);
    }
  });
  return found;
}

StormReach Storm::reach() const {
  StormReach reach = reach_;
  const Iommu& iommu = unit_->iommu();
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
  return reach;
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

}  // namespace viosim::test
