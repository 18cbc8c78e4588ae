// A kernel: its processors and threads, its PASIDs, and its side of every IOMMU that it owns. The
// same on a host and in a guest.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/cpu/workers.hpp"
#include "models/kernel/frame_pool.hpp"
#include "models/kernel/io_page_faults.hpp"
#include "models/kernel/iommu_driver.hpp"
#include "models/kernel/mm.hpp"
#include "models/kernel/page_request_thread.hpp"
#include "models/kernel/pasid_space.hpp"
#include "models/kernel/sva.hpp"

#include <cstdint>
#include <deque>
#include <string>

namespace viosim {

struct KernelParams {
  PasidSpaceParams pasids;
  SvaParams sva;
  Ps pasid_mutex_wake = 3us;
  MmParams mm;
  IommuDriverParams iommu_driver;
  PageRequestThreadParams page_request_thread;
  IoPageFaultsParams io_page_faults;

  static constexpr auto fields() {
    using P = KernelParams;
    return Fields{
        field("pasids", &P::pasids, "Its allocator of PASIDs."),
        field("sva", &P::sva, "Binding processes to devices."),
        field("pasid_mutex_wake", &P::pasid_mutex_wake,
              "Waking who waited for the mutex around PASID tables.", "assumed: waking a thread"),
        field("mm", &P::mm, "Address spaces of processes."),
        field("iommu_driver", &P::iommu_driver, "Its driver of IOMMUs."),
        field("page_request_thread", &P::page_request_thread,
              "The thread that takes page requests from an IOMMU's queue."),
        field("io_page_faults", &P::io_page_faults, "What resolves page faults of devices.")};
  }
  bool operator==(const KernelParams&) const = default;
};

class Kernel {
 public:
  // `number`: its place in the order of events at one instant.
  Kernel(Engine& engine, const std::string& path, const KernelParams& params, std::uint32_t cpus,
         std::uint32_t number, const ioasid::SpaceOptions& space = {});
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  // Its side of one IOMMU.
  struct Unit {
    Unit(Kernel& kernel, KernelIommu& iommu, vtd::Tables& tables, KernelPageRequests& queue);
    IommuDriver driver;
    PageRequestThread requests;
    IoPageFaults faults;
  };
  // Arguments outlive the kernel. Before the run, or when one is plugged.
  Unit& add_unit(KernelIommu& iommu, vtd::Tables& tables, KernelPageRequests& queue);
  const std::deque<Unit>& units() const { return units_; }
  std::deque<Unit>& units() { return units_; }

  Engine& engine() const { return engine_; }
  const std::string& path() const { return path_; }
  const KernelParams& params() const { return params_; }

  Cpus cpus;
  Workers workers;
  PasidSpace pasids;
  Mutex pasid_mutex;
  Sva sva;

 private:
  Engine& engine_;
  std::string path_;
  KernelParams params_;
  std::deque<Unit> units_;
};

}  // namespace viosim
