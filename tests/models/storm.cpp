// Drawing a storm: which architecture, which spaces, which devices.
// SPDX-License-Identifier: Apache-2.0
#include "tests/models/storm.hpp"

#include "models/event_order.hpp"

#include <algorithm>
#include <bit>

namespace viosim::test {
namespace {

template <std::size_t n>
Replacement draw_replacement(Rng& rng, const std::array<Replacement, n>& from) {
  return from[rng.below(n)];
}

WalkCachesParams draw_walk_caches(Rng& rng) {
  WalkCachesParams caches;
  caches.latency = storm_time(rng, 2);
  if (rng.below(4) == 0) return caches;
  for (StageCachesParams* stage : {&caches.first, &caches.second}) {
    for (WalkCacheParams* level :
         {&stage->level2, &stage->level3, &stage->level4, &stage->level5}) {
      level->entries = rng.below(100) < 30 ? 0 : 1U << rng.below(4);
      level->replacement = draw_replacement(
          rng, std::array{Replacement::lru, Replacement::fifo, Replacement::random});
    }
  }
  return caches;
}

}  // namespace

Ps storm_time(Rng& rng, std::uint64_t most) {
  return Ps(static_cast<std::int64_t>(rng.below(most + 1)) * 5'000);
}

void draw_caches(Rng& rng, IommuParams& params) {
  const auto chance = [&](unsigned percent) { return rng.below(100) < percent; };
  for (CacheParams* cache : {&params.context_cache, &params.pasid_cache, &params.iotlb}) {
    cache->entries = 1U << rng.below(cache == &params.iotlb ? 6 : 3);
    cache->ways = chance(50)
                      ? 0
                      : 1U << rng.below(static_cast<std::uint64_t>(std::bit_width(cache->entries)));
    cache->replacement =
        draw_replacement(rng, std::array{Replacement::lru, Replacement::fifo, Replacement::random});
    if (cache->sets() == 1 && chance(20)) cache->replacement = Replacement::flush_all;
    cache->latency = storm_time(rng, 2);
  }
  if (chance(15)) {
    params.iotlb_tag = IotlbTag::source;
    params.iotlb.latency = 5ns;
  }
  params.walkers = 1 + static_cast<std::uint32_t>(rng.below(4));
  params.walk_read = 5ns + storm_time(rng, 5);
  params.walk_llc_read = 1ns + storm_time(rng, 4);
  if (rng.below(4) == 0) params.walk_llc_hit = 0.5;
  params.walk_update = 5ns + storm_time(rng, 5);
  params.fault_record = 5ns + storm_time(rng, 5);
  params.merge_walks = chance(70);
  params.caching_mode = chance(20);
  params.devices_with_processes = chance(20);
  params.walk_caches = draw_walk_caches(rng);
}

Storm::Storm(std::uint64_t seed, bool run_ahead, Order order)
    : rng_(seed, "storm"), order_(order), tracer_(*this) {
  const StormWorld world{agenda_, memory_, rng_, seed};
  system_ = chance(30) ? make_riscv_system(world) : make_vtd_system(world);
  iommu().run_ahead(run_ahead);
  iommu().trace_to(tracer_, iommu_component);
  software_first_ = chance(50);
  dense_ = chance(40);
  spacing_ = chance(50) ? 1 : 2 + static_cast<unsigned>(below(2));
  if (dense_) spacing_ = 1 + static_cast<unsigned>(below(2));
  const std::uint64_t spaces = 1 + below(4);
  for (std::size_t number = 0; number < spaces; ++number) add_space(number);
  const std::uint64_t devices = 1 + below(6);
  for (std::uint32_t number = 0; number < devices; ++number) add_device(number);
  steps_left_ = 10 + below(30);
  if (vtd::Unit* unit = system_->vtd()) unit->page_requests().listen(*this);
}

SpaceShape Storm::draw_shape(std::size_t number) {
  using Type = vtd::PasidEntry::Type;
  SpaceShape shape;
  shape.riscv = system_->riscv();
  shape.type = system_->legacy() ? (chance(15) ? Type::pass_through : Type::second_level)
                                 : static_cast<Type>(1 + below(chance(40) ? 4 : 3));
  shape.first_levels = (shape.riscv ? 3 : 4) + static_cast<unsigned>(below(shape.riscv ? 3 : 2));
  shape.second_levels = 3 + static_cast<unsigned>(below(3));
  shape.spacing = spacing_;
  shape.first_leaf = dense_ ? spacing_ : 1 + static_cast<unsigned>(below(spacing_));
  shape.second_leaf = dense_ ? spacing_ : 1 + static_cast<unsigned>(below(spacing_));
  shape.second_leaf = std::min(shape.second_leaf, shape.second_levels - 1);
  shape.first_leaf = std::min(shape.first_leaf, shape.first_levels - 1);
  shape.second_updates = !system_->legacy() && chance(50);
  if (shape.riscv) shape.first_updates = chance(60);
  shape.rules.supervisor_user = chance(50);
  shape.rules.write_protect = chance(50);
  shape.rules.no_execute = chance(50);
  shape.rules.second_execute = !system_->legacy() && chance(50);
  // First-level spaces share a domain: of VT-d they have PASIDs of their own. RISC-V's have numbers
  // of their own, which are made of this.
  const bool own = shape.second() || shape.riscv || shape.type == Type::pass_through;
  shape.domain = DomainId(static_cast<std::uint16_t>(own ? 10 + number : 1));
  return shape;
}

void Storm::add_space(std::size_t number) {
  Space& space = spaces_.emplace_back();
  space.tables.emplace(memory_, draw_shape(number));
  space.first.resize(pages);
  space.second.resize(guest_pages);
  const SpaceShape& shape = space.tables->shape();
  for (std::uint64_t page = 0; page < pages; ++page) {
    if (shape.first()) change_first(space, page);
  }
  for (std::uint64_t page = 0; page < (shape.nested() ? guest_pages : pages); ++page) {
    if (shape.second()) change_second(space, page);
  }
}

void Storm::add_device(std::uint32_t number) {
  Device& device = devices_.emplace_back();
  StormFunction& function = device.function;
  function.number = number;
  function.source = Bdf(static_cast<std::uint16_t>(0x100 + number * 40));
  function.translations = chance(60);
  function.page_requests = !system_->legacy() && chance(60);
  if (system_->riscv()) function.page_requests = function.page_requests && function.translations;
  if (!system_->legacy() && chance(70)) {
    function.pasid = Pasid(16 + number);
    function.outlaw = chance(8);
  }
  if (system_->vtd() != nullptr && !system_->legacy()) function.rid_privileged = chance(30);
  device.left = 20 + below(100);
  for (IommuPort& port : device.ports) {
    port.source = function.source;
    port.device = number + 1;
    port.pasid = function.pasid;
  }
  device.ports[1].privileged = true;
  const bool engine = system_->vtd() != nullptr && dense_ && !function.outlaw && chance(50);
  function.device_tlb = engine;
  if (engine) function.translations = chance(90);
  system_->add(function);
  bind(number, below(spaces_.size()));
  if (engine) add_engine(device);
}

// A function with a translation cache, as in whole runs. It has a number of its own in the order of
// events, since it asks by itself.
void Storm::add_engine(Device& device) {
  DmaFabric::Device params;
  params.path = "ats";
  params.iommu = &iommu();
  params.source = device.function.source;
  params.pasid = device.function.pasid;
  params.link.latency = 5ns + some_time(10);
  params.dma.traffic.window = Bytes(ats_pages * leaf_size(spacing_).count());
  params.dma.traffic.direction = chance(50) ? Direction::read : Direction::write;
  params.dma.outstanding = 1U << below(4);
  params.dma.interval = 5ns + some_time(40);
  params.dma.requests = 20 + below(100);
  params.memory_latency = some_time(10);
  params.start = Instant(some_time(20));
  params.until = Instant::latest();
  params.seed = rng_.next();
  params.number = 100 + device.function.number;
  params.component = device.function.number;
  device.dma = params.dma.traffic.direction == Direction::read ? Access::read : Access::write;
  device.left = 0;
  AtsParams ats;
  ats.tlb.entries = 1U << below(4);
  ats.tlb.latency = some_time(2);
  ats.completion = some_time(5);
  ats.invalidation = some_time(20);
  std::optional<PriParams> pri;
  if (chance(70)) pri = PriParams{1U << below(4), 1 + static_cast<std::uint32_t>(below(3))};
  vtd::Unit& unit = *system_->vtd();
  device.engine =
      &engines_.emplace_back(params, ats, pri, AtsDevice::Wiring{agenda_, tracer_, unit});
  unit.attach_ats(device.function.source, *device.engine);
  unit.page_requests().give_ring();
}

// Which requests an entry allows: all user requests, and others by its flags.
Rights Storm::draw_entry(StormFunction& function) {
  function.supervisor = chance(50);
  function.execute = chance(50);
  const bool executes = function.execute || system_->riscv() || system_->legacy();
  const Rights user = Rights::user(true, true, executes);
  return function.supervisor ? user | Rights::supervisor(true, true, executes) : user;
}

void Storm::bind(std::uint32_t number, std::uint64_t space) {
  Device& device = devices_[number];
  Rights rights = draw_entry(device.function);
  PagedSpace& tables = *spaces_[space].tables;
  // RISC-V: ENS is of processes. Legacy entries have no such flags.
  const bool no_flags = system_->riscv() && device.function.pasid == no_pasid;
  if (no_flags || system_->legacy()) rights = Rights::all();
  system_->bind(device.function, tables);
  device.space.change(agenda_.now(), {space + 1, rights});
  // Legacy entries that say pass-through cannot say that ATS is allowed.
  const bool passes = tables.shape().type == SpaceShape::Type::pass_through;
  const bool no_ats = passes && system_->legacy();
  device.entry.change(agenda_.now(), {1, no_ats ? Rights() : Rights::all()});
}

void Storm::run() {
  for (std::uint32_t number = 0; number < devices_.size(); ++number) {
    if (devices_[number].left != 0)
      agenda_.schedule(Instant(some_time(20)), rank(EventClass::arrival, number + 1), *this,
                       number);
  }
  later(some_time(50), [this] { step(); });
  if (chance(50)) later(some_time(100), [this] { noise(); });
  agenda_.run_before(Instant::latest());
  tracer_.finish();
}

}  // namespace viosim::test
