// Draws small models from a seed.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/small_model.hpp"

#include <algorithm>
#include <array>

namespace viosim::test {
namespace {

using Step = SmallModel::Step;

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : rng_(seed, "small model") {
    // Few different latencies, all multiples of one unit: equal dates abound.
    unit_ = one_of(std::array{Ps(1), Ps(5'000), Ps(10'000), Ps(50'000)});
  }

  std::uint64_t below(std::uint64_t bound) { return rng_.below(bound); }
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low + below(high - low + 1);
  }
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  template <class T, std::size_t N>
  T one_of(const std::array<T, N>& choices) {
    return choices[below(N)];
  }
  Ps time(std::uint64_t least, std::uint64_t most) {
    return unit_ * static_cast<std::int64_t>(between(least, most));
  }

 private:
  Rng rng_;
  Ps unit_{1};
};

CacheParams draw_cache(Draw& draw, bool small) {
  CacheParams cache;
  cache.replacement = draw.one_of(std::array{Replacement::lru, Replacement::lru, Replacement::fifo,
                                             Replacement::random, Replacement::flush_all});
  std::uint32_t sets = draw.one_of(std::array{1U, 1U, 2U, 4U});
  if (cache.replacement == Replacement::flush_all) sets = 1;
  // Above 32 ways victims are gathered in advance.
  cache.ways = small ? draw.one_of(std::array{1U, 2U, 4U, 16U})
                     : draw.one_of(std::array{1U, 2U, 4U, 8U, 33U, 40U, 96U});
  cache.entries = sets * cache.ways;
  if (sets == 1 && draw.chance(50)) cache.ways = 0;
  cache.latency = draw.time(0, 2);
  return cache;
}

vtd::UnitParams draw_iommu(Draw& draw) {
  vtd::UnitParams iommu;
  iommu.merge_walks = false;  // the reference lets every miss walk
  iommu.invalidation.drain = false;
  iommu.invalidation.pasid_drain = false;
  iommu.mode = draw.chance(50) ? vtd::Mode::legacy : vtd::Mode::scalable;
  iommu.context_cache = draw_cache(draw, true);
  iommu.pasid_cache = draw_cache(draw, true);
  iommu.iotlb = draw_cache(draw, false);
  iommu.iotlb_tag = draw.chance(30) ? IotlbTag::source : IotlbTag::domain;
  if (iommu.iotlb_tag == IotlbTag::source) iommu.iotlb.latency += Ps(draw.chance(50) ? 1 : 5'000);
  iommu.page_match_bits = draw.chance(20) ? 3 : 52;
  iommu.walkers = static_cast<std::uint32_t>(draw.between(1, 3));
  iommu.walk_read = draw.time(1, 4);
  iommu.fault_record = draw.time(1, 3);
  vtd::InvalidationQueueParams& queue = iommu.invalidation;
  queue.entries = iommu.mode == vtd::Mode::legacy ? vtd::least_entries : vtd::least_wide_entries;
  for (Ps* cost :
       {&queue.doorbell, &queue.fetch, &queue.fetch_each, &queue.context_cache, &queue.pasid_cache,
        &queue.iotlb, &queue.device_tlb, &queue.interrupt_cache, &queue.wait})
    *cost = draw.time(0, 3);
  return iommu;
}

SmallModel::Space draw_space(Draw& draw, vtd::Mode mode, std::size_t number) {
  SmallModel::Space space;
  space.base = Iova(draw.one_of(std::array<std::uint64_t, 4>{0, 0x1000, 0x7ff000, 0x3fffe000}));
  space.pages = draw.one_of(std::array<std::uint64_t, 4>{2, 8, 24, 64});
  space.domain = DomainId(static_cast<std::uint16_t>(1 + number));
  const bool first_level = mode == vtd::Mode::scalable && draw.chance(40);
  space.format = first_level ? TableFormat::first_level : TableFormat::second_level;
  space.levels = static_cast<unsigned>(draw.between(first_level ? 4 : 3, 5));
  if (draw.chance(25)) {
    // With a table of 3 levels and leaves of 1 GiB, one read answers: a walk cannot be shorter.
    space.leaf = static_cast<unsigned>(draw.between(2, 3));
    if (draw.chance(60)) space.levels = first_level ? 4 : 3;
    // Above the window of interrupts, which the reference does not have.
    space.base = Iova((4 + draw.below(4)) * leaf_size(space.leaf).count());
    space.pages = draw.between(1, 12) * leaf_size(space.leaf).count() >> 12U;
  }
  if (draw.chance(5)) space.base = Iova(std::uint64_t{1} << (12 + 9 * space.levels));
  space.pass_through = draw.chance(8);
  space.fault_disable = draw.chance(15);
  space.holes = draw.chance(40);
  return space;
}

DmaParams draw_dma(Draw& draw, const SmallModel::Space& space, std::uint64_t requests) {
  DmaParams dma;
  dma.traffic.window = Bytes(space.pages << 12U);
  dma.traffic.pattern =
      draw.one_of(std::array{Pattern::uniform, Pattern::sequential, Pattern::ring, Pattern::zipf});
  dma.traffic.request = Bytes(draw.one_of(std::array<std::uint64_t, 3>{64, 1024, 4096}));
  dma.traffic.direction =
      draw.one_of(std::array{Direction::read, Direction::write, Direction::mixed});
  if (space.leaf > 1) dma.traffic.pattern = Pattern::uniform;
  dma.outstanding = static_cast<std::uint32_t>(draw.between(1, 4));
  dma.interval = std::max(Ps(1), draw.time(0, 4));
  dma.requests = draw.between(1, requests);
  dma.on_fault = draw.chance(60) ? OnFault::retry : OnFault::abort;
  return dma;
}

void draw_devices(Draw& draw, SmallModel& model) {
  const std::uint64_t count = draw.chance(3) ? draw.between(250, 300) : draw.between(2, 24);
  const bool functions_share = model.iommu.mode == vtd::Mode::scalable && draw.chance(30);
  const std::uint64_t requests = std::max<std::uint64_t>(40, 6000 / count);
  for (std::uint64_t d = 0; d < count; ++d) {
    SmallModel::Device device;
    device.space = draw.below(model.spaces.size());
    // A source's devices differ in their PASIDs.
    device.source = Bdf(static_cast<std::uint16_t>(0x170 + (functions_share ? d / 2 : d * 3)));
    if (model.iommu.mode == vtd::Mode::scalable && (functions_share || draw.chance(40)))
      device.pasid = Pasid(static_cast<std::uint32_t>(60 + d % 190));
    device.link.latency = draw.time(0, 3);
    device.dma = draw_dma(draw, model.spaces[device.space], requests);
    if (draw.chance(30)) device.start = Instant(draw.time(0, 50));
    if (draw.chance(10)) device.until = Instant(draw.time(1, 500));
    model.devices.push_back(device);
  }
}

vtd::Descriptor iotlb_descriptor(Draw& draw, const SmallModel& model, const Step& step) {
  using vtd::Granularity;
  vtd::Descriptor descriptor;
  const SmallModel::Space& space = model.spaces[step.space];
  const Pasid pasid = model.devices[step.device].pasid;
  descriptor.domain = space.domain;
  descriptor.address = space.base + Bytes(step.page << 12U);
  descriptor.address_mask = static_cast<std::uint8_t>(
      space.leaf > 1 ? draw.one_of(std::array<std::uint64_t, 4>{0, 9, 10, 18}) : step.pages - 1);
  if (model.iommu.mode == vtd::Mode::scalable && draw.chance(60)) {
    descriptor.type = vtd::DescriptorType::pasid_iotlb;
    descriptor.pasid = pasid == no_pasid ? Pasid(0) : pasid;
    descriptor.granularity = draw.chance(60) ? Granularity::page : Granularity::pasid;
  } else {
    descriptor.type = vtd::DescriptorType::iotlb;
    descriptor.granularity =
        draw.one_of(std::array{Granularity::page, Granularity::page, Granularity::page,
                               Granularity::domain, Granularity::global});
  }
  return descriptor;
}

vtd::Descriptor other_descriptor(Draw& draw, const SmallModel& model, const Step& step) {
  using vtd::DescriptorType;
  using vtd::Granularity;
  vtd::Descriptor descriptor;
  descriptor.domain = model.spaces[step.space].domain;
  descriptor.source = model.devices[step.device].source;
  descriptor.pasid = model.devices[step.device].pasid;
  descriptor.type = draw.one_of(std::array{DescriptorType::context_cache,
                                           DescriptorType::pasid_cache, DescriptorType::device_tlb,
                                           DescriptorType::interrupt_cache, DescriptorType::wait});
  if (descriptor.type == DescriptorType::context_cache) {
    descriptor.granularity =
        draw.one_of(std::array{Granularity::global, Granularity::domain, Granularity::device});
    descriptor.function_mask = static_cast<std::uint8_t>(draw.below(4));
  } else if (descriptor.type == DescriptorType::pasid_cache) {
    descriptor.granularity =
        draw.one_of(std::array{Granularity::global, Granularity::domain, Granularity::pasid});
  }
  return descriptor;
}

// Last of all: what was drawn before is what it was without drivers.
void draw_turns(Draw& draw, SmallModel& model) {
  if (!draw.chance(40)) return;
  for (SmallModel::Device& device : model.devices) {
    if (!draw.chance(30)) continue;
    const std::uint64_t turns = draw.between(1, 6);
    for (std::uint64_t i = 0; i < turns; ++i)
      device.turns.push_back({draw.time(0, 60), draw.time(0, 30)});
  }
}

Step draw_step(Draw& draw, const SmallModel& model) {
  using What = Step::What;
  Step step;
  step.what = draw.one_of(std::array{What::migrate, What::migrate, What::unmap, What::protect,
                                     What::detach, What::flush});
  step.pause = draw.time(1, 200);
  step.device = draw.below(model.devices.size());
  step.space = model.devices[step.device].space;
  const SmallModel::Space& space = model.spaces[step.space];
  const std::uint64_t limit = std::uint64_t{1} << (12 + 9 * space.levels);
  if (space.pass_through || space.base.value() >= limit) step.what = What::flush;
  step.pages = draw.between(1, 2);
  step.page = draw.below(space.pages - step.pages + 1);
  step.moved_to = draw.between(1, 1000) << 20U;
  step.rest = draw.time(0, 20);
  if (draw.chance(80)) step.descriptors.push_back(iotlb_descriptor(draw, model, step));
  step.broken = draw.chance(10);
  const std::uint64_t others = draw.below(3);
  for (std::uint64_t i = 0; i < others; ++i)
    step.descriptors.push_back(other_descriptor(draw, model, step));
  return step;
}

}  // namespace

SmallModel random_model(std::uint64_t seed) {
  Draw draw(seed);
  SmallModel model;
  model.seed = seed;
  model.iommu = draw_iommu(draw);
  model.memory_latency = draw.time(0, 3);
  const std::uint64_t spaces = draw.between(1, 8);
  for (std::size_t s = 0; s < spaces; ++s)
    model.spaces.push_back(draw_space(draw, model.iommu.mode, s));
  draw_devices(draw, model);
  const std::uint64_t operators = draw.below(3);
  for (std::uint64_t o = 0; o < operators; ++o) {
    const std::uint64_t steps = draw.between(1, 60);
    auto& script = model.operators.emplace_back();
    for (std::uint64_t i = 0; i < steps; ++i) script.push_back(draw_step(draw, model));
  }
  model.fault_handlers = static_cast<std::uint32_t>(draw.below(3));
  model.fault_handling = draw.chance(30) ? Ps(1'500'000) : draw.time(1, 30);
  draw_turns(draw, model);
  return model;
}

}  // namespace viosim::test
