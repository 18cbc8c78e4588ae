// What the proof of exactness has found, each as the smallest case that shows it.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/actor_reference.hpp"
#include "tests/support/catch.hpp"

namespace viosim::test {
namespace {

// One space of eight pages; devices read page after page, one request in flight each.
SmallModel simple_model() {
  SmallModel model;
  model.iommu.mode = vtd::Mode::legacy;
  model.spaces.push_back({.base = Iova(0), .pages = 8, .domain = DomainId(1)});
  return model;
}

SmallModel::Device& add_device(SmallModel& model, std::uint64_t requests) {
  SmallModel::Device& device = model.devices.emplace_back();
  device.source = Bdf(static_cast<std::uint16_t>(0x100 + model.devices.size()));
  device.dma.requests = requests;
  device.dma.traffic.pattern = Pattern::sequential;
  device.dma.traffic.request = 4_KiB;
  device.dma.traffic.window = Bytes(model.spaces[0].pages << 12U);
  return device;
}

std::vector<std::int64_t> issues(const SmallRun::Device& device) {
  std::vector<std::int64_t> times;
  for (const RequestRecord& request : device.requests) times.push_back(request.issue);
  return times;
}

}  // namespace

TEST_CASE("a device's first request is issued at its start, the next an interval later",
          "[des][exactness]") {
  const Ps start = GENERATE(Ps(0), Ps(3), Ps(20'000'000));
  SmallModel model = simple_model();
  SmallModel::Device& device = add_device(model, 3);
  device.dma.interval = 10us;
  device.start = Instant(start);
  const std::int64_t first = start.count();
  CHECK(issues(run_production(model).devices[0]) ==
        std::vector<std::int64_t>{first, first + 10'000'000, first + 20'000'000});
}

TEST_CASE("faults that are not to be reported stay silent when context and PASID entry are cached",
          "[des][exactness]") {
  SmallModel model = simple_model();
  model.iommu.mode = GENERATE(vtd::Mode::legacy, vtd::Mode::scalable);
  model.spaces[0].holes = true;
  model.spaces[0].fault_disable = true;
  add_device(model, 16);
  const SmallRun run = run_production(model);
  CHECK(run.contexts.hits == 15);
  CHECK(run.iommu.faults == 6);
  CHECK(run.iommu.faults_reported == 0);
}

TEST_CASE("PASID-selective invalidation reaches what a request without a PASID has left",
          "[des][exactness]") {
  SmallModel model = simple_model();
  model.iommu.mode = vtd::Mode::scalable;
  model.iommu.iotlb_tag = GENERATE(IotlbTag::source, IotlbTag::domain);
  model.spaces[0].pages = 1;
  SmallModel::Device& device = add_device(model, 3);
  device.dma.interval = 10us;
  SmallModel::Step step;
  step.what = SmallModel::Step::What::migrate;
  step.pause = 15us;
  step.moved_to = 1;
  vtd::Descriptor descriptor;
  descriptor.type = vtd::DescriptorType::pasid_iotlb;
  descriptor.granularity = vtd::Granularity::pasid;
  descriptor.domain = DomainId(1);
  step.descriptors.push_back(descriptor);
  model.operators.push_back({step});
  const auto requests = run_production(model).devices[0].requests;
  REQUIRE(requests.size() == 3);
  CHECK(requests[1].code == 0);
  CHECK(requests[1].address == requests[0].address);
  CHECK(requests[2].code == 1);
  CHECK(requests[2].address == requests[0].address + 4096);
}

TEST_CASE("a walk's use of the context cache is a use, also when entries are found by source",
          "[des][exactness]") {
  SmallModel model = simple_model();
  model.iommu.iotlb_tag = IotlbTag::source;
  model.iommu.context_cache.entries = 2;
  add_device(model, 4).dma.interval = 10us;
  // The first device's context was used at 10 us: at 15 us, the second one's makes room.
  add_device(model, 1).start = Instant(5us);
  add_device(model, 1).start = Instant(15us);
  const SmallRun run = run_production(model);
  CHECK(run.contexts.hits == 3);
  CHECK(run.contexts.misses == 3);
  CHECK(run.contexts.evictions == 1);
}

TEST_CASE(
    "a walk that finds a large page does not cache it after any of its addresses was invalidated",
    "[des][exactness]") {
  SmallModel model = simple_model();
  model.spaces[0].leaf = 2;
  add_device(model, 1).start = Instant(10us);
  // The walk knows its domain at 10.362 us and ends at 10.602 us; this is executed at 10.46 us.
  SmallModel::Step step;
  step.pause = Ps(10'070'000);
  vtd::Descriptor descriptor;
  descriptor.type = vtd::DescriptorType::iotlb;
  descriptor.granularity = vtd::Granularity::page;
  descriptor.domain = DomainId(1);
  descriptor.address = Iova(0x1000);
  step.descriptors.push_back(descriptor);
  model.operators.push_back({step});
  const SmallRun run = run_production(model);
  CHECK(run.iommu.fills_withheld == 1);
  CHECK(run.iotlb.insertions == 0);
}

TEST_CASE("uses at one instant are ordered: by events as they happen, then by arrivals by device",
          "[des][exactness]") {
  const Instant at(5ns);
  const UseStamp first = UseStamp::event(at, {});
  const UseStamp second = UseStamp::event(at, first);
  CHECK(first < second);
  CHECK(second < UseStamp::arrival(5000, 0));
  CHECK(UseStamp::arrival(5000, 0) < UseStamp::arrival(5000, 1));
  CHECK(UseStamp::arrival(5000, 1) < UseStamp::event(Instant(Ps(5001)), second));
}

}  // namespace viosim::test
