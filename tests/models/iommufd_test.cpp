// An iommufd file: the life of each object, who uses whom, and the errors.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/iommufd_rig.hpp"

#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::test;
using iommufd::no_object;

namespace {

constexpr ObjectId nobody{999};
using Log = std::vector<std::string>;

}  // namespace

TEST_CASE("an IOAS maps whole pages that nothing is mapped to, and unmaps whole areas",
          "[iommufd]") {
  Files rig;
  rig.run([&](Thread& thread) {
    Iommufd& file = rig.file;
    const ObjectId ioas = file.ioas_alloc(thread).value();
    const auto map = [&](std::uint64_t address, Bytes size, ObjectId to) {
      return file.ioas_map(thread, to, {Iova(address), size, Hpa(0x100000)});
    };
    CHECK(map(0x10000, 8_KiB, nobody) == Errno::enoent);
    CHECK(map(0x10000, Bytes(0), ioas) == Errno::einval);
    CHECK(map(0x10080, 8_KiB, ioas) == Errno::einval);
    CHECK(map(0x10000, Bytes(100), ioas) == Errno::einval);
    CHECK(map(0x10000, 8_KiB, ioas) == Errno::ok);
    CHECK(map(0x11000, 8_KiB, ioas) == Errno::eexist);
    CHECK(map(0xf000, 64_KiB, ioas) == Errno::eexist);
    CHECK(map(0x12000, 8_KiB, ioas) == Errno::ok);
    const auto unmap = [&](std::uint64_t address, Bytes size) {
      return file.ioas_unmap(thread, ioas, Iova(address), size);
    };
    CHECK(file.ioas_unmap(thread, nobody, Iova(), 4_KiB).error() == Errno::enoent);
    CHECK(unmap(0x10000, 4_KiB).error() == Errno::enoent);
    CHECK(unmap(0x11000, 4_KiB).error() == Errno::enoent);
    CHECK(unmap(0x40000, 4_KiB).error() == Errno::enoent);
    CHECK(unmap(0x10000, Bytes(0)).error() == Errno::einval);
    CHECK(unmap(0, 1_MiB).value() == 16_KiB);
    CHECK(unmap(0, 1_MiB).error() == Errno::enoent);
  });
}

TEST_CASE("what is in use is not destroyed: each object by whoever stands on it", "[iommufd]") {
  Files rig;
  rig.run([&](Thread& thread) {
    Iommufd& file = rig.file;
    CHECK(file.destroy(thread, nobody) == Errno::enoent);
    const ObjectId dev = rig.bind(thread, device);
    rig.make_parent(thread, dev);
    rig.fault = file.fault_alloc(thread).value();
    const ObjectId viommu = file.viommu_alloc(thread, dev, rig.parent).value();
    const ObjectId vdevice = file.vdevice_alloc(thread, viommu, dev, 0x100).value();
    const ObjectId nested = rig.make_nested(thread, dev);
    REQUIRE(file.pasid_attach(thread, dev, Pasid(5), nested) == Errno::ok);
    for (const ObjectId used : {dev, rig.ioas, rig.parent, rig.fault, viommu, nested})
      CHECK(file.destroy(thread, used) == Errno::ebusy);
    CHECK(file.stats.refused == 6);
    CHECK(file.pasid_detach(thread, dev, Pasid(5)) == Errno::ok);
    for (const ObjectId used : {dev, rig.ioas, rig.parent, rig.fault, viommu})
      CHECK(file.destroy(thread, used) == Errno::ebusy);
    CHECK(file.destroy(thread, nested) == Errno::ok);
    CHECK(file.destroy(thread, nested) == Errno::enoent);
    CHECK(file.destroy(thread, rig.fault) == Errno::ebusy);  // its file
    file.fault_close(thread, rig.fault);
    CHECK(file.destroy(thread, rig.fault) == Errno::ok);
    CHECK(file.destroy(thread, vdevice) == Errno::ok);
    CHECK(file.vdevice_alloc(thread, viommu, dev, 0x100).ok());  // may come again
    CHECK(file.destroy(thread, viommu) == Errno::ebusy);
    file.unbind(thread, dev);  // takes its VDEVICE along
    for (const ObjectId free : {viommu, rig.parent, rig.ioas})
      CHECK(file.destroy(thread, free) == Errno::ok);
    CHECK(file.objects().size() == 0);
  });
}

TEST_CASE("a page table needs a device, and a parent of its kind and IOMMU", "[iommufd]") {
  Files rig;
  rig.run([&](Thread& thread) {
    Iommufd& file = rig.file;
    const ObjectId dev = rig.bind(thread, device);
    rig.make_parent(thread, dev);
    const ObjectId plain = file.hwpt_alloc(thread, {.device = dev, .parent = rig.ioas}).value();
    const auto error = [&](auto change) {
      iommufd::HwptAlloc request = rig.nested(dev);
      change(request);
      return file.hwpt_alloc(thread, request).error();
    };
    CHECK(error([](auto& r) { r.device = nobody; }) == Errno::enoent);
    CHECK(error([&](auto& r) { r.device = rig.ioas; }) == Errno::enoent);
    CHECK(error([](auto& r) { r.flags = 1U << 9U; }) == Errno::eopnotsupp);
    CHECK(error([](auto& r) { r.flags = iommufd::nest_parent; }) == Errno::eopnotsupp);
    CHECK(error([](auto& r) { r.flags = iommufd::fault_id_valid; }) == Errno::enoent);
    CHECK(error([](auto& r) { r.stage1.reset(); }) == Errno::eopnotsupp);
    CHECK(error([](auto& r) { r.stage1->flags = 1U << 6U; }) == Errno::eopnotsupp);
    CHECK(error([](auto& r) { r.parent = nobody; }) == Errno::einval);
    CHECK(error([&](auto& r) { r.parent = dev; }) == Errno::einval);
    CHECK(error([&](auto& r) { r.parent = plain; }) == Errno::einval);
    CHECK(error([&](auto& r) { r.parent = rig.ioas; }) == Errno::eopnotsupp);
    CHECK(error([](auto&) {}) == Errno::ok);
    rig.host.iommu.can.nesting = false;
    CHECK(error([](auto&) {}) == Errno::eopnotsupp);
    CHECK(file.viommu_alloc(thread, nobody, rig.parent).error() == Errno::enoent);
    CHECK(file.viommu_alloc(thread, dev, rig.ioas).error() == Errno::enoent);
    CHECK(file.viommu_alloc(thread, dev, plain).error() == Errno::einval);
  });
}

TEST_CASE("a VDEVICE is one of its device, with an id that no other has", "[iommufd]") {
  Files rig;
  rig.run([&](Thread& thread) {
    Iommufd& file = rig.file;
    const ObjectId one = rig.bind(thread, device);
    const ObjectId two = rig.bind(thread, other_device);
    rig.make_parent(thread, one);
    const ObjectId viommu = file.viommu_alloc(thread, one, rig.parent).value();
    CHECK(file.vdevice_alloc(thread, nobody, one, 7).error() == Errno::enoent);
    CHECK(file.vdevice_alloc(thread, viommu, nobody, 7).error() == Errno::enoent);
    CHECK(file.vdevice_alloc(thread, viommu, one, 7).ok());
    CHECK(file.vdevice_alloc(thread, viommu, one, 8).error() == Errno::eexist);
    CHECK(file.vdevice_alloc(thread, viommu, two, 7).error() == Errno::eexist);
    CHECK(file.vdevice_alloc(thread, viommu, two, 8).ok());
  });
}

TEST_CASE("page tables behind another IOMMU are refused", "[iommufd]") {
  Files rig;
  NotingIommu second;
  vtd::Tables tables(second.physical(), vtd::Mode::scalable);
  IommuDriver driver(rig.host.engine, {}, second, tables, rig.host.pasid_mutex);
  constexpr Bdf far{3, 0, 0};
  rig.run([&](Thread& thread) {
    driver.add(thread, far, {});
    const ObjectId near = rig.bind(thread, device);
    const ObjectId away = rig.file.bind(thread, {far, &driver}).value();
    rig.make_parent(thread, near);
    CHECK(rig.file.attach(thread, away, rig.parent) == Errno::einval);
    CHECK(rig.file.hwpt_alloc(thread, rig.nested(away)).error() == Errno::einval);
    CHECK(rig.file.viommu_alloc(thread, away, rig.parent).error() == Errno::einval);
    const ObjectId viommu = rig.file.viommu_alloc(thread, near, rig.parent).value();
    CHECK(rig.file.vdevice_alloc(thread, viommu, away, 1).error() == Errno::einval);
  });
}

TEST_CASE("a function belongs to one file at a time", "[iommufd]") {
  Files rig;
  rig.run([&](Thread& thread) {
    CHECK(rig.file.bind(thread, {Bdf(9, 0, 0), &rig.host.driver}).error() == Errno::enodev);
    const ObjectId dev = rig.bind(thread, device);
    CHECK(rig.stranger.bind(thread, rig.assigned(device)).error() == Errno::ebusy);
    CHECK(rig.file.bind(thread, rig.assigned(device)).error() == Errno::ebusy);
    rig.file.unbind(thread, dev);
    CHECK(rig.stranger.bind(thread, rig.assigned(device)).ok());
    rig.stranger.close(thread);
    CHECK(rig.file.bind(thread, rig.assigned(device)).ok());
  });
}

TEST_CASE("a PASID is attached, replaced and detached, each with its errors", "[iommufd]") {
  Files rig({}, 64);
  rig.run([&](Thread& thread) {
    Iommufd& file = rig.file;
    const ObjectId dev = rig.bind(thread, device);
    rig.make_parent(thread, dev);
    const ObjectId one = rig.make_nested(thread, dev, 0x5000);
    const ObjectId two = rig.make_nested(thread, dev, 0x6000);
    CHECK(file.pasid_attach(thread, nobody, Pasid(5), one) == Errno::enoent);
    CHECK(file.pasid_attach(thread, dev, Pasid(5), nobody) == Errno::enoent);
    CHECK(file.pasid_attach(thread, dev, Pasid(5), rig.ioas) == Errno::einval);
    CHECK(file.pasid_attach(thread, dev, Pasid(0), one) == Errno::einval);
    CHECK(file.pasid_attach(thread, dev, Pasid(64), one) == Errno::einval);
    CHECK(file.pasid_attach(thread, dev, no_pasid, one) == Errno::einval);
    CHECK(file.pasid_replace(thread, dev, Pasid(5), one) == Errno::einval);
    CHECK(file.pasid_detach(thread, dev, Pasid(5)) == Errno::ok);
    CHECK(rig.host.iommu.log.empty());
    CHECK(file.pasid_attach(thread, dev, Pasid(63), one) == Errno::ok);
    CHECK(file.pasid_attach(thread, dev, Pasid(63), two) == Errno::ebusy);
    CHECK(file.pasid_attach(thread, dev, Pasid(5), one) == Errno::ok);
    CHECK(file.pasid_replace(thread, dev, Pasid(5), nobody) == Errno::enoent);
    CHECK(file.pasid_replace(thread, dev, Pasid(5), one) == Errno::ok);  // itself: nothing
    CHECK(file.stats.replaced == 0);
    CHECK(file.pasid_replace(thread, dev, Pasid(5), two) == Errno::ok);
    CHECK(rig.entry(device, Pasid(5)).first_level == Hpa(0x6000));
    CHECK(rig.entry(device, Pasid(63)).first_level == Hpa(0x5000));
    CHECK(file.attachments() == 2);
    // What somebody else has put there is taken, too; nothing remains of the attempt.
    vtd::PasidEntry foreign = rig.entry(device, Pasid(63));
    foreign.domain = rig.host.driver.take_domain().value();
    rig.host.driver.set_up(thread, device, Pasid(7), foreign);
    CHECK(file.pasid_attach(thread, dev, Pasid(7), one) == Errno::ebusy);
    CHECK(file.attachments() == 2);
    CHECK(file.pasid_detach(thread, dev, Pasid(63)) == Errno::ok);
    CHECK(file.destroy(thread, one) == Errno::ok);
  });
}

TEST_CASE("an attached table that the IOMMU cannot walk is refused", "[iommufd]") {
  Files rig;
  rig.host.iommu.can.five_levels = false;
  rig.host.iommu.can.supervisor_requests = false;
  rig.run([&](Thread& thread) {
    const ObjectId dev = rig.bind(thread, device);
    rig.make_parent(thread, dev);
    const auto attach = [&](std::uint32_t width, std::uint64_t flags) {
      iommufd::HwptAlloc request = rig.nested(dev);
      request.stage1->address_width = width;
      request.stage1->flags = flags;
      const ObjectId table = rig.file.hwpt_alloc(thread, request).value();
      return rig.file.pasid_attach(thread, dev, Pasid(5), table);
    };
    CHECK(attach(39, 0) == Errno::einval);
    CHECK(attach(57, 0) == Errno::einval);
    CHECK(attach(48, iommufd::VtdStage1::supervisor) == Errno::einval);
    CHECK(rig.file.attachments() == 0);
    CHECK(attach(48, iommufd::VtdStage1::write_protect) == Errno::ok);
    CHECK(rig.entry(device, Pasid(5)).write_protect);
  });
}

TEST_CASE("a guest's numbers are its own: the same one for two machines, and nobody allocates it",
          "[iommufd]") {
  Files rig;
  rig.run([&](Thread& thread) {
    const ObjectId dev = rig.bind(thread, device);
    rig.make_parent(thread, dev);
    const ObjectId ours = rig.make_nested(thread, dev);
    REQUIRE(rig.file.pasid_attach(thread, dev, Pasid(5), ours) == Errno::ok);
    const ObjectId their_dev = rig.stranger.bind(thread, rig.assigned(other_device)).value();
    const ObjectId ioas = rig.stranger.ioas_alloc(thread).value();
    const ObjectId parent =
        rig.stranger
            .hwpt_alloc(thread,
                        {.device = their_dev, .parent = ioas, .flags = iommufd::nest_parent})
            .value();
    iommufd::HwptAlloc request{.device = their_dev, .parent = parent};
    request.stage1 = iommufd::VtdStage1{0, Gpa(0x9000), 48};
    const ObjectId theirs = rig.stranger.hwpt_alloc(thread, request).value();
    REQUIRE(rig.stranger.pasid_attach(thread, their_dev, Pasid(5), theirs) == Errno::ok);
    const vtd::PasidEntry one = rig.entry(device, Pasid(5));
    const vtd::PasidEntry two = rig.entry(other_device, Pasid(5));
    CHECK(one.present);
    CHECK(two.present);
    CHECK(one.first_level == Hpa(0x5000));
    CHECK(two.first_level == Hpa(0x9000));
    CHECK(one.domain != two.domain);
    CHECK(one.second_level != two.second_level);
    CHECK(rig.host.global.size() == 0);
    CHECK(rig.host.pasids.space().size() == 0);
  });
}

TEST_CASE("nested tables have domains of their own, which go back when they are destroyed",
          "[iommufd]") {
  Files rig;
  rig.run([&](Thread& thread) {
    const ObjectId dev = rig.bind(thread, device);
    rig.make_parent(thread, dev);
    CHECK(rig.file.attach(thread, dev, rig.parent) == Errno::ok);
    const ObjectId one = rig.make_nested(thread, dev);
    const ObjectId two = rig.make_nested(thread, dev);
    REQUIRE(rig.file.pasid_attach(thread, dev, Pasid(5), one) == Errno::ok);
    REQUIRE(rig.file.pasid_attach(thread, dev, Pasid(6), two) == Errno::ok);
    CHECK(rig.entry(device, Pasid(0)).domain == DomainId(2));
    CHECK(rig.entry(device, Pasid(5)).domain == DomainId(3));
    CHECK(rig.entry(device, Pasid(6)).domain == DomainId(4));
    rig.host.iommu.log.clear();
    CHECK(rig.file.pasid_detach(thread, dev, Pasid(5)) == Errno::ok);
    CHECK(rig.host.iommu.log ==
          Log{"pasid-cache pasid 5 did 3", "iotlb did 3", "pasid-device-tlb 01:00.0 pasid 5 all"});
    rig.host.iommu.log.clear();
    CHECK(rig.file.destroy(thread, one) == Errno::ok);
    CHECK(rig.host.iommu.log == Log{"iotlb did 3"});
    CHECK(rig.host.driver.take_domain().value() == DomainId(3));
  });
}

TEST_CASE("what is unmapped is forgotten: by the table itself, and by those nested over it",
          "[iommufd]") {
  Files rig;
  rig.run([&](Thread& thread) {
    const ObjectId dev = rig.bind(thread, device);
    rig.make_parent(thread, dev);
    const ObjectId nested = rig.make_nested(thread, dev);
    REQUIRE(rig.file.attach(thread, dev, rig.parent) == Errno::ok);
    REQUIRE(rig.file.pasid_attach(thread, dev, Pasid(5), nested) == Errno::ok);
    CHECK(rig.file.ioas_map(thread, rig.ioas, {Iova(0x100000), 8_KiB, rig.frames}) == Errno::ok);
    const auto& paging = *rig.file.objects().find<iommufd::HwptPaging>(rig.parent);
    CHECK(paging.table->find(Iova(0x101000)) == rig.frames + 4_KiB);
    CHECK(paging.table->find(Iova(0x3000)) == rig.frames + 12_KiB);  // from before it was made
    rig.host.iommu.log.clear();
    CHECK(rig.file.ioas_unmap(thread, rig.ioas, Iova(0x100000), 8_KiB).ok());
    CHECK(!paging.table->mapped(Iova(0x101000)));
    CHECK(rig.host.iommu.log == Log{"iotlb did 2 0x100000+2^1", "device-tlb 01:00.0 0x100000+2^1",
                                    "iotlb did 3 0x100000+2^1",
                                    "pasid-device-tlb 01:00.0 pasid 5 all"});
  });
}

TEST_CASE("requests without a PASID: attached again is replaced, detached ends the function's use",
          "[iommufd]") {
  Files rig;
  rig.run([&](Thread& thread) {
    const ObjectId dev = rig.bind(thread, device);
    rig.make_parent(thread, dev);
    const ObjectId nested = rig.make_nested(thread, dev);
    CHECK(rig.file.detach(thread, dev) == Errno::ok);
    CHECK(rig.file.attach(thread, dev, rig.parent) == Errno::ok);
    CHECK(rig.file.attach(thread, dev, nested) == Errno::ok);
    CHECK(rig.file.stats.replaced == 1);
    CHECK(rig.entry(device, Pasid(0)).type == vtd::PasidEntry::Type::nested);
    rig.host.iommu.log.clear();
    const iommufd::VtdInvalidation whole;
    CHECK(rig.file.hwpt_invalidate(thread, nested, {&whole, 1}).error == Errno::ok);
    CHECK(rig.host.iommu.log == Log{"pasid-iotlb pasid 0 did 3 + device-tlb 01:00.0 all"});
    CHECK(rig.host.driver.ats_enabled(device));
    CHECK(rig.file.detach(thread, dev) == Errno::ok);
    CHECK(!rig.host.entry(device, Pasid(0)));
    CHECK(!rig.host.driver.ats_enabled(device));
  });
}

TEST_CASE("slices of a function have the host's global numbers, the default one included",
          "[iommufd]") {
  Files rig({}, 5);  // numbers 1 to 4
  rig.run([&](Thread& thread) {
    Iommufd& file = rig.file;
    const ObjectId one = rig.bind(thread, device, true);
    const ObjectId two = rig.bind(thread, device, true);
    rig.make_parent(thread, one);
    const ObjectId first = rig.make_nested(thread, one, 0x5000);
    const ObjectId second = rig.make_nested(thread, two, 0x6000);
    REQUIRE(file.attach(thread, one, rig.parent) == Errno::ok);
    REQUIRE(file.pasid_attach(thread, one, Pasid(3), first) == Errno::ok);
    REQUIRE(file.pasid_attach(thread, two, Pasid(3), second) == Errno::ok);
    CHECK(file.host_pasid(one, no_pasid) == Pasid(1));
    CHECK(file.host_pasid(one, Pasid(3)) == Pasid(2));
    CHECK(file.host_pasid(two, Pasid(3)) == Pasid(3));
    CHECK(rig.entry(device, Pasid(1)).type == vtd::PasidEntry::Type::second_level);
    CHECK(rig.entry(device, Pasid(2)).first_level == Hpa(0x5000));
    CHECK(rig.entry(device, Pasid(3)).first_level == Hpa(0x6000));
    CHECK(!rig.host.entry(device, Pasid(0)));
    CHECK(file.pasid_attach(thread, two, Pasid(4), second) == Errno::ok);
    CHECK(file.attach(thread, two, rig.parent) == Errno::enospc);
    CHECK(rig.host.global.size() == 4);
    bool free_too_early = false;
    rig.host.iommu.before = [&](const std::string&) {
      free_too_early = free_too_early || rig.host.global.size() < 4;
    };
    CHECK(file.pasid_detach(thread, one, Pasid(3)) == Errno::ok);
    CHECK(!free_too_early);
    CHECK(rig.host.global.size() == 3);
    file.close(thread);
    CHECK(rig.host.global.size() == 0);
  });
}

TEST_CASE("the host's own PASIDs and those of slices come from one allocator", "[iommufd]") {
  Files rig;
  rig.run([&](Thread& thread) {
    ioasid::Space& own = rig.host.pasids.space();
    CHECK(own.alloc(&rig, {1, 0xfffff}, nullptr) == 1);
    const ObjectId slice = rig.bind(thread, device, true);
    rig.make_parent(thread, slice);
    REQUIRE(rig.file.attach(thread, slice, rig.parent) == Errno::ok);
    CHECK(rig.file.host_pasid(slice, no_pasid) == Pasid(2));
    CHECK(own.alloc(&rig, {1, 0xfffff}, nullptr) == 3);
    CHECK(own.free(1) == ioasid::Error::ok);
    const Pasid next = rig.host.global.alloc(1U << 20U).value();
    CHECK(next == Pasid(1));
    CHECK(rig.host.global.alloc(1).error() == Errno::enospc);
  });
}

TEST_CASE("slices of several functions have one number behind a guest's, told while it is there",
          "[iommufd]") {
  struct Told final : PasidListener {
    void pasid_attached(Pasid guest, Pasid host) override { numbers.emplace_back(guest, host); }
    void pasid_detached(Pasid guest) override { numbers.emplace_back(guest, no_pasid); }
    std::vector<std::pair<Pasid, Pasid>> numbers;
  } told;
  Files rig;
  rig.file.listen_to_pasids(told);
  rig.run([&](Thread& thread) {
    Iommufd& file = rig.file;
    const ObjectId one = rig.bind(thread, device, true);
    const ObjectId two = rig.bind(thread, other_device, true);
    rig.make_parent(thread, one);
    const ObjectId first = rig.make_nested(thread, one);
    const ObjectId second = rig.make_nested(thread, two);
    REQUIRE(file.pasid_attach(thread, one, Pasid(7), first) == Errno::ok);
    REQUIRE(file.pasid_attach(thread, two, Pasid(7), second) == Errno::ok);
    CHECK(file.host_pasid(one, Pasid(7)) == Pasid(1));
    CHECK(file.host_pasid(two, Pasid(7)) == Pasid(1));
    CHECK(file.attached(two, Pasid(7)));
    CHECK(rig.host.global.size() == 1);
    CHECK(file.pasid_detach(thread, one, Pasid(7)) == Errno::ok);
    CHECK(rig.host.global.size() == 1);
    CHECK(told.numbers == std::vector{std::pair{Pasid(7), Pasid(1)}});
    CHECK(file.pasid_detach(thread, two, Pasid(7)) == Errno::ok);
    CHECK(told.numbers.back() == std::pair{Pasid(7), no_pasid});
    CHECK(told.numbers.size() == 2);
    CHECK(rig.host.global.size() == 0);
  });
}

TEST_CASE("a file may be closed in any state, nothing of it is left", "[iommufd]") {
  const int steps = GENERATE(range(0, 13));
  const bool mediated = GENERATE(false, true);
  Files rig;
  rig.run([&](Thread& thread) {
    Iommufd& file = rig.file;
    ObjectId dev;
    ObjectId viommu;
    ObjectId nested;
    const std::vector<std::function<void()>> life{
        [&] { dev = rig.bind(thread, device, mediated); },
        [&] { rig.make_parent(thread, dev); },
        [&] { rig.fault = file.fault_alloc(thread).value(); },
        [&] { viommu = file.viommu_alloc(thread, dev, rig.parent).value(); },
        [&] { CHECK(file.vdevice_alloc(thread, viommu, dev, 1).ok()); },
        [&] { CHECK(file.attach(thread, dev, rig.parent) == Errno::ok); },
        [&] { nested = rig.make_nested(thread, dev); },
        [&] { CHECK(file.pasid_attach(thread, dev, Pasid(5), nested) == Errno::ok); },
        [&] {
          const std::uint32_t pasid = file.host_pasid(dev, Pasid(5))->value();
          CHECK(file.forward_fault(dev.value(), page_request(device, pasid, 1, false)));
          CHECK(file.forward_fault(dev.value(), page_request(device, pasid, 1)));
        },
        [&] { CHECK(file.read_faults(thread, rig.fault).size() == 1); },
        [&] {
          const ObjectId next = rig.make_nested(thread, dev);
          CHECK(file.pasid_replace(thread, dev, Pasid(5), next) == Errno::ok);
        },
        [&] { CHECK(file.pasid_detach(thread, dev, Pasid(5)) == Errno::ok); }};
    for (int step = 0; step < steps; ++step) life[static_cast<std::size_t>(step)]();
    file.close(thread);
    file.close(thread);  // once more is nothing
  });
  CHECK(rig.file.closed());
  CHECK(rig.file.objects().size() == 0);
  CHECK(rig.file.pending_faults() == 0);
  CHECK(rig.host.global.size() == 0);
  CHECK(rig.host.iommufd.owners.empty());
  CHECK(rig.host.driver.take_domain().value() == DomainId(2));
  for (std::uint32_t pasid = 0; pasid < 8; ++pasid) CHECK(!rig.host.entry(device, Pasid(pasid)));
  CHECK(!rig.file.forward_fault(1, page_request(device, 5)));
  CHECK(rig.file.function_of(1) == Bdf{});
}
