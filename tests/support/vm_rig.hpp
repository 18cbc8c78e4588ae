// A host whose IOMMU notes what it is told, and virtual machines on it: for tests of hypervisors.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/guest/guest_iommu.hpp"
#include "models/guest/virtual_command_driver.hpp"
#include "models/host/guest_fault_router.hpp"
#include "models/host/guest_memory.hpp"
#include "models/host/vfio_container.hpp"
#include "models/kernel/iommu_driver.hpp"
#include "models/kernel/page_request_thread.hpp"
#include "models/kernel/pasid_space.hpp"
#include "models/vmm/hypervisor.hpp"
#include "models/vmm/iommufd_flow.hpp"
#include "models/vmm/vfio_flow.hpp"
#include "models/vmm/viommu.hpp"
#include "tests/support/noting_iommu.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace viosim::test {

constexpr Instant at(Ps time) { return Instant(time); }

// What a machine needs of its host.
struct HostParts {
  Engine& engine;
  Workers& workers;
  PhysicalMemory& memory;
  IommuDriver& driver;
  HostIds& ids;
  PageRequestThread* requests = nullptr;
  IommufdHost* iommufd = nullptr;  // of hosts that have it
};

struct HostRig {
  explicit HostRig(const IommuDriverParams& params = {});
  // A thread of the host's kernel.
  void job(Instant when, std::function<void(Thread&)> work) {
    workers.post_at(when, std::move(work));
  }
  bool entry(Bdf function, Pasid pasid) const { return driver.present(function, pasid); }
  operator HostParts() {
    return {engine, workers, iommu.physical(), driver, ids, nullptr, &iommufd};
  }

  Engine engine;
  Cpus cpus;
  Workers workers;
  NotingIommu iommu;
  Mutex pasid_mutex;
  vtd::Tables tables;
  IommuDriver driver;
  PasidSpace pasids;
  HostIds ids;
  GlobalPasids global;
  IommufdHost iommufd;
};

// A guest's handler that answers each group with one code.
class Answering final : public PageFaultHandler {
 public:
  void start(PageRequestThread& thread) { requests_ = &thread; }
  bool report(Thread& thread, const PageRequest& request) override {
    requests.push_back(request);
    if (on_request) on_request(request);
    if (request.last && answers)
      requests_->respond(thread, {request.source, request.pasid, request.group, code});
    return true;
  }
  void discard_incomplete() override {}
  void discard_group(const PageRequest&) override {}
  void forget(Bdf) override {}
  void flush(Thread&, Bdf, Pasid) override {}

  PageResponseCode code = PageResponseCode::success;
  bool answers = true;
  std::function<void(const PageRequest&)> on_request;
  std::vector<PageRequest> requests;

 private:
  PageRequestThread* requests_ = nullptr;
};

// What a guest's kernel has for one vIOMMU.
struct ViommuRig {
  ViommuRig(const std::string& path, const ViommuParams& params,
            const VirtualCommandDriverParams& commands, Hypervisor& hypervisor, GuestMemory& memory,
            Mutex& pasid_mutex);
  static IommuDriverParams free_driver() {
    IommuDriverParams params;
    params.table_write = params.barrier = Ps(0);
    return params;
  }
  Viommu viommu;
  vtd::Tables tables;
  GuestIommu iommu;
  IommuDriver driver;
  VirtualCommandChannel channel;
  GuestPageRequests registers;
  PageRequestThread requests;
  Answering handler;
  ioasid::AllocatorOps ops;
};

// How a hypervisor asks its host.
enum class Flow { vfio, iommufd };

struct VmOptions {
  Flow flow = Flow::vfio;
  WorldSwitchParams switches{};
  VfioParams vfio{};
  IommufdParams iommufd{};
  ViommuParams viommu{};
  VirtualCommandDriverParams commands{};
  PasidScope scope = PasidScope::system_wide;
  ioasid::SpaceOptions space{.keep_live_on_duplicate = true};  // of the guest
  std::uint32_t vcpus = 4;
};

struct VmRig {
  using Options = VmOptions;
  static constexpr Bytes memory_size = 16_MiB;

  VmRig(const HostParts& on, const std::string& path, Options options = {},
        std::uint32_t number = 1);

  static vtd::PasidEntry entry_of(const PageTable& stage2, DomainId domain) {
    vtd::PasidEntry entry;
    entry.present = true;
    entry.type = vtd::PasidEntry::Type::second_level;
    entry.address_width = 2;
    entry.second_level = stage2.root();
    entry.domain = domain;
    return entry;
  }
  static vtd::PasidEntry first_level(std::uint64_t root) {
    vtd::PasidEntry entry;
    entry.type = vtd::PasidEntry::Type::first_level;
    entry.domain = IommuDriver::first_level_domain;
    entry.first_level = Hpa(root);
    return entry;
  }

  ViommuRig& add_viommu();
  // A function of the host, at the same address in the guest, behind that vIOMMU. `mediated`: a slice.
  std::size_t add_device(ViommuRig& behind, Bdf function, bool mediated = false);
  // The host's page requests of the device reach this machine by the router.
  void route(GuestFaultRouter& router, std::size_t device);
  // A thread of the guest, not before it has booted.
  static constexpr Ps booted = 1ms;
  void job(Ps after_boot, std::function<void(Thread&)> work) {
    workers.post_at(at(booted + after_boot), std::move(work));
  }

  ioasid::Ioasid alloc() { return space.alloc(this, {1, 0xfffff}, nullptr); }
  Errno bind(Thread& thread, ViommuRig& behind, Bdf function, ioasid::Ioasid pasid,
             std::uint64_t root = 0x10000) {
    return behind.driver.set_up(thread, function, Pasid(pasid), first_level(root));
  }
  Errno unbind(Thread& thread, ViommuRig& behind, Bdf function, ioasid::Ioasid pasid) {
    return behind.driver.tear_down(thread, function, Pasid(pasid));
  }
  Errno unmap(Thread& thread, ViommuRig& behind, Bdf function, ioasid::Ioasid pasid) {
    return behind.driver.flush_first_level(thread, function, Pasid(pasid),
                                           IommuDriver::first_level_domain,
                                           {.address = Iova(0x7f0000000000), .leaf_only = true});
  }
  // As the host's page request thread does.
  bool fault(std::size_t device, const PageRequest& request);
  // Page requests that wait for the guest, or for the host in its place.
  std::size_t waiting_faults() const;
  // Nothing of this machine is left in the host.
  bool nothing_left() const {
    const bool no_file = !file || (file->objects().size() == 0 && file->attachments() == 0);
    return no_file && container.pasids() == 0 && container.bindings() == 0 && waiting_faults() == 0;
  }

  HostParts host;
  Options choice;
  Cpus cpus;
  Workers workers;
  PageTable stage2;
  GuestMemory memory;
  vtd::PasidEntry second_stage;
  VirtualMachine machine;
  VfioContainer container;  // one of these two is used
  std::unique_ptr<Iommufd> file;
  IommufdFlow* flow = nullptr;  // of the file
  std::unique_ptr<HostFlow> host_flow;
  Hypervisor hypervisor;
  Mutex pasid_mutex;
  PasidSpace pasids;
  ioasid::Space& space;
  VirtualCommandDriver backend;
  std::vector<std::unique_ptr<ViommuRig>> viommus;
  Errno opened = Errno::ok;

 private:
  std::unique_ptr<HostFlow> make_flow(std::uint32_t number);
  std::vector<std::pair<GuestFaultRouter*, std::size_t>> routes_;  // once the file is open
};

inline PageRequest page_request(Bdf function, std::uint32_t pasid, std::uint16_t group = 0,
                                bool last = true) {
  PageRequest request;
  request.source = function;
  request.pasid = Pasid(pasid);
  request.address = Iova(0x7f0000000000);
  request.group = group;
  request.read = true;
  request.last = last;
  return request;
}

}  // namespace viosim::test
