// What is counted and measured of software: kernels, drivers, guests, processes, and their locks.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/fields.hpp"
#include "sim/run/reading.hpp"

#include <type_traits>

namespace viosim {
namespace {

// Errors by what they were; of calls that are not a process'.
struct ErrorCounts {
  std::uint64_t errors = 0;
  std::uint64_t einval = 0;
  std::uint64_t ebusy = 0;
  std::uint64_t eacces = 0;
  std::uint64_t enoent = 0;
  std::uint64_t enodev = 0;
  std::uint64_t enospc = 0;
  std::uint64_t eagain = 0;
  std::uint64_t eexist = 0;
  std::uint64_t other_errors = 0;
  static constexpr auto fields() {
    using E = ErrorCounts;
    return Fields{
        metric("errors", &E::errors, Unit::count, "Calls that failed."),
        metric("einval", &E::einval, Unit::count, "Of these, with -EINVAL."),
        metric("ebusy", &E::ebusy, Unit::count, "Of these, with -EBUSY."),
        metric("eacces", &E::eacces, Unit::count, "Of these, with -EACCES."),
        metric("enoent", &E::enoent, Unit::count, "Of these, with -ENOENT."),
        metric("enodev", &E::enodev, Unit::count, "Of these, with -ENODEV."),
        metric("enospc", &E::enospc, Unit::count, "Of these, with -ENOSPC."),
        metric("eagain", &E::eagain, Unit::count, "Of these, with -EAGAIN."),
        metric("eexist", &E::eexist, Unit::count, "Of these, with -EEXIST."),
        metric("other_errors", &E::other_errors, Unit::count, "Of these, with another error.")};
  }
  void count(Errno error, std::uint64_t times = 1) {
    errors += times;
    counter(error) += times;
  }

 private:
  std::uint64_t& counter(Errno error) {
    switch (error) {
      case Errno::einval:
        return einval;
      case Errno::ebusy:
        return ebusy;
      case Errno::eacces:
        return eacces;
      case Errno::enoent:
        return enoent;
      case Errno::enodev:
        return enodev;
      case Errno::enospc:
        return enospc;
      case Errno::eagain:
        return eagain;
      case Errno::eexist:
        return eexist;
      default:
        return other_errors;
    }
  }
};

// What there is at the moment.
struct KernelHolds {
  std::uint64_t live = 0;
  static constexpr auto fields() {
    return Fields{
        metric("live", &KernelHolds::live, Unit::count, "PASIDs allocated at the moment.")};
  }
};
struct HostHolds {
  std::uint64_t pasids_held = 0;
  std::uint64_t bindings_held = 0;
  std::uint64_t faults_pending = 0;
  static constexpr auto fields() {
    using H = HostHolds;
    return Fields{metric("pasids_held", &H::pasids_held, Unit::count,
                         "PASIDs of the host that it has at the moment."),
                  metric("bindings_held", &H::bindings_held, Unit::count,
                         "Devices and PASIDs that are bound for it at the moment."),
                  metric("faults_pending", &H::faults_pending, Unit::count,
                         "Page requests that it has not answered at the moment.")};
  }
};
struct FileHolds {
  std::uint64_t objects_held = 0;
  std::uint64_t bindings_held = 0;
  std::uint64_t faults_pending = 0;
  static constexpr auto fields() {
    using F = FileHolds;
    return Fields{
        metric("objects_held", &F::objects_held, Unit::count, "Objects that it has at the moment."),
        metric("bindings_held", &F::bindings_held, Unit::count,
               "Page tables that are attached for it at the moment."),
        metric("faults_pending", &F::faults_pending, Unit::count,
               "Groups of page requests that it has not answered at the moment.")};
  }
};
struct GuestLife {
  std::uint64_t booted = 0;
  std::uint64_t panics = 0;
  Ps panicked_at{0};
  std::uint64_t closed = 0;
  static constexpr auto fields() {
    using L = GuestLife;
    return Fields{
        metric("booted", &L::booted, Unit::count, "1: its kernel has started."),
        metric("panics", &L::panics, Unit::count, "1: it has panicked."),
        metric("panicked_at", &L::panicked_at, Unit::picoseconds, "At which time, where it has."),
        metric("closed", &L::closed, Unit::count,
               "1: its machine is gone, and the host has taken back what it had.")};
  }
};

void add_kernel(Instruments& all, const HostSoftware::KernelParts& parts, Kernel& kernel) {
  all.add(parts.cpus, [&kernel, cpus = parts.cpu.size()](Reading reading) {
    std::vector<CpuStats> each;
    for (std::uint32_t i = 0; i < cpus; ++i) each.push_back(kernel.cpus.stats(i));
    reading.metrics_of_all(each, [](const CpuStats& stats) { return stats; });
    reading.latency("run_delay", kernel.cpus.run_delay);
  });
  for (std::uint32_t i = 0; i < parts.cpu.size(); ++i)
    all.add_metrics(parts.cpu[i], kernel.cpus.stats(i));
  all.add(parts.sva, [&sva = kernel.sva](Reading reading) {
    reading.metrics(sva.stats);
    reading.latency("bind", sva.bind_latency);
    reading.latency("unbind", sva.unbind_latency);
    reading.latency("flush", sva.flush_latency);
  });
  all.add_metrics(parts.sva_lock, kernel.sva.lock().stats);
  all.add(parts.pasids, [&kernel](Reading reading) {
    reading.metrics(KernelHolds{kernel.pasids.space().size()});
    reading.metrics(kernel.pasids.stats);
  });
  all.add_metrics(parts.pasids_lock, kernel.pasids.spin_lock().stats);
  all.add_metrics(parts.pasid_mutex, kernel.pasid_mutex.stats);
}

// `iommu`: what its kernel submits by.
template <class KernelSide>
void add_unit(Instruments& all, const HostSoftware::UnitParts& parts, Kernel::Unit& unit,
              KernelSide& iommu) {
  all.add(parts.driver, [&unit, &iommu](Reading reading) {
    reading.metrics(unit.driver.stats);
    reading.metrics(iommu.stats);
    reading.latency("submission", iommu.latency);
  });
  all.add_metrics(parts.driver_lock, unit.driver.lock().stats);
  all.add_metrics(parts.queue_lock, iommu.queue_lock().stats);
  all.add(parts.page_requests, [&unit](Reading reading) {
    reading.metrics(unit.requests.stats);
    reading.latency("group", unit.requests.latency);
  });
  all.add(parts.io_page_faults, [&unit](Reading reading) {
    reading.metrics(unit.faults.stats);
    reading.latency("page", unit.faults.latency);
  });
}

void add_driver(Instruments& all, std::uint32_t component, const FunctionDriver& driver) {
  all.add(component, [&driver](Reading reading) {
    reading.metrics(driver.stats);
    reading.latency("work", driver.latency);
  });
}

void add_accelerator(Instruments& all, const HostSoftware::Accelerator& accelerator) {
  const AtsDevice& device = *accelerator.device;
  all.add(accelerator.component, [&device](Reading reading) {
    reading.metrics(device.stats);
    reading.latency("dma", device.latency);
    reading.latency("translation", device.translation_latency);
    reading.latency("page", device.page_latency);
    reading.latency("invalidation", device.invalidation_latency);
  });
  all.add_metrics(accelerator.tlb, device.tlb().stats());
  all.add_metrics(accelerator.queues, device.queue_stats());
  if (const SharedQueue* shared = accelerator.shared.get())
    all.add(accelerator.shared_queue,
            [shared](Reading reading) { reading.metrics(shared->stats()); });
  if (accelerator.driver) add_driver(all, accelerator.driver_component, *accelerator.driver);
}

void add_processes(Instruments& all, const HostSoftware::Processes& processes) {
  all.add(processes.component, [&processes](Reading reading) {
    reading.metrics(processes.group.stats);
    reading.metrics_of_all(processes.all,
                           [](const Process& process) { return process.mm().stats; });
    reading.latency("round", processes.group.round_latency);
    if (processes.group.params.unmap_every > 1)
      reading.latency("exposure", processes.group.exposure);
  });
}

// A vIOMMU that was plugged in again is another unit of the same name.
void add_viommu(Instruments& all, const HostSoftware::ViommuParts& parts, Guest& guest) {
  all.add(parts.component, [&parts, &guest](Reading reading) {
    std::vector<ViommuStats> of_name;
    std::vector<VirtualCommandStats> commands;
    ErrorCounts errors;
    for (const Guest::Unit& unit : guest.units) {
      if (unit.name != parts.name) continue;
      of_name.push_back(unit.viommu.stats);
      commands.push_back(unit.viommu.virtual_command().stats);
      for (const auto& [error, times] : unit.viommu.bind_errors()) errors.count(error, times);
    }
    reading.metrics_of_all(of_name, [](const ViommuStats& stats) { return stats; });
    reading.metrics_of_all(commands, [](const VirtualCommandStats& stats) { return stats; });
    reading.metrics(errors);
  });
  Guest::Unit& first = *std::find_if(guest.units.begin(), guest.units.end(),
                                     [&](const auto& unit) { return unit.name == parts.name; });
  all.add_metrics(parts.command_lock, first.commands.lock().stats);
  add_unit(all, parts.unit, first.kernel, first.iommu);
}

// A guest that has moved has had several containers, or files.
void add_vfio(Instruments& all, const HostSoftware::GuestSystem& system) {
  const auto& residences = system.guest->residences();
  all.add(system.vfio, [&residences](Reading reading) {
    const auto of_all = [&](auto read) {
      reading.metrics_of_all(residences, [&](const auto& one) { return read(*one->container()); });
    };
    of_all([](const VfioContainer& container) { return container.stats; });
    of_all([](const VfioContainer& container) { return container.fault_stats(); });
    of_all([](const VfioContainer& container) {
      return HostHolds{container.pasids(), container.bindings(), container.pending_faults()};
    });
  });
  all.add(system.vfio_lock, [&residences](Reading reading) {
    reading.metrics_of_all(residences,
                           [](const auto& one) { return one->container()->mutex().stats; });
  });
}

void add_iommufd(Instruments& all, const HostSoftware::GuestSystem& system) {
  all.add(system.iommufd, [&residences = system.guest->residences()](Reading reading) {
    const auto of_all = [&](auto read) {
      reading.metrics_of_all(residences, [&](const auto& one) { return read(*one->file()); });
    };
    of_all([](const Iommufd& file) { return file.stats; });
    of_all([](const Iommufd& file) { return file.fault_stats; });
    of_all([](const Iommufd& file) {
      return FileHolds{file.objects().size(), file.attachments(), file.pending_faults()};
    });
  });
}

void add_pasid_translation(Instruments& all, const HostSoftware::GuestSystem& system) {
  all.add(system.pasid_translation, [&residences = system.guest->residences()](Reading reading) {
    reading.metrics_of_all(residences,
                           [](const auto& one) { return one->pasid_translation()->stats; });
  });
}

void add_guest(Instruments& all, const HostSoftware::GuestSystem& system) {
  Guest& guest = *system.guest;
  all.add(system.component, [&guest](Reading reading) {
    GuestLife life;
    life.booted = guest.booted() ? 1 : 0;
    if (const auto& panic = guest.machine.panicked()) {
      life.panics = 1;
      life.panicked_at = panic->at.since_start();
    }
    life.closed = guest.machine.closed() ? 1 : 0;
    ErrorCounts errors;
    for (const Guest::BootError& one : guest.boot_errors()) errors.count(one.error);
    reading.metrics(life);
    reading.metrics(guest.machine.paths);
    reading.metrics(guest.hotplug);
    reading.metrics(errors);
  });
  add_kernel(all, system.kernel, guest.kernel);
  all.add_metrics(system.virtual_commands, guest.virtual_commands.stats);
  if (guest.residence().file() != nullptr) {
    add_iommufd(all, system);
  } else {
    add_vfio(all, system);
  }
  if (system.migration) add_migrations(all, *system.migration, guest);
  all.add_metrics(system.emulation_lock, guest.machine.emulation().stats);
  if (guest.residence().pasid_translation() != nullptr) add_pasid_translation(all, system);
  for (const HostSoftware::ViommuParts& viommu : system.viommus) add_viommu(all, viommu, guest);
  for (std::size_t i = 0; i < system.drivers.size(); ++i)
    add_driver(all, system.drivers[i], guest.driver(i));
  for (const HostSoftware::Processes& processes : system.processes) add_processes(all, processes);
}

}  // namespace

void add_software(Instruments& all, HostSoftware& software) {
  Host& host = software.host();
  all.add(software.component(), [&software](Reading reading) {
    ErrorCounts errors;
    for (const Errno error : software.probe_errors()) errors.count(error);
    reading.metrics(errors);
  });
  add_kernel(all, software.kernel_parts(), host.kernel);
  all.add_metrics(software.sets_lock(), host.ids.lock.stats);
  for (const HostSoftware::Unit& unit : software.units()) {
    all.add_metrics(unit.queue, unit.unit->hardware.page_requests().stats);
    add_unit(all, unit.parts, unit.unit->kernel, unit.unit->iommu);
  }
  for (const HostSoftware::Accelerator& accelerator : software.accelerators())
    add_accelerator(all, accelerator);
  for (const HostSoftware::Processes& processes : software.processes())
    add_processes(all, processes);
  for (const HostSoftware::GuestSystem& guest : software.guests()) add_guest(all, guest);
}

}  // namespace viosim
