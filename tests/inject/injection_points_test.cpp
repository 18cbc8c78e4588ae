// Points whose effect no figure of a run shows.
// SPDX-License-Identifier: Apache-2.0
#include "core/des/engine.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/vtd/device_invalidations.hpp"
#include "models/vmm/pasid_translation.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using namespace viosim;

namespace {

// The same for all.
struct Always final : Injector {
  Ruling ask(InjectionPoint /*point*/, std::uint32_t /*component*/, Pasid /*pasid*/,
             StepSet /*later*/) override {
    return ruling;
  }
  Ruling ruling;
};

struct Owner final : vtd::DeviceInvalidations::Owner {
  void device_invalidated(std::uint64_t cookie) override { invalidated.push_back(cookie); }
  void device_timed_out(std::uint64_t /*cookie*/, Bdf /*source*/) override {}
  void device_unexpected(Bdf /*source*/) override { ++unexpected; }
  std::vector<std::uint64_t> invalidated;
  int unexpected = 0;
};

struct Function final : AtsFunction {
  void invalidate(const AtsInvalidation& message) override { tags.push_back(message.tag); }
  void answer(const PageResponse& /*response*/) override {}
  Ps answer_time() const override { return 1ns; }
  std::vector<std::uint8_t> tags;
};

}  // namespace

TEST_CASE("a completion that comes twice is unexpected the second time", "[inject]") {
  const bool twice = GENERATE(false, true);
  Always injector;
  if (twice) injector.ruling.fate = Fate::duplicate;
  Agenda agenda;
  Owner owner;
  Function function;
  vtd::DeviceInvalidations devices({}, 0, agenda, owner);
  devices.injection.connect(injector, 0);
  devices.attach(Bdf(1, 0, 0), function, 10ns);
  vtd::Descriptor descriptor;
  descriptor.type = vtd::DescriptorType::device_tlb;
  descriptor.source = Bdf(1, 0, 0);
  devices.send(7, descriptor);
  devices.completed(Bdf(1, 0, 0), 1U << function.tags.at(0));
  agenda.run_before(Instant(1us));
  CHECK(owner.invalidated == std::vector<std::uint64_t>{7});
  CHECK(owner.unexpected == (twice ? 1 : 0));
}

TEST_CASE("a lost notice leaves a processor's table as it was", "[inject]") {
  Engine engine;
  PhysicalMemory memory;
  PasidTranslation translation(engine, memory);
  Always injector;
  translation.injection.connect(injector, 0);
  translation.pasid_attached(Pasid(3), Pasid(9));
  CHECK(translation.find(Pasid(3)) == Pasid(9));
  injector.ruling.fate = Fate::drop;
  translation.pasid_detached(Pasid(3));
  translation.pasid_attached(Pasid(4), Pasid(8));
  CHECK(translation.find(Pasid(3)) == Pasid(9));
  CHECK(!translation.find(Pasid(4)));
  injector.ruling.fate = Fate::pass;
  translation.pasid_detached(Pasid(3));
  CHECK(!translation.find(Pasid(3)));
}
