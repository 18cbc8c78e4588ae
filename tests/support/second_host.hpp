// Another host beside the one of a SoftwareRig, and a link to it: for tests of guests that move.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/guest/guest.hpp"
#include "models/network/network_link.hpp"
#include "tests/support/software_rig.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace viosim::test {

class SecondHost {
 public:
  static constexpr std::uint32_t first_component = 1'000;  // of its devices
  explicit SecondHost(SoftwareRig& beside, const NetworkLinkParams& network = {},
                      const HostParams& host_params = {}, const vtd::UnitParams& iommu = {})
      : rig(beside),
        hardware("host1.dmar1", iommu, 60'000, beside.rig.engine.agenda(), memory, 1),
        queue(beside.rig.engine, memory, hardware.queue(), 50ns),
        host(beside.rig.engine, "host1", host_params, memory, 61'000),
        unit(host.add_unit(hardware, queue)),
        link(beside.rig.engine, "net", network) {}

  // A further IOMMU, as the first host has one.
  void add_iommu(const vtd::UnitParams& params = {}) {
    const auto number = static_cast<std::uint32_t>(more.size() + 1);
    SoftwareRig::OtherIommu& added = more.emplace_back(
        rig.rig.engine, memory, "host1.dmar" + std::to_string(1 + number), params, 60'000 + number);
    host.add_unit(added.hardware, added.queue);
  }
  // Of the same kind as that one of the first host, and behind the IOMMU of the same number.
  AtsDevice& add_like(const AtsDevice& other) {
    const DeviceOptions& options = rig.options_of.at(&other);
    vtd::Unit& its = host.units[options.behind].hardware;
    const auto number = static_cast<std::uint32_t>(devices.size());
    DeviceFunction function;
    function.path = "there.acc[" + std::to_string(number) + "]";
    function.iommu = &its.iommu();
    function.source = Bdf(static_cast<std::uint16_t>(0x800 + number));
    function.link = rig.link;
    function.memory_latency = 80ns;
    function.seed = 1;
    function.number = 62'000 + number;
    function.component = first_component + number;
    function.params.queues = other.queues();
    AtsDevice& device =
        devices.emplace_back(function, AtsParams{}, std::optional<PriParams>(options.pri),
                             AtsDevice::Wiring{rig.rig.engine.agenda(), rig.rig.tracer(), its,
                                               &host.kernel.pasids.lives()});
    its.attach_ats(function.source, device);
    return device;
  }
  // A function there for each that the guest has.
  Migration::Target target_for(Guest& guest) {
    Migration::Target target;
    target.host = &host;
    target.name = "host1";
    target.there = &link.forth;
    target.back = &link.back;
    for (std::size_t function = 0; function < guest.functions(); ++function) {
      const FunctionDriver::Function& its = guest.driver(function).function();
      AtsDevice& device = add_like(*its.device);
      SharedQueue* shared = nullptr;
      if (its.shared != nullptr) {
        shared = &shared_queues.emplace_back(device, 0, its.shared->params(), rig.link,
                                             63'000 + static_cast<std::uint32_t>(function),
                                             rig.rig.engine.agenda());
      }
      const DeviceOptions& options = rig.options_of.at(its.device);
      IommuFunction capabilities;
      capabilities.max_pasids = 1U << options.pasid_width;
      target.functions.push_back(
          {&device, shared, &host.units[options.behind], its.link, capabilities});
    }
    return target;
  }
  // And back, to the functions that it had there.
  Migration::Target back_to_first(const Guest& guest) {
    Migration::Target target;
    target.host = &rig.host;
    target.name = "host0";
    target.there = &link.back;
    target.back = &link.forth;
    for (std::size_t function = 0; function < guest.functions(); ++function)
      target.functions.push_back(guest.residences().front()->function(function));
    return target;
  }

  SoftwareRig& rig;
  PhysicalMemory memory;
  vtd::Unit hardware;
  InvalidationDriver queue;
  Host host;
  Host::Unit& unit;  // the first one
  std::deque<SoftwareRig::OtherIommu> more;
  NetworkLink link;
  std::deque<AtsDevice> devices;
  std::deque<SharedQueue> shared_queues;
};

}  // namespace viosim::test
