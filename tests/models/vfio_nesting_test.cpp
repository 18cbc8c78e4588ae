// Nested address spaces in the host: checks and their errors, the host's entries, what VT-d is told.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/vfio_container.hpp"
#include "tests/support/vfio_rig.hpp"

#include <string>

using namespace viosim;
using namespace viosim::test;

namespace {

CacheInvalidate pages_of(Pasid pasid, std::uint64_t address, std::uint64_t pages) {
  CacheInvalidate order;
  order.granularity = CacheInvalidate::Granularity::address;
  order.pasid = pasid.value();
  order.address = Iova(address);
  order.granules = pages;
  return order;
}

}  // namespace

TEST_CASE("a bind is checked in the kernel's order, each check with its error", "[vfio]") {
  Vfio rig;
  rig.run([&](Thread& thread) {
    VfioContainer& container = rig.container();
    const Pasid pasid = rig.alloc(thread);
    const Pasid foreign = rig.stranger.container.alloc_pasid(thread, {1, 0xfffff}).value();
    const auto bind = [&](auto change) {
      BindGpasid request = bind_of(pasid);
      change(request);
      return container.bind_gpasid(thread, 0, request);
    };
    CHECK(bind([](auto& r) { r.argsz = 71; }) == Errno::einval);
    CHECK(bind([](auto& r) { r.version = 2; }) == Errno::einval);
    CHECK(bind([](auto& r) { r.flags |= 2; }) == Errno::einval);
    CHECK(bind([](auto& r) { r.format = 2; }) == Errno::einval);
    CHECK(bind([](auto& r) { r.vendor_flags = 1U << 6U; }) == Errno::einval);
    CHECK(bind([](auto& r) { r.hpasid = 0; }) == Errno::einval);
    CHECK(bind([](auto& r) { r.hpasid = 1U << 20U; }) == Errno::einval);
    CHECK(bind([](auto& r) { r.hpasid = 0xfffff; }) == Errno::enoent);
    CHECK(bind([&](auto& r) { r.hpasid = foreign.value(); }) == Errno::eacces);
    CHECK(bind([](auto& r) { r.addr_width = 39; }) == Errno::einval);
    CHECK(bind([](auto& r) { r.vendor_flags = BindGpasid::memory_types; }) == Errno::einval);
    CHECK(container.bind_gpasid(thread, 9, bind_of(pasid)) == Errno::enodev);
    CHECK(container.bindings() == 0);
    CHECK(rig.host.iommu.log.empty());
    CHECK(bind([](auto&) {}) == Errno::ok);
    CHECK(bind([](auto&) {}) == Errno::ebusy);
    // What is wrong with the structure comes first, a missing owner before the device in use.
    CHECK(bind([](auto& r) { r.argsz = 0; }) == Errno::einval);
    CHECK(bind([&](auto& r) {
            r.hpasid = foreign.value();
            r.addr_width = 39;
          }) == Errno::eacces);
    CHECK(container.bind_gpasid(thread, 1, bind_of(pasid)) == Errno::ok);
    CHECK(container.bindings() == 2);
  });
}

TEST_CASE("a bind needs a PCI device, with 20 bits of PASID, behind an IOMMU that nests",
          "[vfio]") {
  Vfio rig;
  const std::size_t platform =
      rig.container().add_device({device, &rig.host.driver, nullptr, false});
  const std::size_t narrow =
      rig.container().add_device({device, &rig.host.driver, nullptr, true, 16});
  rig.run([&](Thread& thread) {
    const Pasid pasid = rig.alloc(thread);
    BindGpasid request = bind_of(pasid);
    CHECK(rig.container().bind_gpasid(thread, platform, request) == Errno::enotsupp);
    CHECK(rig.container().bind_gpasid(thread, narrow, request) == Errno::einval);
    rig.host.iommu.can.nesting = false;
    CHECK(rig.container().bind_gpasid(thread, 0, request) == Errno::einval);
    rig.host.iommu.can.nesting = true;
    rig.host.iommu.can.five_levels = false;
    request.addr_width = 57;
    CHECK(rig.container().bind_gpasid(thread, 0, request) == Errno::einval);
    request.addr_width = 48;
    rig.host.iommu.can.supervisor_requests = false;
    request.vendor_flags = BindGpasid::supervisor;
    CHECK(rig.container().bind_gpasid(thread, 0, request) == Errno::einval);
    CHECK(rig.container().bindings() == 0);
    CHECK(rig.host.ids.sets.references(pasid.value()) == 1);
  });
}

TEST_CASE("the host's entry is nested over the machine's own second stage and domain", "[vfio]") {
  Vfio rig;
  rig.run([&](Thread& thread) {
    const Pasid pasid = rig.alloc(thread);
    BindGpasid request = bind_of(pasid);
    request.addr_width = 57;
    request.vendor_flags = BindGpasid::supervisor | BindGpasid::extended_accessed;
    REQUIRE(rig.container().bind_gpasid(thread, 0, request) == Errno::ok);
    const vtd::PasidEntry entry = rig.host.tables.read_entry(*rig.host.tables.entry(device, pasid));
    CHECK(entry.type == vtd::PasidEntry::Type::nested);
    CHECK(entry.first_level == Hpa(0x5000));
    CHECK(entry.second_level == rig.vm.stage2.root());
    CHECK(entry.domain == DomainId(2));
    CHECK(entry.first_level_mode == 1);
    CHECK(entry.supervisor_requests);
    CHECK(entry.extended_accessed);
  });
}

TEST_CASE("the PASID of a default address space is bound to nothing else", "[vfio]") {
  VfioParams params;
  params.check_owner = GENERATE(true, false);
  Vfio rig(params);
  AssignedDevice slice{device, &rig.host.driver};
  slice.mediated = true;
  const std::size_t number = rig.container().add_device(slice);
  rig.run([&](Thread& thread) {
    VfioContainer& container = rig.container();
    const Pasid pasid = container.attach_default(thread, number).value();
    // Kernels that were released bound it to another function; of its own the entry is there.
    const Errno taken = params.check_owner ? Errno::eacces : Errno::ebusy;
    const Errno other = params.check_owner ? Errno::eacces : Errno::ok;
    CHECK(container.bind_gpasid(thread, 0, bind_of(pasid)) == taken);
    CHECK(container.bind_gpasid(thread, number, bind_of(pasid)) == taken);
    CHECK(container.bind_gpasid(thread, 1, bind_of(pasid)) == other);
    CHECK(container.bound(1, pasid) == (other == Errno::ok));
    CHECK_FALSE(container.bound(0, pasid));
  });
}

TEST_CASE("kernels that were released did not ask whose a PASID is", "[vfio]") {
  VfioParams released;
  released.check_owner = false;
  Vfio rig(released);
  rig.run([&](Thread& thread) {
    const Pasid foreign = rig.stranger.container.alloc_pasid(thread, {1, 0xfffff}).value();
    CHECK(rig.container().bind_gpasid(thread, 0, bind_of(foreign)) == Errno::ok);
    CHECK(rig.container().bind_gpasid(thread, 0, bind_of(Pasid(0xfffff))) == Errno::enoent);
    CHECK(rig.container().unbind_gpasid(thread, 0, foreign.value()) == Errno::ok);
  });
}

TEST_CASE("unbinding what is not bound is refused", "[vfio]") {
  Vfio rig;
  rig.run([&](Thread& thread) {
    const Pasid pasid = rig.alloc(thread);
    CHECK(rig.container().unbind_gpasid(thread, 0, 0) == Errno::einval);
    CHECK(rig.container().unbind_gpasid(thread, 0, 1U << 20U) == Errno::einval);
    CHECK(rig.container().unbind_gpasid(thread, 0, pasid.value()) == Errno::enoent);
    REQUIRE(rig.container().bind_gpasid(thread, 0, bind_of(pasid)) == Errno::ok);
    CHECK(rig.container().unbind_gpasid(thread, 1, pasid.value()) == Errno::enoent);
    CHECK(rig.container().unbind_gpasid(thread, 0, pasid.value()) == Errno::ok);
    CHECK(rig.container().pasids() == 1);  // the id stays
    CHECK(rig.host.ids.sets.references(pasid.value()) == 1);
  });
}

TEST_CASE("the table of granularities, and what VT-d is told", "[vfio]") {
  using G = CacheInvalidate::Granularity;
  constexpr std::uint8_t iotlb = CacheInvalidate::iotlb;
  constexpr std::uint8_t device_tlb = CacheInvalidate::device_iotlb;
  constexpr std::uint8_t pasid_cache = CacheInvalidate::pasid_cache;
  const bool ats = GENERATE(false, true);
  const InvalidationTarget target{device, DomainId(7), ats};
  const auto told = [&](std::uint8_t caches, G granularity) -> std::string {
    CacheInvalidate order = pages_of(Pasid(5), 0x10000, 4);
    order.caches = caches;
    order.granularity = granularity;
    order.flags |= CacheInvalidate::leaf;
    const auto descriptors = encode(order, target);
    if (!descriptors.ok()) return std::string(name_of(descriptors.error()));
    std::string text;
    for (const auto& descriptor : descriptors.value())
      text += (text.empty() ? "" : ", ") + text_of(descriptor);
    return text;
  };
  const std::string all = ats ? ", pasid-device-tlb 01:00.0 pasid 5 all" : "";
  const std::string range = ats ? ", pasid-device-tlb 01:00.0 pasid 5 0x10000+2^2" : "";
  for (const std::uint8_t caches : {iotlb, device_tlb, pasid_cache}) {
    CHECK(told(caches, G::domain) == "-EINVAL");
  }
  CHECK(told(iotlb, G::pasid) == "pasid-iotlb pasid 5 did 7" + all);
  CHECK(told(device_tlb, G::pasid) == "-EINVAL");
  CHECK(told(iotlb | device_tlb, G::pasid) == "-EINVAL");
  CHECK(told(pasid_cache, G::pasid) == "-EINVAL");
  CHECK(told(iotlb, G::address) == "pasid-iotlb pasid 5 did 7 0x10000+2^2 IH" + range);
  CHECK(told(device_tlb, G::address) == "pasid-device-tlb 01:00.0 pasid 5 0x10000+2^2");
  CHECK(told(iotlb | device_tlb, G::address) ==
        "pasid-iotlb pasid 5 did 7 0x10000+2^2 IH, pasid-device-tlb 01:00.0 pasid 5 0x10000+2^2");
  CHECK(told(pasid_cache, G::address) == "-EINVAL");
  CHECK(told(iotlb | pasid_cache, G::address) == "-EINVAL");
}

TEST_CASE("an order to invalidate that is malformed, misaligned or too large", "[vfio]") {
  InvalidationTarget target{device, DomainId(7), false};
  const auto error = [&](auto change) {
    CacheInvalidate order = pages_of(Pasid(5), 0x10000, 1);
    change(order);
    return encode(order, target).error();
  };
  CHECK(error([](auto&) {}) == Errno::ok);
  CHECK(error([](auto& o) { o.argsz = 55; }) == Errno::einval);
  CHECK(error([](auto& o) { o.version = 0; }) == Errno::einval);
  CHECK(error([](auto& o) { o.caches = 0; }) == Errno::einval);
  CHECK(error([](auto& o) { o.caches = 8; }) == Errno::einval);
  CHECK(error([](auto& o) { o.granularity = CacheInvalidate::Granularity(3); }) == Errno::einval);
  CHECK(error([](auto& o) { o.flags = 0; }) == Errno::einval);
  CHECK(error([](auto& o) { o.flags |= 8; }) == Errno::einval);
  CHECK(error([](auto& o) { o.granules = 0; }) == Errno::einval);
  const auto misaligned = [](auto& o) { o.address = Iova(0x11000), o.granules = 2; };
  CHECK(error(misaligned) == Errno::ok);
  target.refuse_misaligned = true;
  CHECK(error(misaligned) == Errno::erange);
  CacheInvalidate large = pages_of(Pasid(5), 0, 1U << 20U);
  CHECK(text_of(encode(large, target).value().front()) == "pasid-iotlb pasid 5 did 7");
  large = pages_of(Pasid(5), 0x11000, 3);
  target.refuse_misaligned = false;
  CHECK(text_of(encode(large, target).value().front()) == "pasid-iotlb pasid 5 did 7 0x10000+2^2");
}

TEST_CASE("a machine flushes its own PASIDs only", "[vfio]") {
  Vfio rig;
  rig.run([&](Thread& thread) {
    const Pasid own = rig.alloc(thread);
    const Pasid foreign = rig.stranger.container.alloc_pasid(thread, {1, 0xfffff}).value();
    CHECK(rig.container().cache_invalidate(thread, 0, pages_of(foreign, 0, 1)) == Errno::eacces);
    CHECK(rig.container().cache_invalidate(thread, 0, pages_of(Pasid(999), 0, 1)) == Errno::enoent);
    CHECK(rig.host.iommu.log.empty());
    CHECK(rig.container().cache_invalidate(thread, 0, pages_of(own, 0, 1)) == Errno::ok);
    CHECK(rig.host.iommu.log.size() == 1);
  });
}

TEST_CASE("the guest's number is an alias: unique in a machine, gone before the host's teardown",
          "[vfio]") {
  Vfio rig;
  rig.run([&](Thread& thread) {
    const ioasid::SetNumber set = rig.container().set();
    const Pasid one = rig.alloc(thread);
    const Pasid two = rig.alloc(thread);
    BindGpasid request = bind_of(one);
    request.gpasid = 77;
    CHECK(rig.container().bind_gpasid(thread, 0, request) == Errno::ok);
    CHECK(rig.host.ids.sets.find_by_spid(set, 77) == one.value());
    request.hpasid = two.value();
    CHECK(rig.container().bind_gpasid(thread, 1, request) == Errno::einval);
    CHECK(rig.host.ids.sets.references(two.value()) == 1);
    CHECK(!rig.host.entry(other_device, two));
    bool alias_during_teardown = true;
    rig.host.iommu.before = [&](const std::string&) {
      alias_during_teardown = rig.host.ids.sets.find_by_spid(set, 77) == one.value();
    };
    CHECK(rig.container().unbind_gpasid(thread, 0, one.value()) == Errno::ok);
    CHECK(!alias_during_teardown);
    CHECK(rig.host.ids.sets.find_by_spid(set, 77) == ioasid::invalid_ioasid);
    CHECK(rig.container().bind_gpasid(thread, 1, request) == Errno::ok);
  });
}

TEST_CASE("slices of a function share the entry of a PASID, the last one clears it", "[vfio]") {
  Vfio rig;
  const AssignedDevice slice{device, &rig.host.driver, nullptr, true, 20, true};
  const std::size_t one = rig.container().add_device(slice);
  const std::size_t two = rig.container().add_device(slice);
  rig.run([&](Thread& thread) {
    const Pasid pasid = rig.alloc(thread);
    CHECK(rig.container().bind_gpasid(thread, one, bind_of(pasid)) == Errno::ok);
    BindGpasid elsewhere = bind_of(pasid);
    elsewhere.root = Gpa(0x9000);
    CHECK(rig.container().bind_gpasid(thread, two, elsewhere) == Errno::ebusy);
    CHECK(rig.container().bind_gpasid(thread, two, bind_of(pasid)) == Errno::ok);
    CHECK(rig.container().forward_fault(one, page_request(device, pasid.value(), 3)));
    CHECK(rig.container().unbind_gpasid(thread, one, pasid.value()) == Errno::ok);
    CHECK(rig.container().pending_faults() == 0);
    CHECK(rig.host.entry(device, pasid));
    CHECK(rig.container().unbind_gpasid(thread, two, pasid.value()) == Errno::ok);
    CHECK(!rig.host.entry(device, pasid));
    CHECK(rig.host.ids.sets.references(pasid.value()) == 1);
  });
}
