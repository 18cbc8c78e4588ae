// Which part of the software is which component.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/software_trace.hpp"

namespace viosim {

void SoftwareTrace::add(TracePoint& point, std::string_view path, const Kernel* kernel) const {
  point.trace_to(tracer_, number_of_(path), kernel == nullptr ? nullptr : &kernel->pasids.lives());
}

void SoftwareTrace::add(Kernel& kernel, const std::string& path) const {
  kernel.pasids.trace_to(tracer_, number_of_(path + ".kernel.pasids"));
  add(kernel.pasids.spin_lock().trace, path + ".kernel.pasids.lock");
  add(kernel.pasid_mutex.trace, path + ".kernel.pasid_mutex");
  add(kernel.sva.trace, path + ".kernel.sva", &kernel);
  add(kernel.sva.lock().trace, path + ".kernel.sva.lock");
}

void SoftwareTrace::add(Kernel::Unit& unit, SpinLock& queue_lock, const std::string& path,
                        const Kernel& kernel) const {
  add(unit.driver.trace, path + ".driver", &kernel);
  add(unit.faults.trace, path + ".io_page_faults", &kernel);
  add(unit.driver.lock().trace, path + ".driver.lock");
  add(queue_lock.trace, path + ".driver.queue_lock");
}

void SoftwareTrace::add(Host& host, const std::string& path) const {
  const PasidLives& lives = host.kernel.pasids.lives();
  add(host.kernel, path);
  add(host.ids.lock.trace, path + ".kernel.sets_lock");
  for (Host::Unit& unit : host.units) {
    const std::string& of = unit.iommu.path();
    const std::uint32_t queue = number_of_(of + ".invalidation_queue");
    add(unit.kernel, unit.iommu.queue_lock(), of, host.kernel);
    unit.iommu.queue().trace.trace_to(tracer_, queue, &lives);
    unit.hardware.queue().trace_to(tracer_, queue, &lives);
    unit.hardware.iommu().trace_to(tracer_, number_of_(of), &lives);
    add(unit.hardware.page_requests().trace, of + ".page_request_queue", &host.kernel);
  }
}

void SoftwareTrace::add(Guest& guest, const std::string& path) const {
  add(guest.kernel, path);
  const std::string before = path.substr(0, path.size() - guest.machine.path().size());
  guest.follow([trace = *this, &guest, before](Residence& residence) {
    trace.add(residence, before + guest.path_of(residence),
              before + guest.path_of_translation(residence));
  });
  add(guest.machine.emulation().trace, path + ".emulation_lock");
  for (Guest::Unit& unit : guest.units) {
    const std::string of = path + '.' + unit.name;
    add(unit.kernel, unit.iommu.queue_lock(), of, guest.kernel);
    add(unit.viommu.command_trace(), of, &guest.kernel);
    add(unit.viommu.queue_trace, of, &guest.kernel);
    add(unit.commands.lock().trace, of + ".command_lock");
  }
  for (std::size_t i = 0; i < guest.functions(); ++i)
    add(guest.driver(i), guest.driver(i).function().path);
}

void SoftwareTrace::add(Residence& residence, const std::string& files,
                        const std::string& translation_path) const {
  const Kernel& kernel = residence.host().kernel;
  if (VfioContainer* const container = residence.container()) {
    add(container->trace, files, &kernel);
    add(container->mutex().trace, files + ".lock");
  }
  if (Iommufd* const file = residence.file()) add(file->trace, files, &kernel);
  if (PasidTranslation* const translation = residence.pasid_translation())
    add(translation->trace, translation_path, &kernel);
}

void SoftwareTrace::add(FunctionDriver& driver, std::string_view path) const {
  add(driver.trace, path);
}

void SoftwareTrace::add(ProcessGroup& processes, std::string_view path) const {
  add(processes.trace, path, &processes.kernel);
}

}  // namespace viosim
