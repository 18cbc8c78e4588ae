// Containers of two machines on one host, without their hypervisors: for tests of the host's side.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/catch.hpp"
#include "tests/support/vm_devices.hpp"
#include "tests/support/vm_rig.hpp"

#include <functional>
#include <utility>

namespace viosim::test {

// A hypervisor that reads nothing of what is forwarded to it.
struct Deaf final : GuestFaultListener {
  void faults_forwarded() override {}
};

// Two containers of one host, each with a device of its own; the first has a second one.
struct Vfio {
  explicit Vfio(const VfioParams& params = {})
      : host(), vm(host, "vm0", options(params), 1), stranger(host, "vm1", options(params), 2) {
    REQUIRE(vm.opened == Errno::ok);
    vm.container.listen(deaf);
    for (const Bdf function : {device, other_device}) {
      vm.container.add_device({function, &host.driver});
      host.job(at(0ns),
               [this, function](Thread& thread) { host.driver.add(thread, function, {}); });
    }
  }
  static VmOptions options(const VfioParams& params) {
    VmOptions chosen;
    chosen.vfio = params;
    return chosen;
  }
  void run(std::function<void(Thread&)> work) {
    host.job(at(100us), [this, work = std::move(work)](Thread& thread) {
      host.iommu.log.clear();
      work(thread);
    });
    host.engine.run();
  }
  Pasid alloc(Thread& thread) { return container().alloc_pasid(thread, {1, 0xfffff}).value(); }
  VfioContainer& container() { return vm.container; }

  Deaf deaf;
  HostRig host;
  VmRig vm;
  VmRig stranger;
};

inline BindGpasid bind_of(Pasid hpasid) {
  BindGpasid request;
  request.hpasid = hpasid.value();
  request.gpasid = hpasid.value();
  request.flags = BindGpasid::gpasid_valid;
  request.root = Gpa(0x5000);
  return request;
}

}  // namespace viosim::test
