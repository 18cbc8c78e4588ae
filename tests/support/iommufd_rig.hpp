// Two iommufd files on one host, without hypervisors: for tests of the host's side.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/host/iommufd.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/vm_devices.hpp"
#include "tests/support/vm_rig.hpp"

#include <functional>
#include <utility>
#include <vector>

namespace viosim::test {

using iommufd::ObjectId;

struct Files {
  explicit Files(const IommufdParams& params = {}, std::uint32_t max_pasids = 1U << 20U)
      : file(host.engine, "vm0.iommufd", params, host.iommufd, host.workers, 1),
        stranger(host.engine, "vm1.iommufd", params, host.iommufd, host.workers, 2) {
    IommuFunction function;
    function.max_pasids = max_pasids;
    for (const Bdf source : {device, other_device}) {
      host.job(at(0ns), [this, source, function](Thread& thread) {
        host.driver.add(thread, source, function);
      });
    }
  }
  void run(std::function<void(Thread&)> work) {
    host.job(at(100us), [this, work = std::move(work)](Thread& thread) {
      host.iommu.log.clear();
      work(thread);
    });
    host.engine.run();
  }
  AssignedDevice assigned(Bdf function, bool mediated = false) {
    AssignedDevice is{function, &host.driver};
    is.mediated = mediated;
    return is;
  }
  ObjectId bind(Thread& thread, Bdf function, bool mediated = false) {
    return file.bind(thread, assigned(function, mediated)).value();
  }
  // A nest parent over an IOAS of 16 pages.
  void make_parent(Thread& thread, ObjectId of) {
    ioas = file.ioas_alloc(thread).value();
    frames = host.iommu.physical().allocate_ram(16, 1);
    REQUIRE(file.ioas_map(thread, ioas, {Iova(0), 64_KiB, frames}) == Errno::ok);
    parent = file.hwpt_alloc(thread, {.device = of, .parent = ioas, .flags = iommufd::nest_parent})
                 .value();
  }
  iommufd::HwptAlloc nested(ObjectId of, std::uint64_t root = 0x5000) const {
    iommufd::HwptAlloc request{.device = of, .parent = parent};
    request.stage1 = iommufd::VtdStage1{0, Gpa(root), 48};
    if (fault != iommufd::no_object) {
      request.flags = iommufd::fault_id_valid;
      request.fault = fault;
    }
    return request;
  }
  ObjectId make_nested(Thread& thread, ObjectId of, std::uint64_t root = 0x5000) {
    return file.hwpt_alloc(thread, nested(of, root)).value();
  }
  vtd::PasidEntry entry(Bdf function, Pasid pasid) const {
    const auto where = host.tables.entry(function, pasid);
    return where ? host.tables.read_entry(*where) : vtd::PasidEntry{};
  }

  HostRig host;
  Iommufd file;
  Iommufd stranger;
  ObjectId ioas;
  ObjectId parent;
  ObjectId fault;
  Hpa frames;
};

}  // namespace viosim::test
