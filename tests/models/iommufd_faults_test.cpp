// Arrays of invalidations, and page requests through a FAULT.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/iommufd_rig.hpp"

#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

using Log = std::vector<std::string>;

struct Nested : Files, GuestFaultListener {
  using Files::Files;
  void run(std::function<void(Thread&)> work) {
    Files::run([this, work = std::move(work)](Thread& thread) {
      dev = bind(thread, device);
      other = bind(thread, other_device);
      make_parent(thread, dev);
      fault = file.fault_alloc(thread).value();
      file.listen(fault, *this);
      viommu = file.viommu_alloc(thread, dev, parent).value();
      REQUIRE(file.vdevice_alloc(thread, viommu, dev, 0x100).ok());
      REQUIRE(file.vdevice_alloc(thread, viommu, other, 0x200).ok());
      table = make_nested(thread, dev);
      REQUIRE(file.pasid_attach(thread, dev, Pasid(5), table) == Errno::ok);
      host.iommu.log.clear();
      work(thread);
    });
  }
  void faults_forwarded() override { ++events; }
  bool ask(std::uint16_t group, bool last = true, std::uint32_t pasid = 5) {
    return file.forward_fault(dev.value(), page_request(device, pasid, group, last));
  }
  Errno respond(Thread& thread, std::uint32_t cookie, std::uint32_t code = 0) {
    const iommufd::FaultResponse response{cookie, code};
    return file.write_responses(thread, fault, {&response, 1});
  }

  ObjectId dev;
  ObjectId other;
  ObjectId viommu;
  ObjectId table;
  int events = 0;
};

vtd::DescriptorBits pages(std::uint32_t pasid, std::uint64_t address, std::uint8_t mask = 0) {
  vtd::Descriptor order;
  order.type = vtd::DescriptorType::pasid_iotlb;
  order.granularity = vtd::Granularity::page;
  order.domain = DomainId(77);  // the guest's, which means nothing here
  order.pasid = Pasid(pasid);
  order.address = Iova(address);
  order.address_mask = mask;
  return order.encode();
}

vtd::DescriptorBits device_tlb(std::uint16_t source, std::uint32_t pasid) {
  vtd::Descriptor order;
  order.type = vtd::DescriptorType::pasid_device_tlb;
  order.source = Bdf(source);
  order.pasid = Pasid(pasid);
  order.address_mask = vtd::Descriptor::every_address;
  return order.encode();
}

}  // namespace

TEST_CASE("an array of invalidations is one submission, for all places of the table", "[iommufd]") {
  Nested rig;
  rig.run([&](Thread& thread) {
    REQUIRE(rig.file.pasid_attach(thread, rig.other, Pasid(9), rig.table) == Errno::ok);
    rig.host.iommu.log.clear();
    const std::vector<iommufd::VtdInvalidation> entries{{Iova(0x3000), 2, 1}, {}};
    const auto taken = rig.file.hwpt_invalidate(thread, rig.table, entries);
    CHECK(taken.error == Errno::ok);
    CHECK(taken.entries == 2);
    CHECK(rig.host.iommu.log ==
          Log{"pasid-iotlb pasid 5 did 3 0x0+2^3 IH + pasid-device-tlb 01:00.0 pasid 5 0x0+2^3 + "
              "pasid-iotlb pasid 9 did 3 0x0+2^3 IH + pasid-device-tlb 02:00.0 pasid 9 0x0+2^3 + "
              "pasid-iotlb pasid 5 did 3 + pasid-device-tlb 01:00.0 pasid 5 all + "
              "pasid-iotlb pasid 9 did 3 + pasid-device-tlb 02:00.0 pasid 9 all"});
    REQUIRE(rig.file.pasid_detach(thread, rig.other, Pasid(9)) == Errno::ok);
    // More than an IOTLB descriptor can name, than there is, and beyond the end.
    const auto told = [&](std::uint64_t address, std::uint64_t count) {
      rig.host.iommu.log.clear();
      const iommufd::VtdInvalidation range{Iova(address), count, 0};
      CHECK(rig.file.hwpt_invalidate(thread, rig.table, {&range, 1}).error == Errno::ok);
      return rig.host.iommu.log;
    };
    const Log whole{"pasid-iotlb pasid 5 did 3 + pasid-device-tlb 01:00.0 pasid 5 all"};
    CHECK(told(0, std::uint64_t{1} << 20U) ==
          Log{"pasid-iotlb pasid 5 did 3 + pasid-device-tlb 01:00.0 pasid 5 0x0+2^20"});
    CHECK(told(0x1000, std::uint64_t{1} << 60U) == whole);
    CHECK(told(~std::uint64_t{0xfff}, 2) == whole);
  });
}

TEST_CASE("an array is taken up to the entry that is wrong", "[iommufd]") {
  Nested rig;
  rig.run([&](Thread& thread) {
    const iommufd::VtdInvalidation good{Iova(0x4000), 1, 0};
    const auto taken = [&](iommufd::VtdInvalidation bad) {
      const std::vector<iommufd::VtdInvalidation> entries{good, bad, good};
      const auto so_far = rig.file.hwpt_invalidate(thread, rig.table, entries);
      CHECK(so_far.entries == 1);
      return so_far.error;
    };
    CHECK(taken({Iova(0x4000), 1, 2}) == Errno::eopnotsupp);
    CHECK(taken({Iova(0x4080), 1, 0}) == Errno::einval);
    CHECK(taken({Iova(0x4000), 0, 0}) == Errno::einval);
    CHECK(taken({Iova(0x4000), iommufd::VtdInvalidation::every_page, 0}) == Errno::einval);
    CHECK(rig.host.iommu.log.size() == 4);  // what was right before
    CHECK(rig.file.hwpt_invalidate(thread, rig.parent, {}).error == Errno::einval);
    CHECK(rig.file.hwpt_invalidate(thread, ObjectId(999), {}).error == Errno::enoent);
    CHECK(rig.file.hwpt_invalidate(thread, rig.table, {}).error == Errno::ok);
    CHECK(rig.host.iommu.log.size() == 4);
  });
}

TEST_CASE("a VIOMMU takes the guest's descriptors, for all of its devices that have the PASID",
          "[iommufd]") {
  Nested rig;
  rig.run([&](Thread& thread) {
    const ObjectId second = rig.make_nested(thread, rig.other, 0x6000);
    REQUIRE(rig.file.pasid_attach(thread, rig.other, Pasid(5), second) == Errno::ok);
    rig.host.iommu.log.clear();
    const auto told = [&](std::vector<vtd::DescriptorBits> commands) {
      rig.host.iommu.log.clear();
      const auto taken = rig.file.viommu_invalidate(thread, rig.viommu, commands);
      CHECK(taken.error == Errno::ok);
      CHECK(taken.entries == commands.size());
      return rig.host.iommu.log;
    };
    // Each device has a table of its own behind the number, and so a domain.
    CHECK(
        told({pages(5, 0x8000)}) ==
        Log{"pasid-iotlb pasid 5 did 3 0x8000+2^0 + pasid-device-tlb 01:00.0 pasid 5 0x8000+2^0 + "
            "pasid-iotlb pasid 5 did 4 0x8000+2^0 + "
            "pasid-device-tlb 02:00.0 pasid 5 0x8000+2^0"});
    CHECK(told({pages(6, 0x8000)}).empty());
    CHECK(told({device_tlb(0x200, 5)}) == Log{"pasid-device-tlb 02:00.0 pasid 5 all"});
    CHECK(told({}).empty());
    // The vIOMMU may say that it takes more pages at once than the host's IOMMU: that is all of them.
    const std::uint8_t most = rig.host.iommu.abilities().max_address_mask;
    CHECK(told({pages(5, 0, most)})[0].starts_with("pasid-iotlb pasid 5 did 3 0x0+2^18 + "));
    const auto more = static_cast<std::uint8_t>(most + 1);
    CHECK(told({pages(5, 0, more)}) ==
          Log{"pasid-iotlb pasid 5 did 3 + pasid-device-tlb 01:00.0 pasid 5 0x0+2^19 + "
              "pasid-iotlb pasid 5 did 4 + pasid-device-tlb 02:00.0 pasid 5 0x0+2^19"});
    vtd::Descriptor wait;
    wait.status_write = true;
    const std::vector<vtd::DescriptorBits> bad{pages(5, 0), wait.encode(), pages(5, 0)};
    const auto taken = rig.file.viommu_invalidate(thread, rig.viommu, bad);
    CHECK(taken.error == Errno::eio);
    CHECK(taken.entries == 1);
    const std::vector<vtd::DescriptorBits> stranger{device_tlb(0x300, 5)};
    CHECK(rig.file.viommu_invalidate(thread, rig.viommu, stranger).error == Errno::eio);
    const std::vector<vtd::DescriptorBits> beyond{pages(5, 0, 53)};
    CHECK(rig.file.viommu_invalidate(thread, rig.viommu, beyond).error == Errno::eio);
    CHECK(rig.file.viommu_invalidate(thread, rig.table, {}).error == Errno::einval);
    CHECK(rig.file.viommu_invalidate(thread, ObjectId(999), {}).error == Errno::enoent);
  });
}

TEST_CASE("the driver submits so many descriptors at once, each batch with one wait", "[iommufd]") {
  IommufdParams params;
  params.batch = 4;
  Nested rig(params);
  rig.run([&](Thread& thread) {
    std::vector<vtd::DescriptorBits> commands;
    for (std::uint64_t page = 0; page < 5; ++page) commands.push_back(pages(5, page << 12U));
    const Instant since = thread.now();
    CHECK(rig.file.viommu_invalidate(thread, rig.viommu, commands).entries == 5);
    CHECK(rig.host.iommu.log.size() == 3);  // 10 descriptors
    CHECK(thread.now() - since == 700ns + 5 * 50ns + 3 * rig.host.iommu.cost);
  });
}

TEST_CASE("groups are delivered whole, read once with a cookie, and answered once by it",
          "[iommufd]") {
  Nested rig;
  rig.run([&](Thread& thread) {
    CHECK(rig.ask(1, false));
    CHECK(rig.ask(2, false));
    CHECK(rig.ask(1, false));
    CHECK(rig.events == 0);
    CHECK(rig.file.read_faults(thread, rig.fault).empty());
    CHECK(rig.ask(1));
    CHECK(rig.ask(2));
    CHECK(rig.events == 1);  // until it is read
    const auto groups = rig.file.read_faults(thread, rig.fault);
    REQUIRE(groups.size() == 2);
    CHECK(groups[0].requests.size() == 3);
    CHECK(groups[1].requests.size() == 2);
    CHECK(groups[0].pasid == Pasid(5));
    CHECK(groups[0].cookie != groups[1].cookie);
    CHECK(rig.file.read_faults(thread, rig.fault).empty());
    CHECK(rig.respond(thread, groups[1].cookie, 2) == Errno::einval);
    CHECK(rig.respond(thread, groups[1].cookie + 1) == Errno::einval);
    CHECK(rig.respond(thread, 0) == Errno::einval);
    CHECK(rig.respond(thread, groups[1].cookie, 1) == Errno::ok);
    CHECK(rig.respond(thread, groups[1].cookie) == Errno::einval);
    CHECK(rig.respond(thread, groups[0].cookie) == Errno::ok);
    CHECK(rig.host.iommu.log ==
          Log{"response 01:00.0 group 2 code 1", "response 01:00.0 group 1 code 0"});
    CHECK(rig.file.pending_faults() == 0);
    CHECK(rig.ask(3));
    CHECK(rig.events == 2);
  });
  CHECK(rig.file.fault_stats.unmatched == 3);
}

TEST_CASE("a group that was not read has no cookie that answers it", "[iommufd]") {
  Nested rig;
  rig.run([&](Thread& thread) {
    CHECK(rig.ask(1));
    CHECK(rig.respond(thread, 1) == Errno::einval);
    CHECK(rig.file.pending_faults() == 1);
  });
}

TEST_CASE("several answers in one write, what is wrong ends it", "[iommufd]") {
  Nested rig;
  rig.run([&](Thread& thread) {
    for (std::uint16_t group = 0; group < 3; ++group) CHECK(rig.ask(group));
    const auto groups = rig.file.read_faults(thread, rig.fault);
    const std::vector<iommufd::FaultResponse> responses{
        {groups[0].cookie, 0}, {99, 0}, {groups[1].cookie, 0}};
    CHECK(rig.file.write_responses(thread, rig.fault, responses) == Errno::einval);
    CHECK(rig.file.pending_faults() == 2);
    CHECK(rig.file.write_responses(thread, ObjectId(999), responses) == Errno::enoent);
  });
}

TEST_CASE("page requests of what is not attached, or has no FAULT, are not taken", "[iommufd]") {
  Nested rig;
  rig.run([&](Thread& thread) {
    CHECK(!rig.ask(1, true, 6));
    CHECK(!rig.file.forward_fault(999, page_request(device, 5)));
    rig.fault = iommufd::no_object;
    const ObjectId deaf = rig.make_nested(thread, rig.dev);
    REQUIRE(rig.file.pasid_attach(thread, rig.dev, Pasid(6), deaf) == Errno::ok);
    CHECK(!rig.ask(1, true, 6));
  });
}

TEST_CASE("a detach and a replacement answer what waits, read or not, exactly once", "[iommufd]") {
  const bool replaced = GENERATE(false, true);
  Nested rig;
  rig.run([&](Thread& thread) {
    CHECK(rig.ask(1));
    const std::uint32_t cookie = rig.file.read_faults(thread, rig.fault).front().cookie;
    CHECK(rig.ask(2));
    CHECK(rig.ask(3, false));
    if (replaced) {
      const ObjectId next = rig.make_nested(thread, rig.dev, 0x6000);
      CHECK(rig.file.pasid_replace(thread, rig.dev, Pasid(5), next) == Errno::ok);
    } else {
      CHECK(rig.file.pasid_detach(thread, rig.dev, Pasid(5)) == Errno::ok);
    }
    CHECK(rig.file.pending_faults() == 0);
    std::erase_if(rig.host.iommu.log,
                  [](const std::string& line) { return !line.starts_with("response"); });
    CHECK(rig.host.iommu.log ==
          Log{"response 01:00.0 group 1 code 1", "response 01:00.0 group 2 code 1"});
    CHECK(rig.respond(thread, cookie) == Errno::einval);
    CHECK(rig.ask(4) == replaced);
  });
  CHECK(rig.file.fault_stats.answered_for_user == 2);
}

TEST_CASE("while a PASID is detached its page requests are refused", "[iommufd]") {
  Nested rig;
  rig.run([&](Thread& thread) {
    bool taken = false;
    rig.host.iommu.before = [&](const std::string&) { taken = taken || rig.ask(1); };
    CHECK(rig.file.pasid_detach(thread, rig.dev, Pasid(5)) == Errno::ok);
    CHECK(!taken);
  });
}

TEST_CASE("a group that was not read yet has no cookie to answer it with", "[iommufd]") {
  Nested rig;
  rig.run([&](Thread& thread) {
    CHECK(rig.ask(1));
    CHECK(rig.respond(thread, 0) == Errno::einval);
    CHECK(rig.file.read_faults(thread, rig.fault).size() == 1);
  });
}

TEST_CASE("requests that were lost with an overflow make no group", "[iommufd]") {
  Nested rig;
  rig.run([&](Thread& thread) {
    CHECK(rig.ask(1, false));
    rig.file.discard_incomplete();
    CHECK(rig.ask(1));
    CHECK(rig.file.read_faults(thread, rig.fault).front().requests.size() == 1);
  });
}

TEST_CASE("requests of a group whose last one is refused make no group", "[iommufd]") {
  Nested rig;
  rig.run([&](Thread& thread) {
    CHECK(rig.ask(1, false));
    CHECK(rig.ask(2, false));
    rig.file.discard_group(rig.dev.value(), page_request(device, 5, 1));
    CHECK(rig.ask(1));
    CHECK(rig.ask(2));
    const auto groups = rig.file.read_faults(thread, rig.fault);
    REQUIRE(groups.size() == 2);
    CHECK(groups.front().requests.size() == 1);
    CHECK(groups.back().requests.size() == 2);
  });
}

TEST_CASE("the host answers when user space takes too long, without a limit never", "[iommufd]") {
  const Ps limit = GENERATE(Ps(0), Ps(1), Ps(90), 200us);
  const bool limited = limit != Ps(0);
  IommufdParams params;
  params.fault_limit = limit;
  Nested rig(params);
  rig.run([&](Thread& thread) {
    CHECK(rig.ask(1));
    const auto groups = rig.file.read_faults(thread, rig.fault);
    // What the host has answered before it is read is read no more.
    const bool too_late = limited && limit < 1us;
    REQUIRE(groups.empty() == too_late);
    const std::uint32_t cookie = too_late ? 1 : groups.front().cookie;
    thread.sleep(150us);
    CHECK(rig.host.iommu.log.empty() == !too_late);
    thread.sleep(100us);
    CHECK(rig.host.iommu.log.size() == (limited ? 1 : 0));
    CHECK(rig.respond(thread, cookie) == (limited ? Errno::einval : Errno::ok));
  });
  CHECK(rig.file.fault_stats.timed_out == (limited ? 1 : 0));
}

TEST_CASE("a FAULT that is destroyed while its timer runs is not missed", "[iommufd]") {
  IommufdParams params;
  params.fault_limit = 200us;
  Nested rig(params);
  rig.run([&](Thread& thread) {
    CHECK(rig.ask(1));
    CHECK(rig.file.pasid_detach(thread, rig.dev, Pasid(5)) == Errno::ok);
    CHECK(rig.file.destroy(thread, rig.table) == Errno::ok);
    rig.file.fault_close(thread, rig.fault);
    CHECK(rig.file.destroy(thread, rig.fault) == Errno::ok);
    CHECK(rig.file.read_faults(thread, rig.fault).empty());
  });
  CHECK(rig.file.fault_stats.timed_out == 0);
}
