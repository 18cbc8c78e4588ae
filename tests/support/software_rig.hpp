// A host with an IOMMU or more and functions with work queues, its kernel, and guests on it: hardware and software
// together, for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/guest/guest.hpp"
#include "models/host/host.hpp"
#include "models/kernel/process.hpp"
#include "tests/support/rig.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace viosim::test {

// What a device of a SoftwareRig is like.
struct DeviceOptions {
  std::size_t behind = 0;  // which of the host's IOMMUs
  PriParams pri{};
  std::uint32_t pasid_width = 20;
};

class SoftwareRig {
 public:
  explicit SoftwareRig(const RigParams& params = {}, const HostParams& host_params = {})
      : rig(params),
        queue(rig.engine, rig.memory, rig.unit().queue(), 50ns),
        host(rig.engine, "host", host_params, rig.memory, 10'000),
        unit(host.add_unit(rig.unit(), queue)) {}

  // Before the devices behind it.
  Host::Unit& add_iommu(const vtd::UnitParams& params = {}) {
    const auto number = static_cast<std::uint32_t>(more.size() + 1);
    OtherIommu& added = more.emplace_back(rig.engine, rig.memory, "dmar" + std::to_string(number),
                                          params, 50'000 + number);
    return host.add_unit(added.hardware, added.queue);
  }
  AtsDevice& add_device(std::uint32_t queues = 8, const DeviceOptions& options = {}) {
    vtd::Unit& hardware = host.units[options.behind].hardware;
    const auto number = static_cast<std::uint32_t>(devices.size());
    DeviceFunction function;
    function.path = "acc[" + std::to_string(number) + "]";
    function.iommu = &hardware.iommu();
    function.source = Rig::source_of(number);
    function.link = link;
    function.memory_latency = 80ns;
    function.seed = 1;
    function.number = number + 1;
    function.component = number;
    function.params.queues = queues;
    AtsDevice& device =
        devices.emplace_back(function, AtsParams{}, std::optional<PriParams>(options.pri),
                             AtsDevice::Wiring{rig.engine.agenda(), rig.tracer(), hardware,
                                               &host.kernel.pasids.lives()});
    hardware.attach_ats(function.source, device);
    configs.emplace_back(device);
    options_of[&device] = options;
    return device;
  }
  // A shared queue that has all of a device's queues for engines.
  SharedQueue& add_shared_queue(AtsDevice& device, std::uint32_t entries = 8) {
    SharedQueueParams params;
    params.entries = entries;
    params.engines = device.queues();
    return *shared.emplace_back(std::make_unique<SharedQueue>(
        device, 0, params, link, device.source().value() - 0x100U + 1U, rig.engine.agenda()));
  }
  // The host's own driver of a device, ready. `own`: of dedicated queues those that are no slices.
  FunctionDriver& host_driver(AtsDevice& device, SharedQueue* portal = nullptr,
                              std::optional<QueueSlice> own = {},
                              const FunctionDriverParams& params = {}) {
    Host::Unit& behind = unit_of(device);
    FunctionDriver::Function function;
    function.path = "host." + device.path();
    function.source = device.source();
    function.device = &device;
    function.shared = portal;
    function.slice = own;
    if (portal != nullptr || own) function.sva.faults = &behind.router;
    function.link = link.latency;
    function.capabilities.max_pasids = 1U << options_of.at(&device).pasid_width;
    function.capabilities.config = &configs[device.source().value() - 0x100];
    function.number = 20'000 + static_cast<std::uint32_t>(drivers.size());
    FunctionDriver& driver = *drivers.emplace_back(
        std::make_unique<FunctionDriver>(host.kernel, behind.kernel, params, function));
    host.kernel.workers.post([&driver](Thread& thread) { driver.probe(thread); });
    return driver;
  }
  Guest& add_guest(const GuestParams& params = {}) {
    const auto number = static_cast<std::uint32_t>(30'000 + 100 * guests.size());
    return *guests.emplace_back(
        std::make_unique<Guest>(host, "vm[" + std::to_string(guests.size()) + "]", params, number));
  }
  FunctionDriver& assign(Guest& guest, Guest::Unit& behind, AtsDevice& device,
                         Guest::Assignment assignment = {}) {
    assignment.device = &device;
    assignment.host_unit = &unit_of(device);
    assignment.capabilities.max_pasids = 1U << options_of.at(&device).pasid_width;
    assignment.link = link.latency;
    return guest.assign(device.path(), assignment, behind);
  }
  ProcessGroup& host_group(const ProcessParams& params, std::vector<FunctionDriver*> drivers_of) {
    return groups.emplace_back(ProcessGroup{
        host.kernel, rig.memory, host.frames, params, std::move(drivers_of), nullptr, {}, {}, {}});
  }
  ProcessGroup& group(Guest& guest, const ProcessParams& params,
                      std::vector<FunctionDriver*> drivers_of) {
    return groups.emplace_back(ProcessGroup{guest.kernel,
                                            guest.memory,
                                            guest.frames,
                                            params,
                                            std::move(drivers_of),
                                            nullptr,
                                            {},
                                            {},
                                            {}});
  }
  Process& process(ProcessGroup& group) {
    return processes.emplace_back(group, "process[" + std::to_string(processes.size()) + "]");
  }
  void at(Ps when, std::function<void(Thread&)> work) {
    host.kernel.workers.post_at(Instant(when), std::move(work));
  }
  void run() { rig.engine.run(); }
  Host::Unit& unit_of(const AtsDevice& device) { return host.units[options_of.at(&device).behind]; }

  struct OtherIommu {
    OtherIommu(Engine& engine, PhysicalMemory& memory, const std::string& path,
               const vtd::UnitParams& params, std::uint32_t number)
        : hardware(path, params, number, engine.agenda(), memory, 1),
          queue(engine, memory, hardware.queue(), 50ns) {}
    vtd::Unit hardware;
    InvalidationDriver queue;
  };

  LinkParams link{};
  Rig rig;
  InvalidationDriver queue;
  Host host;
  Host::Unit& unit;  // the first one
  std::deque<OtherIommu> more;
  std::deque<AtsDevice> devices;
  std::map<const AtsDevice*, DeviceOptions> options_of;
  std::deque<AtsFunctionConfig> configs;
  std::deque<std::unique_ptr<SharedQueue>> shared;
  std::deque<std::unique_ptr<FunctionDriver>> drivers;
  std::deque<std::unique_ptr<Guest>> guests;
  std::deque<ProcessGroup> groups;
  std::deque<Process> processes;
};

}  // namespace viosim::test
