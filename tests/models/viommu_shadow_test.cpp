// What a hypervisor binds, unbinds and flushes in its host, as the guest's PASID tables say.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/pasid_translation.hpp"
#include "models/vmm/viommu.hpp"
#include "tests/support/emulated_rig.hpp"

#include <map>
#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

using Log = std::vector<std::string>;
using Type = vtd::PasidEntry::Type;

vtd::PasidEntry of_type(Type type) {
  vtd::PasidEntry entry = VmRig::first_level(0x10000);
  entry.type = type;
  entry.address_width = 2;
  return entry;
}

vtd::PasidEntry present(vtd::PasidEntry entry) {
  entry.present = true;
  return entry;
}

}  // namespace

TEST_CASE("what a guest's entry says against what was bound decides, in every case", "[vmm]") {
  const Pasid rid{0};
  const Pasid pasid{5};
  const vtd::PasidEntry first = present(of_type(Type::first_level));
  const Shadow bound{first};
  CHECK(decide(nullptr, {}, pasid, rid) == ShadowAction::nothing);
  CHECK(decide(nullptr, first, pasid, rid) == ShadowAction::bind);
  const vtd::PasidEntry through = present(of_type(Type::pass_through));
  CHECK(decide(nullptr, through, rid, rid) == ShadowAction::attach_second_stage);
  CHECK(decide(nullptr, through, pasid, rid) == ShadowAction::unsupported);
  CHECK(decide(nullptr, present(of_type(Type::second_level)), rid, rid) ==
        ShadowAction::unsupported);
  CHECK(decide(&bound, {}, pasid, rid) == ShadowAction::unbind);
  CHECK(decide(&bound, first, pasid, rid) == ShadowAction::flush);
  vtd::PasidEntry moved = first;
  moved.first_level = Hpa(0x20000);
  CHECK(decide(&bound, moved, pasid, rid) == ShadowAction::rebind);
  vtd::PasidEntry stricter = first;
  stricter.write_protect = true;
  CHECK(decide(&bound, stricter, pasid, rid) == ShadowAction::rebind);
}

TEST_CASE("each step of use case 2 changes what it should, and nothing else", "[vmm]") {
  Emulated rig;
  rig.run([&](Thread& thread) {
    auto& container = rig.vm.container;
    const auto state = [&](ioasid::Ioasid id) {
      return std::vector<bool>{static_cast<bool>(rig.vm.space.find(nullptr, id)),
                               rig.v.driver.present(device, Pasid(id)),
                               rig.v.viommu.shadow(device, Pasid(id)) != nullptr,
                               container.pasids() == 1,
                               rig.host.ids.sets.references(id) == 2,
                               rig.host.pasids.space().find(nullptr, id).data != nullptr,
                               rig.host.entry(device, Pasid(id))};
    };
    using S = std::vector<bool>;
    CHECK(state(1) == S{false, false, false, false, false, false, false});
    const ioasid::Ioasid id = rig.vm.alloc();  // A
    REQUIRE(id == 1);
    CHECK(!rig.v.viommu.virtual_command().busy());
    CHECK(rig.v.viommu.virtual_command().response() == 0x10000);
    CHECK(state(1) == S{true, false, false, true, false, false, false});
    rig.write(device, id, VmRig::first_level(0x10000));  // B7
    CHECK(state(1) == S{true, true, false, true, false, false, false});
    rig.announce(thread, id);  // B8 to B11
    CHECK(state(1) == S{true, true, true, true, true, true, true});
    rig.host.iommu.log.clear();
    CHECK(rig.vm.unmap(thread, rig.v, device, id) == Errno::ok);  // D
    CHECK(state(1) == S{true, true, true, true, true, true, true});
    CHECK(rig.host.iommu.log.size() == 1);
    rig.v.tables.clear_present(device, Pasid(id));  // F
    CHECK(state(1) == S{true, false, true, true, true, true, true});
    rig.announce(thread, id);
    CHECK(state(1) == S{true, false, false, true, false, false, false});
    CHECK(rig.vm.space.free(id) == ioasid::Error::ok);
    CHECK(state(1) == S{false, false, false, false, false, false, false});
  });
  CHECK(rig.host.pasids.space().size() == 0);
}

TEST_CASE("an entry that is the same is flushed, one that has changed is bound anew", "[vmm]") {
  Emulated rig;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.write(device, id, VmRig::first_level(0x10000));
    rig.announce(thread, id);
    rig.host.iommu.log.clear();
    rig.announce(thread, id);
    CHECK(rig.host.iommu.log ==
          Log{"pasid-iotlb pasid 1 did 2 + pasid-device-tlb 01:00.0 pasid 1 all"});
    rig.write(device, id, VmRig::first_level(0x20000));
    rig.announce(thread, id);
    const auto at = rig.host.tables.entry(device, Pasid(id));
    CHECK(rig.host.tables.read_entry(*at).first_level == Hpa(0x20000));
  });
  CHECK(rig.v.viommu.stats.bound == 2);
  CHECK(rig.v.viommu.stats.unbound == 1);
  CHECK(rig.v.viommu.stats.rebound == 1);
}

TEST_CASE("requests without a PASID may pass through, second levels are not shadowed", "[vmm]") {
  Emulated rig;
  rig.run([&](Thread& thread) {
    rig.write(device, 0, of_type(Type::pass_through));
    rig.announce(thread, 0);
    CHECK(rig.v.viommu.stats.attached == 1);
    CHECK(rig.v.viommu.stats.unsupported == 0);
    rig.write(device, 7, of_type(Type::second_level));
    rig.announce(thread, 7);
  });
  CHECK(rig.v.viommu.stats.unsupported == 1);
  CHECK(rig.v.viommu.bind_errors().at(Errno::einval) == 1);
  CHECK(rig.v.viommu.shadows() == 0);
}

TEST_CASE("what was bound and becomes a second level is unbound, and counted as one", "[vmm]") {
  const Type becomes = GENERATE(Type::second_level, Type::pass_through);
  Emulated rig;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.write(device, id, of_type(becomes));
    rig.announce(thread, id);
    CHECK(!rig.host.entry(device, Pasid(id)));
  });
  CHECK(rig.v.viommu.stats.bound == 1);
  CHECK(rig.v.viommu.stats.unbound == 1);
  CHECK(rig.v.viommu.stats.rebound == 0);
  CHECK(rig.v.viommu.stats.unsupported == 1);
  CHECK(rig.v.viommu.bind_errors().at(Errno::einval) == 1);
  CHECK(rig.v.viommu.shadows() == 0);
}

TEST_CASE("what the host refuses to bind stays unbound, and is counted by its error", "[vmm]") {
  Emulated rig;
  VmRig other(rig.host, "vm1", {}, 2);
  rig.run([&](Thread& thread) {
    const Pasid foreign = other.container.alloc_pasid(thread, {1, 0xfffff}).value();
    rig.vm.bind(thread, rig.v, device, foreign.value());
    rig.vm.bind(thread, rig.v, device, 999);
    CHECK(!rig.host.entry(device, foreign));
    // A PASID that another entry of the device has in the host.
    const ioasid::Ioasid id = rig.vm.alloc();
    vtd::PasidEntry taken = rig.vm.second_stage;
    rig.host.driver.set_up(thread, device, Pasid(id), taken);
    rig.vm.bind(thread, rig.v, device, id);
  });
  const std::map<Errno, std::uint64_t> expected{
      {Errno::eacces, 1}, {Errno::enoent, 1}, {Errno::ebusy, 1}};
  CHECK(rig.v.viommu.bind_errors() == expected);
  CHECK(rig.v.viommu.stats.bind_failed == 3);
  CHECK(rig.v.viommu.shadows() == 0);
  CHECK(rig.vm.container.bindings() == 0);
  CHECK(rig.vm.machine.alive());
}

TEST_CASE("a machine may be killed for a bind that the host refuses", "[vmm]") {
  VmOptions options;
  options.viommu.kill_on_bind_failure = true;
  Emulated rig(options);
  rig.run([&](Thread& thread) {
    rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, 999);
    FAIL("the guest goes on");
  });
  CHECK(!rig.vm.machine.alive());
  CHECK(rig.vm.machine.closed());
  CHECK(rig.vm.nothing_left());
}

TEST_CASE("an unbind that comes after the host's own is let pass", "[vmm]") {
  VmOptions options;
  options.vfio.free_while_bound = FreeWhileBound::pend;
  Emulated rig(options);
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.vm.space.free(id);  // too early
    thread.sleep(100us);
    CHECK(!rig.host.entry(device, Pasid(id)));
    CHECK(rig.vm.container.pasids() == 0);
    CHECK(rig.v.viommu.shadows() == 1);
    CHECK(rig.vm.unbind(thread, rig.v, device, id) == Errno::ok);
    CHECK(rig.v.viommu.shadows() == 0);
  });
  CHECK(rig.vm.container.stats.pended == 1);
}

TEST_CASE("strictly, a guest that frees what is bound is told, and the id leaks in its host",
          "[vmm]") {
  Emulated rig;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    CHECK(rig.vm.space.free(id) == ioasid::Error::ok);  // the guest's core forgets it all the same
    CHECK(rig.vm.backend.stats.free_failed == 1);
    CHECK(rig.vm.container.pasids() == 1);
    CHECK(rig.host.entry(device, Pasid(id)));
  });
  CHECK(rig.vm.space.size() == 0);
}

TEST_CASE("a domain or everything: all entries concerned are looked at again", "[vmm]") {
  const bool global = GENERATE(false, true);
  Emulated rig;
  rig.run([&](Thread& thread) {
    std::vector<ioasid::Ioasid> ids;
    for (int i = 0; i < 3; ++i) ids.push_back(rig.vm.alloc());
    for (const ioasid::Ioasid id : ids) rig.write(device, id, VmRig::first_level(0x10000));
    rig.write(neighbour, ids[0], VmRig::first_level(0x10000));
    vtd::PasidEntry elsewhere = VmRig::first_level(0x30000);
    elsewhere.domain = DomainId(8);
    rig.write(neighbour, ids[1], elsewhere);
    rig.announce(thread, 0, global ? vtd::Granularity::global : vtd::Granularity::domain);
    CHECK(rig.v.viommu.shadows() == (global ? 5 : 4));
    CHECK((rig.v.viommu.shadow(neighbour, Pasid(ids[1])) != nullptr) == global);
    for (const ioasid::Ioasid id : ids) rig.v.tables.clear_present(device, Pasid(id));
    rig.announce(thread, 0, global ? vtd::Granularity::global : vtd::Granularity::domain);
    CHECK(rig.v.viommu.shadow(device, Pasid(ids[0])) == nullptr);
    CHECK(rig.v.viommu.shadow(neighbour, Pasid(ids[0])) != nullptr);
  });
}

TEST_CASE("a function that loses its context entry loses what was bound behind it", "[vmm]") {
  Emulated rig;
  rig.run([&](Thread& thread) {
    const ioasid::Ioasid id = rig.vm.alloc();
    rig.vm.bind(thread, rig.v, device, id);
    rig.vm.bind(thread, rig.v, neighbour, id);
    vtd::Descriptor order;
    order.type = vtd::DescriptorType::context_cache;
    order.granularity = vtd::Granularity::device;
    order.source = device;
    rig.v.iommu.submit(thread, {&order, 1});
    CHECK(rig.v.viommu.shadows() == 2);  // it has one: flushes of PASIDs would follow
    rig.v.tables.detach(device);
    rig.v.iommu.submit(thread, {&order, 1});
    CHECK(rig.v.viommu.shadow(device, Pasid(id)) == nullptr);
    CHECK(rig.v.viommu.shadow(neighbour, Pasid(id)) != nullptr);
    CHECK(!rig.host.entry(device, Pasid(id)));
    CHECK(rig.host.entry(neighbour, Pasid(id)));
  });
}

TEST_CASE("the processor translates a guest's PASIDs while they are bound, and not before or after",
          "[vmm]") {
  VmOptions options;
  options.scope = PasidScope::guest_wide;
  HostRig host;
  VmRig vm(host, "vm0", options);
  ViommuRig& v = vm.add_viommu();
  vm.add_device(v, device);
  PasidTranslation tables(host.engine, host.iommu.physical());
  using Instruction = PasidTranslation::Instruction;
  REQUIRE(host.ids.sets.register_notifier(tables, ioasid::Priority::cpu, vm.container.set()) ==
          ioasid::Error::ok);
  const std::uint32_t guest = GENERATE(5U, 0x3ffU, 0x400U, 0x7ffffU, 0x80000U, 0xfffffU);
  vm.job(0ns, [&](Thread& thread) {
    CHECK(!tables.translate(Pasid(guest), Instruction::enqcmd));
    vm.bind(thread, v, device, guest);
    CHECK(tables.translate(Pasid(guest), Instruction::enqcmd) == Pasid(1));
    CHECK(!tables.translate(Pasid(guest ^ 1U), Instruction::enqcmds));
    CHECK(!tables.find(Pasid(guest ^ 0x400U)));
    CHECK(!tables.find(Pasid(guest ^ 0x80000U)));
    vm.unbind(thread, v, device, guest);
    CHECK(!tables.translate(Pasid(guest), Instruction::enqcmds));
    CHECK(!tables.translate(Pasid(1U << 20U), Instruction::enqcmd));
  });
  host.engine.run();
  CHECK(tables.stats.enqcmd_exits == 2);
  CHECK(tables.stats.enqcmds_exits == 2);
  CHECK(tables.stats.filled == 1);
  CHECK(tables.stats.cleared == 1);
}

TEST_CASE(
    "guest-wide PASIDs: one of the host's behind each, for all devices, until the last unbind",
    "[vmm]") {
  VmOptions options;
  options.scope = PasidScope::guest_wide;
  Emulated rig(options);
  VmRig other(rig.host, "vm1", options, 2);
  rig.run([&](Thread& thread) {
    CHECK(other.container.alloc_pasid(thread, {1, 1}).ok());
    CHECK(!rig.v.channel.offers_pasids(thread));
    rig.vm.bind(thread, rig.v, device, 40);
    rig.vm.bind(thread, rig.v, neighbour, 40);
    rig.vm.bind(thread, rig.v, device, 41);
    CHECK(rig.vm.hypervisor.host_of(0, Pasid(40)) == Pasid(2));
    CHECK(rig.vm.hypervisor.host_of(0, Pasid(41)) == Pasid(3));
    CHECK(rig.host.entry(device, Pasid(2)));
    CHECK(rig.host.entry(neighbour, Pasid(2)));
    rig.vm.unbind(thread, rig.v, device, 40);
    CHECK(rig.vm.hypervisor.host_of(0, Pasid(40)) == Pasid(2));
    rig.vm.unbind(thread, rig.v, neighbour, 40);
    CHECK(!rig.vm.hypervisor.host_of(0, Pasid(40)));
    CHECK(rig.vm.container.pasids() == 1);
  });
}

TEST_CASE("a guest-wide PASID that the host has no number for stays unbound", "[vmm]") {
  VmOptions options;
  options.scope = PasidScope::guest_wide;
  options.vfio.quota = 1;
  Emulated rig(options);
  rig.run([&](Thread& thread) {
    rig.vm.bind(thread, rig.v, device, 40);
    rig.vm.bind(thread, rig.v, device, 41);
  });
  CHECK(rig.v.viommu.bind_errors().at(Errno::enospc) == 1);
  CHECK(rig.v.viommu.shadows() == 1);
}
