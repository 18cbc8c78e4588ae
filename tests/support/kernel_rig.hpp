// A host with an IOMMU, its kernel, and devices that share processes' address spaces: for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/kernel/host_iommu.hpp"
#include "models/kernel/sva.hpp"
#include "tests/support/rig.hpp"
#include "tests/support/scripted_device.hpp"

#include <cstdint>
#include <deque>
#include <functional>

namespace viosim::test {

struct KernelRigParams {
  RigParams hardware;
  SvaParams sva;
  IommuFunction function;
  std::uint32_t cpus = 8;
  std::uint64_t frames = 1U << 16U;
  ioasid::SpaceOptions pasids;
};

// All costs are their defaults.
class KernelRig {
 public:
  explicit KernelRig(const KernelRigParams& params = {})
      : rig(params.hardware),
        queue(rig.engine, rig.memory, rig.unit().queue(), poll),
        iommu(rig.engine, rig.unit(), queue, rig.memory, abilities_of(params.hardware.iommu)),
        cpus(rig.engine, "cpus", params.cpus),
        workers(rig.engine, cpus, "worker", 1000),
        pasids(rig.engine, "ioasid", {}, params.pasids),
        pasid_mutex(rig.engine, "pasid_mutex", 3us),
        driver(rig.engine, {}, iommu, rig.unit().tables(), pasid_mutex),
        registers(rig.unit().page_requests()),
        sva(rig.engine, "sva", params.sva, pasids, pasid_mutex),
        requests(rig.engine, "prq", {}, registers, driver, workers),
        faults(rig.engine, "iopf", {}, sva, requests, workers),
        frames(Hpa(std::uint64_t{1} << 40U), params.frames),
        function_(params.function) {
    sva.add_iommu(driver, &requests, &faults);
  }

  void run(const std::function<void(Thread&)>& job) {
    workers.post(job);
    rig.engine.run();
  }
  ScriptedDevice& add_device(Thread& thread, Bdf source) {
    driver.add(thread, source, function_);
    const auto number = static_cast<std::uint32_t>(devices.size()) + 1;
    return devices.emplace_back(rig.engine, rig.unit(), source, number);
  }
  Mm& add_mm() {
    return mms.emplace_back(rig.engine, "mm" + std::to_string(mms.size()), MmParams{}, rig.memory,
                            frames);
  }

  // An unloaded submission of these costs and a wait.
  static Ps submission(std::initializer_list<Ps> descriptors) {
    const auto n = static_cast<std::int64_t>(descriptors.size());
    Ps all = (n + 1) * 10ns + 20ns + 100ns + 80ns + (n + 1) * 5ns + 100ns + poll;
    for (const Ps one : descriptors) all += one;
    return all;
  }
  static constexpr Ps poll = 50ns;
  static constexpr Ps pasid_cache = 100ns;
  static constexpr Ps iotlb = 200ns;
  // Sent; link, work, link, at the device's end.
  static constexpr Ps device_tlb = 5ns + 2 * ScriptedDevice::link + ScriptedDevice::work;

  Rig rig;
  InvalidationDriver queue;
  HostIommu iommu;
  Cpus cpus;
  Workers workers;
  PasidSpace pasids;
  Mutex pasid_mutex;
  IommuDriver driver;
  HostPageRequests registers;
  Sva sva;
  PageRequestThread requests;
  IoPageFaults faults;
  FramePool frames;
  std::deque<ScriptedDevice> devices;
  std::deque<Mm> mms;

 private:
  IommuFunction function_;
};

}  // namespace viosim::test
