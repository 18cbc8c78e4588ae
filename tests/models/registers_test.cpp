// VT-d's registers, as software reads and writes them.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/registers.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/queue_rig.hpp"

#include <optional>

using namespace viosim;
using namespace viosim::test;
using vtd::Registers;
namespace reg = vtd::reg;
using vtd::global::queue;
using vtd::global::root_pointer;
using vtd::global::translation;
namespace fault_status = vtd::fault_status;
using Log = QueueRig::Log;

namespace {

constexpr Bdf device{1, 0, 0};
constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

vtd::UnitParams params_of(vtd::Mode mode) {
  vtd::UnitParams params;
  params.mode = mode;
  return params;
}

// What becomes of a request for 0x5000.
struct Asker final : WalkClient {
  explicit Asker(QueueRig& rig, Pasid pasid = no_pasid, bool privileged = false) : rig_(rig) {
    port_.source = device;
    port_.pasid = pasid;
    port_.privileged = privileged;
  }
  WalkResult ask(Access access = Access::read) {
    Iommu& iommu = rig_.unit.iommu();
    const UseStamp stamp = iommu.use_now();
    Hpa at;
    REQUIRE_FALSE(iommu.lookup(port_, Iova(0x5000), access, stamp, at));
    iommu.start_walk(port_, Iova(0x5000), access, stamp, *this, 0);
    rig_.run();
    return *result_;
  }
  void walked(std::uint64_t, const WalkResult& result) override { result_ = result; }

 private:
  QueueRig& rig_;
  IommuPort port_;
  std::optional<WalkResult> result_;
};

}  // namespace

TEST_CASE("a unit comes up as a driver leaves it", "[models][registers]") {
  const auto mode = GENERATE(vtd::Mode::legacy, vtd::Mode::scalable);
  QueueRig rig(params_of(mode));
  const Registers registers(rig.unit);
  CHECK(registers.read32(reg::gsts) == (translation | root_pointer | queue));
  CHECK(registers.read32(reg::gcmd) == 0);
  const std::uint64_t scalable = mode == vtd::Mode::scalable ? 1 : 0;
  CHECK(registers.read64(reg::rtaddr) == (rig.unit.tables().root().value() | scalable << 10U));
  // 256 entries: one page of 16 bytes each, two of 32.
  CHECK(registers.read64(reg::iqa) == (rig.queue().base().value() | scalable << 11U | scalable));
  CHECK(registers.read32(reg::fsts) == 0);
  CHECK(registers.read64(reg::iqh) == 0);
}

TEST_CASE("the smallest ring is one page, the largest 128", "[models][registers]") {
  const auto mode = GENERATE(vtd::Mode::legacy, vtd::Mode::scalable);
  const bool wide = mode == vtd::Mode::scalable;
  const std::uint64_t log_pages = GENERATE(0U, 7U);
  vtd::UnitParams params = params_of(mode);
  params.invalidation.entries = (wide ? vtd::least_wide_entries : vtd::least_entries) << log_pages;
  if (log_pages == 7)
    CHECK(params.invalidation.entries == (wide ? vtd::most_wide_entries : vtd::most_entries));
  QueueRig rig(params);
  CHECK((Registers(rig.unit).read64(reg::iqa) & 7U) == log_pages);
}

TEST_CASE("capabilities say what the parameters are", "[models][registers]") {
  vtd::UnitParams params;
  params.caching_mode = GENERATE(false, true);
  params.invalidation.drain = GENERATE(false, true);
  params.invalidation.max_address_mask = 9;
  QueueRig rig(params);
  const Registers registers(rig.unit);
  const std::uint64_t cap = registers.read64(reg::cap);
  CHECK((cap >> 7U & 1U) == (params.caching_mode ? 1 : 0));
  CHECK((cap >> 48U & 63U) == 9);
  CHECK((cap >> 54U & 3U) == (params.invalidation.drain ? 3 : 0));
  CHECK((cap & 7U) == 6);
  CHECK((cap & bit(39)) != 0);
  const std::uint64_t ecap = registers.read64(reg::ecap);
  // C, QI, DT, PT, SC; NEST, PRS, ERS, SRS; EAFS; PSS 20 bits; PASID, DIT, PDS, SMTS; SLADS, SLTS,
  // FLTS, SMPWC, RPS.
  CHECK(ecap == (0xc7U | 0xe400'0000U | bit(34) | std::uint64_t{19} << 35U |
                 std::uint64_t{0xf} << 40U | std::uint64_t{0x1f} << 45U));
  CHECK(registers.read32(reg::cap + 4) == cap >> 32U);
  QueueRig legacy(params_of(vtd::Mode::legacy));
  CHECK(Registers(legacy.unit).read64(reg::ecap) == 0xc7U);
}

TEST_CASE("software sets up a ring of its own", "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  const Hpa ring = rig.memory.allocate_frames(4);
  registers.write64(reg::iqa, ring.value() | bit(11) | 2);
  CHECK(rig.queue().base() != ring);  // ignored: the queue is on
  registers.write32(reg::gcmd, translation);
  CHECK(registers.read32(reg::gsts) == (translation | root_pointer));
  registers.write64(reg::iqt, 0);
  registers.write32(reg::iqa, static_cast<std::uint32_t>(ring.value()) | 0xffa);  // QS 2, DW
  registers.write32(reg::iqa + 4, static_cast<std::uint32_t>(ring.value() >> 32U));
  CHECK(registers.read64(reg::iqa) == (ring.value() | bit(11) | 2));
  CHECK(rig.queue().entries() == 512);
  rig.put_wait(1);
  registers.write64(reg::iqt, 1U << 5U);
  rig.run();
  CHECK(rig.log.empty());  // it is still off
  registers.write32(reg::gcmd, translation | queue);
  rig.run();
  CHECK(rig.log == Log{"185 ns status 1", "185 ns 1 done"});
  CHECK(registers.read64(reg::iqh) == 1U << 5U);
  CHECK(registers.read64(reg::iqt) == 1U << 5U);
}

TEST_CASE("a queue that is switched off ends what is under way first", "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  FakeFunction function(rig.agenda, rig.unit, device);
  rig.put(rig.device_tlb(device));
  rig.put(rig.iotlb());
  rig.put(rig.iotlb());
  rig.submit();
  rig.run_to(300ns);
  registers.write32(reg::gcmd, translation);
  CHECK((registers.read32(reg::gsts) & queue) != 0);
  rig.run_to(900ns - Ps(1));
  CHECK((registers.read32(reg::gsts) & queue) != 0);
  CHECK(registers.read64(reg::iqh) == 2U << 5U);
  rig.run_to(900ns);
  CHECK(rig.log == Log{"400 ns 1 done", "900 ns 2 done"});
  CHECK((registers.read32(reg::gsts) & queue) == 0);
  CHECK(registers.read64(reg::iqh) == 0);
}

TEST_CASE("a tail that is no place in the ring is an error", "[models][registers]") {
  struct Case {
    std::uint64_t tail;
    unsigned reason;
  };
  const auto c = GENERATE(values<Case>({{0x10, 6}, {256U << 5U, 1}, {0x7ffe0, 1}}));
  QueueRig rig;
  Registers registers(rig.unit);
  registers.write32(reg::iqt, static_cast<std::uint32_t>(c.tail));
  rig.run_to(99ns);
  CHECK(registers.read32(reg::fsts) == 0);
  rig.run_to(100ns);
  CHECK(registers.read32(reg::fsts) == fault_status::queue_error);
  CHECK(registers.read64(reg::iqer) == c.reason);
  rig.put_wait(1);
  registers.write64(reg::iqt, 1U << 5U | 0xf);  // reserved bits are ignored
  rig.run();
  CHECK(rig.log == Log{"100 ns IQE at 0"});  // it takes the doorbell's time, too
  registers.write32(reg::fsts, fault_status::queue_error);
  rig.run();
  CHECK(registers.read32(reg::fsts) == 0);
  CHECK(registers.read64(reg::iqer) == 0);
  CHECK(rig.log.back() == "385 ns 1 done");
}

TEST_CASE("a tail of a larger ring is an error of the smaller one", "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  registers.write32(reg::gcmd, translation);
  registers.write64(reg::iqt, 200U << 5U);
  const Hpa ring = rig.memory.allocate_frames(1);
  registers.write64(reg::iqa, ring.value() | bit(11));
  CHECK(rig.queue().entries() == 128);
  registers.write32(reg::gcmd, translation | queue);
  rig.run();
  CHECK(registers.read32(reg::fsts) == fault_status::queue_error);
  CHECK(registers.read64(reg::iqer) == 1);
  registers.write32(reg::fsts, fault_status::queue_error);  // the tail stays where it is
  rig.run();
  CHECK(registers.read32(reg::fsts) == fault_status::queue_error);
  registers.write64(reg::iqt, 0);
  rig.run();
  registers.write32(reg::fsts, fault_status::queue_error);
  rig.run();
  CHECK(registers.read32(reg::fsts) == 0);
}

namespace {

// A tail of 256 entries, and a ring of 128: the queue stops as it is switched on.
void stop_at_tail(QueueRig& rig, Registers& registers) {
  registers.write32(reg::gcmd, translation);
  registers.write64(reg::iqt, 200U << 5U);
  registers.write64(reg::iqa, rig.queue().base().value() | bit(11));
  registers.write32(reg::gcmd, translation | queue);
  rig.run_to(1us);
  REQUIRE(registers.read32(reg::fsts) == fault_status::queue_error);
}

}  // namespace

TEST_CASE("a bad tail is not judged again while a better one is on its way",
          "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  stop_at_tail(rig, registers);
  for (unsigned i = 0; i < 5; ++i) rig.put_wait(i);
  const bool better = GENERATE(true, false);
  registers.write64(reg::iqt, better ? 5U << 5U : 129U << 5U);
  registers.write32(reg::fsts, fault_status::queue_error);
  CHECK(registers.read32(reg::fsts) == 0);
  rig.run_to(1us + 100ns - Ps(1));
  CHECK(registers.read32(reg::fsts) == 0);
  rig.run();
  CHECK((registers.read32(reg::fsts) == 0) == better);
  CHECK(rig.queue().stats.waits == (better ? 5 : 0));
  CHECK(rig.queue().stats.errors == (better ? 1 : 2));
}

TEST_CASE("a bad tail that is still there when its error is cleared is one again, once",
          "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  const std::uint64_t bad = GENERATE(std::uint64_t{0x10}, std::uint64_t{256U << 5U});
  registers.write64(reg::iqt, bad);
  rig.run();
  registers.write64(reg::iqt, bad);  // not looked at while the queue stands
  rig.run();
  CHECK(rig.queue().stats.errors == 1);
  registers.write32(reg::fsts, fault_status::queue_error);
  CHECK(registers.read32(reg::fsts) == fault_status::queue_error);
  CHECK(rig.queue().stats.errors == 2);
  CHECK(registers.read64(reg::iqt) == bad);
}

TEST_CASE("a bad tail counts though a good one is close behind it", "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  rig.put_wait(1);
  registers.write64(reg::iqt, 256U << 5U);
  rig.run_to(50ns);
  registers.write64(reg::iqt, 1U << 5U);
  rig.run();
  CHECK(rig.log == Log{"100 ns IQE at 0"});
  registers.write32(reg::fsts, fault_status::queue_error);
  rig.run();
  CHECK(rig.queue().stats.waits == 1);
  CHECK(registers.read32(reg::fsts) == 0);
}

TEST_CASE("a tail that is written while the queue is off is judged when it is switched on",
          "[models][registers]") {
  QueueRig rig(params_of(vtd::Mode::legacy));
  Registers registers(rig.unit);
  const Hpa ring = rig.memory.allocate_frames(4);
  registers.write32(reg::gcmd, translation);
  SECTION("beyond the ring of then, in the one of now") {
    registers.write64(reg::iqt, 300U << 4U);
    CHECK(registers.read32(reg::fsts) == 0);
    registers.write64(reg::iqa, ring.value() | 2);  // 1024 of 16 bytes
    registers.write32(reg::gcmd, translation | queue);
    CHECK(registers.read32(reg::fsts) == 0);
    rig.run();
    CHECK(rig.queue().stats.batches == 1);
    CHECK(registers.read64(reg::iqer) == 3);  // the descriptor: nothing was written there
  }
  SECTION("in the ring of then, no place in the one of now") {
    registers.write64(reg::iqt, 255U << 4U);
    registers.write64(reg::iqa, ring.value() | bit(11));  // 128 of 32 bytes
    CHECK(registers.read32(reg::fsts) == 0);
    registers.write32(reg::gcmd, translation | queue);
    CHECK(registers.read64(reg::iqer) == 6);
  }
  SECTION("beyond both") {
    registers.write64(reg::iqt, 0x7fff0);
    rig.run();
    CHECK(registers.read32(reg::fsts) == 0);
    registers.write32(reg::gcmd, translation | queue);
    CHECK(registers.read64(reg::iqer) == 1);
  }
}

TEST_CASE("entries of 16 bytes do not do in scalable mode", "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  registers.write32(reg::gcmd, translation);
  registers.write64(reg::iqa, rig.queue().base().value());
  registers.write32(reg::gcmd, translation | queue);
  rig.put_wait(1);
  registers.write64(reg::iqt, 1U << 4U);
  rig.run();
  CHECK(rig.log == Log{"185 ns IQE at 0"});
  CHECK(registers.read64(reg::iqer) == 5);
}

TEST_CASE("each error is cleared by writing a one to it, and by nothing else",
          "[models][registers]") {
  vtd::UnitParams params;
  params.invalidation.device_tlb_timeout = 1us;
  QueueRig rig(params);
  Registers registers(rig.unit);
  FakeFunction function(rig.agenda, rig.unit, device);
  function.answers = false;
  rig.put(rig.device_tlb(device));
  rig.put(vtd::DescriptorBits{0xa});
  rig.submit();
  rig.run();
  function.complete(1);
  rig.run();
  constexpr std::uint32_t all =
      fault_status::queue_error | fault_status::completion_error | fault_status::timeout_error;
  CHECK(registers.read32(reg::fsts) == all);
  CHECK(registers.read64(reg::iqer) == (0x0100'0100'0000'0003U));
  registers.write32(reg::fsts, ~all);
  CHECK(registers.read32(reg::fsts) == all);
  registers.write32(reg::fsts, fault_status::completion_error);
  CHECK(registers.read32(reg::fsts) == (fault_status::queue_error | fault_status::timeout_error));
  CHECK(registers.read64(reg::iqer) == 0x0000'0100'0000'0003U);
  registers.write32(reg::fsts, fault_status::timeout_error);
  CHECK(registers.read32(reg::fsts) == fault_status::queue_error);
  CHECK(registers.read64(reg::iqh) == 1U << 5U);
}

TEST_CASE("the interrupt of a wait waits behind its mask", "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  constexpr std::uint32_t masked = vtd::event_control::masked;
  constexpr std::uint32_t pending = vtd::event_control::pending;
  registers.write32(reg::iectl, masked | pending);  // IP is read-only
  CHECK(registers.read32(reg::iectl) == masked);
  vtd::Descriptor wait;
  wait.interrupt = true;
  rig.put(wait);
  rig.submit();
  rig.run();
  CHECK(registers.read32(reg::ics) == 1);
  CHECK(registers.read32(reg::iectl) == (masked | pending));
  CHECK(rig.log == Log{"285 ns 1 done"});
  SECTION("unmasked, it goes out") {
    registers.write32(reg::iectl, 0);
    CHECK(rig.log.back() == "285 ns interrupt");
  }
  SECTION("serviced, it does not") {
    registers.write32(reg::ics, 1);
    registers.write32(reg::iectl, 0);
    CHECK(rig.log.back() == "285 ns 1 done");
  }
  CHECK(registers.read32(reg::iectl) == 0);
  registers.write64(reg::ieaddr, 0x1234'5678'fee0'0000U);
  registers.write32(reg::iedata, 0x41);
  CHECK(registers.read32(reg::ieuaddr) == 0x1234'5678);
  CHECK(registers.read64(reg::iectl) == std::uint64_t{0x41} << 32U);
}

TEST_CASE("what software must not do to a queue ends in no error of ours", "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  SECTION("a tail that goes back") {
    registers.write64(reg::iqt, 5U << 5U);
    registers.write64(reg::iqt, 2U << 5U);
    rig.run();
    CHECK(registers.read32(reg::fsts) == fault_status::queue_error);  // nothing is written there
    CHECK(registers.read64(reg::iqh) == 0);
  }
  SECTION("page requests on their way to a ring that moves") {
    FakeFunction function(rig.agenda, rig.unit, device);
    rig.unit.page_requests().attach(device, function);
    PageRequest request;
    request.source = device;
    request.read = request.last = true;
    rig.unit.request_page(request);
    registers.write64(reg::pqa, 0x10'0000);
    rig.run();
    CHECK(function.responses.size() == 1);  // no context entry allows it
    CHECK(registers.read64(reg::pqt) == 0);
  }
}

TEST_CASE("the interrupt of a wait stays in ICS until it is written", "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  vtd::Descriptor wait;
  wait.interrupt = true;
  rig.put(wait);
  rig.submit();
  rig.run();
  CHECK(registers.read32(reg::ics) == 1);
  registers.write32(reg::ics, 0);
  CHECK(registers.read32(reg::ics) == 1);
  registers.write32(reg::ics, 1);
  CHECK(registers.read32(reg::ics) == 0);
}

TEST_CASE("read-only and unknown registers ignore what is written", "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  for (const std::uint32_t offset : {reg::ver, reg::cap, reg::ecap, reg::gsts, reg::iqh, reg::iqer,
                                     std::uint32_t{0x28}, std::uint32_t{0x1000}}) {
    INFO(offset);
    const std::uint32_t before = registers.read32(offset);
    registers.write32(offset, ~std::uint32_t{0});
    CHECK(registers.read32(offset) == before);
  }
  registers.write64(reg::iqh, ~std::uint64_t{0});
  CHECK(registers.read64(reg::iqh) == 0);
  CHECK(registers.read32(reg::gsts) == (translation | root_pointer | queue));
  CHECK(registers.read32(0x1000) == 0);
}

TEST_CASE("without translation addresses pass as they are", "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  Asker asker(rig);
  CHECK(asker.ask().faulted());  // no table has the device
  registers.write32(reg::gcmd, queue);
  CHECK(registers.read32(reg::gsts) == (root_pointer | queue));
  for (const bool privileged : {false, true}) {
    for (const Access access : {Access::read, Access::write, Access::execute}) {
      const WalkResult passed = Asker(rig, no_pasid, privileged).ask(access);
      CHECK_FALSE(passed.faulted());
      CHECK(passed.translation.address(Iova(0x5000)) == Hpa(0x5000));
    }
  }
  const WalkResult refused = Asker(rig, Pasid(3)).ask();
  CHECK(refused.faulted());
  CHECK(refused.silenced);
  registers.write32(reg::gcmd, queue | translation);
  CHECK(asker.ask().faulted());
}

TEST_CASE("a root table is in use from SRTP on", "[models][registers]") {
  QueueRig rig;
  Registers registers(rig.unit);
  Asker asker(rig);
  vtd::Tables others(rig.memory, vtd::Mode::scalable);
  vtd::PasidEntry entry;
  entry.present = true;
  entry.type = vtd::PasidEntry::Type::pass_through;
  entry.address_width = 2;
  others.attach(device, 1, Pasid(0));
  others.set_entry(device, Pasid(0), entry);
  const std::uint32_t on = registers.read32(reg::gsts);
  registers.write64(reg::rtaddr, others.root().value() | 1U << 10U | 0x1ff);
  CHECK(registers.read64(reg::rtaddr) == (others.root().value() | 1U << 10U));
  CHECK(asker.ask().faulted());
  registers.write32(reg::gcmd, on | root_pointer);
  CHECK_FALSE(asker.ask().faulted());

  const auto [mode, silenced] = GENERATE(table<std::uint64_t, bool>({{0, false}, {3, true}}));
  registers.write64(reg::rtaddr, others.root().value() | mode << 10U);
  registers.write32(reg::gcmd, on | root_pointer);
  const WalkResult refused = asker.ask();
  CHECK(refused.faulted());
  CHECK(refused.silenced == silenced);
}
