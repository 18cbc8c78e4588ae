// Faults and page requests as a driver meets them: registers, bit for bit, overflow, interrupts.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/registers.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/lone_iommu.hpp"

using namespace viosim;
using namespace viosim::test;
using vtd::Registers;
namespace reg = vtd::reg;
namespace fault_status = vtd::fault_status;
namespace page_status = vtd::page_status;
namespace event_control = vtd::event_control;

namespace {

constexpr std::uint32_t record_in_use = 1U << 31U;

struct Interrupts final : vtd::FaultEventListener, vtd::PageRequestListener {
  void fault_event() override { ++faults; }
  void page_requests_pending() override { ++pages; }
  int faults = 0;
  int pages = 0;
};

struct NotingFunction final : AtsFunction {
  void invalidate(const AtsInvalidation&) override {}
  void answer(const PageResponse&) override {}
};

vtd::UnitParams with_records(std::uint32_t records) {
  vtd::UnitParams params;
  params.fault_records = records;
  return params;
}

// An IOMMU, one page of a space, and who is interrupted.
struct Driver {
  explicit Driver(const vtd::UnitParams& params = {}) : lone(params, {}), registers(lone.unit()) {
    lone.unit().faults().listen(interrupts);
    lone.unit().page_requests().listen(interrupts);
  }
  void fault(std::uint64_t address, Access access = Access::read) {
    lone.ask_alone_at(Iova(address), access);
  }
  // A function whose page requests are allowed.
  void allow_page_requests() {
    vtd::ScalableContext context;
    context.page_request_enable = true;
    lone.unit().tables().attach(source, 64, context);
    lone.unit().page_requests().attach(source, function);
    lone.unit().page_requests().give_ring();
  }
  void request_page(std::uint64_t address) {
    PageRequest request;
    request.source = source;
    request.address = Iova(address);
    request.read = request.last = true;
    lone.unit().request_page(request);
    lone.run();
  }
  // As Linux' dmar_fault: one record after the other from FRI on, then the flags.
  std::vector<std::uint64_t> service_faults() {
    std::vector<std::uint64_t> addresses;
    const std::uint32_t records = (registers.read64(reg::cap) >> 40U & 0xffU) + 1;
    const auto first = static_cast<std::uint32_t>(registers.read64(reg::cap) >> 24U & 0x3ffU) * 16;
    std::uint32_t index = registers.read32(reg::fsts) >> 8U & 0xffU;
    while ((registers.read32(first + index * 16 + 12) & record_in_use) != 0) {
      addresses.push_back(registers.read64(first + index * 16));
      registers.write32(first + index * 16 + 12, record_in_use);
      index = (index + 1) % records;
    }
    registers.write32(reg::fsts, fault_status::overflow | fault_status::pending);
    return addresses;
  }

  static constexpr Bdf source{0x300};
  LoneIommu lone;
  Registers registers;
  Interrupts interrupts;
  NotingFunction function;
};

}  // namespace

TEST_CASE("a fault is recorded with who asked for what, and why not", "[models][registers]") {
  Driver driver;
  const auto second_word = [&](std::uint32_t record) {
    return driver.registers.read64(reg::frcd + record * 16 + 8);
  };
  driver.fault(0x5123, Access::write);
  driver.fault(0x6123);
  driver.lone.port().privileged = true;
  driver.fault(0x7123, Access::execute);
  driver.lone.port() = {};
  driver.lone.port().source = Bdf(0x101);
  driver.lone.ask_alone_at(Iova(0x8000), Access::read, AddressType::translated);
  driver.lone.ask_alone_at(Iova(0x9000), Access::read, AddressType::page_request);
  constexpr std::uint64_t f = std::uint64_t{1} << 63U;
  constexpr std::uint64_t read = std::uint64_t{1} << 62U;
  constexpr std::uint64_t by_pasid = std::uint64_t{5} << 40U | 1U << 31U | 0x100U;
  CHECK(driver.registers.read64(reg::frcd) == 0x5000);
  CHECK(second_word(0) == (f | std::uint64_t{0x79} << 32U | by_pasid));
  CHECK(driver.registers.read64(reg::frcd + 16) == 0x6000);
  CHECK(second_word(1) == (f | read | std::uint64_t{0x79} << 32U | by_pasid));
  // Both SRE and ERE are clear.
  CHECK(second_word(2) ==
        (f | read | std::uint64_t{0x5d} << 32U | by_pasid | 1U << 30U | 1U << 29U));
  CHECK(second_word(3) ==
        (f | read | std::uint64_t{2} << 60U | std::uint64_t{0x41} << 32U | 0x101U));
  CHECK(second_word(4) == (f | std::uint64_t{0x41} << 32U | 1U << 28U | 0x101U));
  CHECK(second_word(5) == 0);
}

TEST_CASE("faults that are not to be reported are not recorded", "[models][registers]") {
  Driver driver;
  vtd::PasidEntry entry = driver.lone.space().entry();
  entry.fault_disable = true;
  driver.lone.bind(entry);
  driver.fault(0x5000);
  CHECK(driver.registers.read32(reg::fsts) == 0);
  CHECK(driver.interrupts.faults == 0);
}

TEST_CASE("faults beyond the registers set the overflow flag, and are lost until it is cleared",
          "[models][registers]") {
  Driver driver(with_records(2));
  CHECK((driver.registers.read64(reg::cap) >> 40U & 0xffU) == 1);
  for (std::uint64_t page = 1; page <= 3; ++page) driver.fault(page << 12U);
  CHECK(driver.registers.read32(reg::fsts) == (fault_status::overflow | fault_status::pending));
  CHECK(driver.interrupts.faults == 1);
  SECTION("also when a register is free again") {
    driver.registers.write32(reg::frcd + 12, record_in_use);
    driver.fault(0x4000);
    CHECK(driver.registers.read32(reg::frcd + 12) < record_in_use);
  }
  SECTION("a driver finds those that were first") {
    CHECK(driver.service_faults() == std::vector<std::uint64_t>{0x1000, 0x2000});
    CHECK(driver.registers.read32(reg::fsts) == 0);
    driver.fault(0x5000);
    driver.fault(0x6000);
    CHECK(driver.interrupts.faults == 2);
    CHECK(driver.service_faults() == std::vector<std::uint64_t>{0x5000, 0x6000});
  }
  SECTION("what follows is recorded in turn, and FRI says where it begins") {
    driver.service_faults();
    driver.fault(0x5000);
    driver.service_faults();
    driver.fault(0x6000);
    CHECK(driver.registers.read32(reg::fsts) == (fault_status::pending | 1U << 8U));
    CHECK(driver.service_faults() == std::vector<std::uint64_t>{0x6000});
  }
}

TEST_CASE("a masked interrupt waits, unless software has found its reason before",
          "[models][registers]") {
  Driver driver;
  driver.allow_page_requests();
  driver.registers.write32(reg::fectl, event_control::masked);
  driver.registers.write32(reg::pectl, event_control::masked);
  driver.fault(0x5000);
  driver.request_page(0x5000);
  constexpr std::uint32_t waits = event_control::masked | event_control::pending;
  CHECK(driver.registers.read32(reg::fectl) == waits);
  CHECK(driver.registers.read32(reg::pectl) == waits);
  CHECK(driver.interrupts.faults + driver.interrupts.pages == 0);
  const bool found = GENERATE(false, true);
  if (found) {
    driver.service_faults();
    driver.registers.write32(reg::prs, page_status::pending);
    CHECK(driver.registers.read32(reg::fectl) == event_control::masked);
    CHECK(driver.registers.read32(reg::pectl) == event_control::masked);
  }
  driver.registers.write32(reg::fectl, 0);
  driver.registers.write32(reg::pectl, 0);
  CHECK(driver.interrupts.faults == (found ? 0 : 1));
  CHECK(driver.interrupts.pages == (found ? 0 : 1));
  CHECK(driver.registers.read32(reg::fectl) == 0);
}

TEST_CASE("software sets up a ring of page requests and empties it", "[models][registers][pri]") {
  Driver driver;
  driver.allow_page_requests();
  Registers& registers = driver.registers;
  const Hpa ring = driver.lone.memory().allocate_frames(2);
  registers.write64(reg::pqh, 0);
  registers.write64(reg::pqa, ring.value() | 1);
  CHECK(registers.read64(reg::pqa) == (ring.value() | 1));
  CHECK(driver.lone.unit().page_requests().entries() == 256);
  driver.request_page(0x5000);
  driver.request_page(0x6000);
  CHECK(registers.read64(reg::pqt) == 2U << 5U);
  CHECK(registers.read32(reg::prs) == page_status::pending);
  CHECK(driver.interrupts.pages == 1);
  CHECK(driver.lone.memory().read(ring + Bytes(32 + 8)) == (0x6000U | 0b101U));
  registers.write32(reg::prs, page_status::pending);
  registers.write64(reg::pqh, registers.read64(reg::pqt));
  CHECK(registers.read64(reg::pqh) == 2U << 5U);
  CHECK(registers.read32(reg::prs) == 0);
  // Its 255 places are taken, and one more comes.
  for (int i = 0; i < 256; ++i) driver.request_page(0x7000);
  CHECK(registers.read32(reg::prs) == (page_status::pending | page_status::overflow));
  CHECK(driver.interrupts.pages == 2);
  registers.write32(reg::prs, page_status::overflow);
  CHECK(registers.read32(reg::prs) == page_status::pending);
  CHECK(registers.read64(reg::pqt) == 1U << 5U);
}

TEST_CASE("what a message is, and where it goes, is kept as it was written",
          "[models][registers]") {
  Driver driver;
  for (const std::uint32_t offset :
       {reg::fedata, reg::feaddr, reg::feuaddr, reg::pedata, reg::peaddr, reg::peuaddr}) {
    driver.registers.write32(offset, offset + 1);
    CHECK(driver.registers.read32(offset) == offset + 1);
  }
  CHECK(driver.registers.read32(reg::fectl) == 0);
  CHECK(driver.registers.read32(reg::pectl) == 0);
}

TEST_CASE("a device is not told rights that SRE and ERE deny", "[models][iommu][ats]") {
  LoneIommu lone({}, {.type = vtd::PasidEntry::Type::first_level});
  vtd::ScalableContext context;
  context.pasid_enable = context.device_tlb_enable = true;
  lone.port().source = Bdf(0x200);
  lone.unit().tables().attach(lone.port().source, 64, context);
  vtd::PasidEntry entry = lone.space().entry();
  entry.supervisor_requests = GENERATE(false, true);
  entry.execute_requests = GENERATE(false, true);
  lone.bind(entry);
  lone.space().map(0, Hpa(0x5000'0000), {true, true, true, true});
  for (const char* how : {"by a walk", "from the IOTLB"}) {
    INFO(how);
    const WalkResult told = lone.answer(0, Access::read, AddressType::translation);
    CHECK(told.translation.rights.can_read(false));
    CHECK(told.translation.rights.can_execute(false) == entry.execute_requests);
    CHECK(told.translation.rights.can_read(true) == entry.supervisor_requests);
  }
}
