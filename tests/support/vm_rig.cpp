// Building hosts and machines for tests.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/vm_rig.hpp"

namespace viosim::test {

HostRig::HostRig(const IommuDriverParams& params)
    : cpus(engine, "host0.cpus", 16),
      workers(engine, cpus, "host0", 0),
      pasid_mutex(engine, "host0.pasid_mutex", 3us),
      tables(iommu.physical(), vtd::Mode::scalable),
      driver(engine, params, iommu, tables, pasid_mutex),
      pasids(engine, "host0.ioasid", {.operation = Ps(0)}),
      ids(engine, "host0", pasids, 100ns),
      global(pasids),
      iommufd{global, {}} {
  iommu.cost = 1500ns;
}

ViommuRig::ViommuRig(const std::string& path, const ViommuParams& params,
                     const VirtualCommandDriverParams& commands, Hypervisor& hypervisor,
                     GuestMemory& memory, Mutex& pasid_mutex)
    : viommu(path, params, hypervisor, memory),
      tables(memory, vtd::Mode::scalable),
      iommu(viommu, tables.root(), {.descriptor_write = Ps(0)}),
      driver(hypervisor.machine().engine(), free_driver(), iommu, tables, pasid_mutex),
      channel(viommu, commands, 100),
      registers(viommu),
      requests(hypervisor.machine().engine(), path + ".prq", {.entry_read = Ps(0)}, registers,
               driver, hypervisor.machine().guest()) {
  handler.start(requests);
}

VmRig::VmRig(const HostParts& on, const std::string& path, Options options, std::uint32_t number)
    : host(on),
      choice(options),
      cpus(host.engine, path + ".cpus", options.vcpus),
      workers(host.engine, cpus, path, number),
      stage2(host.memory, TableFormat::second_level, 4),
      memory(host.memory, stage2, Hpa(0), memory_size, 1),
      second_stage(entry_of(stage2, host.driver.take_domain().value())),
      machine(host.engine, path, options.switches, host.workers, workers),
      container(host.engine, path, options.vfio, host.ids, host.workers, second_stage, number),
      host_flow(make_flow(number)),
      hypervisor(machine, *host_flow),
      pasid_mutex(host.engine, path + ".pasid_mutex", 3us),
      pasids(host.engine, path + ".ioasid", {.operation = Ps(0)}, options.space),
      space(pasids.space()),
      backend(host.engine, options.commands, space) {
  if (flow == nullptr) {
    opened = container.open();
    return;
  }
  host.workers.post_at(at(100us), [this](Thread& thread) {
    if (!machine.alive()) return;
    opened = flow->open(thread);
    for (const auto& [router, device] : routes_)
      router->add(*file, flow->object_of(device).value());
  });
}

std::unique_ptr<HostFlow> VmRig::make_flow(std::uint32_t number) {
  if (choice.flow == Flow::vfio)
    return std::make_unique<VfioFlow>(machine, container, choice.scope);
  file = std::make_unique<Iommufd>(host.engine, machine.path() + ".iommufd", choice.iommufd,
                                   *host.iommufd, host.workers, number);
  const Hpa frames = *stage2.find(Iova());
  auto made = std::make_unique<IommufdFlow>(
      machine, *file, iommufd::Mapping{.size = memory_size, .frames = frames});
  flow = made.get();
  return made;
}

void VmRig::route(GuestFaultRouter& router, std::size_t device) {
  if (flow == nullptr) return router.add(container, device);
  routes_.emplace_back(&router, device);
}

bool VmRig::fault(std::size_t device, const PageRequest& request) {
  if (flow == nullptr) return container.forward_fault(device, request);
  return file->forward_fault(flow->object_of(device).value(), request);
}

std::size_t VmRig::waiting_faults() const {
  return flow == nullptr ? container.pending_faults() : file->pending_faults();
}

ViommuRig& VmRig::add_viommu() {
  const std::string path = machine.path() + ".v" + std::to_string(viommus.size());
  auto& rig = *viommus.emplace_back(std::make_unique<ViommuRig>(
      path, choice.viommu, choice.commands, hypervisor, memory, pasid_mutex));
  rig.ops = backend.ops(rig.channel);
  return rig;
}

std::size_t VmRig::add_device(ViommuRig& behind, Bdf function, bool mediated) {
  AssignedDevice device{function, &host.driver, host.requests};
  device.mediated = mediated;
  const std::size_t number =
      flow == nullptr ? container.add_device(device) : flow->add_device(device, function);
  behind.viommu.add_device(function, number);
  host.workers.post_at(at(0ns), [this, function](Thread& thread) {
    IommuFunction whole;
    host.driver.add(thread, function, whole);
  });
  behind.requests.register_handler(function, behind.handler);
  workers.post_at(at(50us), [&behind, function](Thread& thread) {
    IommuFunction whole;
    whole.ats = false;
    behind.driver.add(thread, function, whole);
  });
  return number;
}

}  // namespace viosim::test
