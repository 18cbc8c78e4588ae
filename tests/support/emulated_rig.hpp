// A machine with one vIOMMU and two devices behind it: for tests of emulated IOMMUs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/catch.hpp"
#include "tests/support/vm_devices.hpp"
#include "tests/support/vm_rig.hpp"

#include <functional>
#include <utility>

namespace viosim::test {

struct Emulated {
  explicit Emulated(const VmOptions& options = {}) : vm(host, "vm0", options), v(vm.add_viommu()) {
    vm.add_device(v, device);
    vm.add_device(v, neighbour);
    if (vm.flow == nullptr) REQUIRE(vm.space.register_allocator(v.ops) == ioasid::Error::ok);
  }
  void run(std::function<void(Thread&)> work) {
    vm.job(0ns, std::move(work));
    host.engine.run();
  }
  // The guest's entry is written without a word to the hypervisor.
  void write(Bdf function, ioasid::Ioasid pasid, vtd::PasidEntry entry, bool present = true) {
    entry.present = present;
    v.tables.set_entry(function, Pasid(pasid), entry);
  }
  Errno announce(Thread& thread, ioasid::Ioasid pasid,
                 vtd::Granularity granularity = vtd::Granularity::pasid, std::uint16_t domain = 1) {
    vtd::Descriptor order;
    order.type = vtd::DescriptorType::pasid_cache;
    order.granularity = granularity;
    order.domain = DomainId(domain);
    order.pasid = Pasid(pasid);
    return v.iommu.submit(thread, {&order, 1});
  }

  HostRig host;
  VmRig vm;
  ViommuRig& v;
};

}  // namespace viosim::test
