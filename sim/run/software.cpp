// Builds the software of a host, and starts it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/software_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace viosim {

std::vector<DeviceNumber> devices_named(const std::vector<std::string>& texts,
                                        const std::vector<DeviceGroup>& groups) {
  std::vector<Problem> problems;
  std::set<DeviceNumber> all;
  for (const std::string& text : texts) {
    for (const DeviceNumber number : find_devices(text, groups, Where(problems, ""), ""))
      all.insert(number);
  }
  ensure(problems.empty(), "a valid scenario names a device that is not there");
  return {all.begin(), all.end()};
}

IommuFunction capabilities_of(const AcceleratorDevice& config) {
  IommuFunction function;
  function.max_pasids = 1U << config.pasid_width;
  function.page_requests = config.page_requests;
  return function;
}

Sva::DeviceOptions options_of(const AcceleratorDevice& config) {
  Sva::DeviceOptions options;
  options.features = config.page_requests ? Sva::io_page_faults : 0;
  options.min_pasid = config.pasids.min_pasid;
  options.max_pasid = config.pasids.max_pasid;
  for (const std::uint32_t number : config.pasids.reserved) options.reserved.emplace_back(number);
  return options;
}

HostSoftware::HostSoftware(const HostConfig& config, std::string path, PhysicalMemory& memory,
                           const Setting& setting)
    : config_(config),
      path_(std::move(path)),
      setting_(setting),
      host_(setting.engine, path_, config.software, memory, setting.take_numbers(1)),
      component_(setting.add_component(path_ + ".kernel")),
      kernel_(add_kernel(path_ + ".kernel", host_.kernel)),
      sets_lock_(setting.add_component(path_ + ".kernel.sets_lock")),
      groups_(accelerators_of(config)) {
  std::size_t first = 0;
  for (const DeviceGroup& group : groups_)
    first_of_group_.push_back(std::exchange(first, first + group.count));
}

HostSoftware::KernelParts HostSoftware::add_kernel(const std::string& path, const Kernel& kernel) {
  const auto& add = setting_.add_component;
  KernelParts parts;
  parts.cpus = add(path + ".cpus");
  for (std::uint32_t i = 0; i < kernel.cpus.count(); ++i)
    parts.cpu.push_back(add(fmt::format("{}.cpu[{}]", path, i)));
  parts.sva = add(path + ".sva");
  parts.sva_lock = add(path + ".sva.lock");
  parts.pasids = add(path + ".pasids");
  parts.pasids_lock = add(path + ".pasids.lock");
  parts.pasid_mutex = add(path + ".pasid_mutex");
  return parts;
}

HostSoftware::UnitParts HostSoftware::add_unit_parts(const std::string& path) {
  const auto& add = setting_.add_component;
  UnitParts parts;
  parts.driver = add(path + ".driver");
  parts.driver_lock = add(path + ".driver.lock");
  parts.queue_lock = add(path + ".driver.queue_lock");
  parts.page_requests = add(path + ".page_requests");
  parts.io_page_faults = add(path + ".io_page_faults");
  return parts;
}

void HostSoftware::add_unit(const std::string& name, vtd::Unit& unit, InvalidationDriver& driver,
                            std::uint32_t queue) {
  Host::Unit& added = host_.add_unit(unit, driver);
  units_.push_back({name, &added, add_unit_parts(unit.path()), queue});
}

void HostSoftware::add_accelerator(const AcceleratorDevice& config, std::uint32_t index, Bdf source,
                                   Ps memory_latency) {
  Accelerator& system = accelerators_.emplace_back();
  const auto unit = std::find_if(units_.begin(), units_.end(),
                                 [&](const Unit& one) { return one.name == config.iommu; });
  ensure(unit != units_.end(), "an accelerator names an IOMMU that was not built");
  vtd::Unit& hardware = unit->unit->hardware;
  DeviceFunction function;
  function.path = path_ + '.' + name_of(DeviceGroup{config.name, config.count}, index);
  function.iommu = &hardware.iommu();
  function.source = source;
  function.link = config.link;
  function.memory_latency = memory_latency;
  function.seed = setting_.seed;
  function.number = setting_.take_numbers(1);
  function.component = setting_.add_component(function.path);
  function.params = config.function;
  function.params.queues = config.queues();
  system.config = &config;
  system.component = function.component;
  system.tlb = setting_.add_component(function.path + ".device_tlb");
  system.queues = setting_.add_component(function.path + ".queues");
  system.unit = unit->unit;
  system.device = std::make_unique<AtsDevice>(
      function, config.ats,
      config.page_requests ? std::optional<PriParams>(config.pri) : std::nullopt,
      AtsDevice::Wiring{setting_.engine.agenda(), setting_.tracer, hardware,
                        &host_.kernel.pasids.lives()});
  hardware.attach_ats(source, *system.device);
  system.switches = std::make_unique<AtsFunctionConfig>(*system.device);
  if (!config.shared_queue) return;
  system.shared_queue = setting_.add_component(function.path + ".shared_queue");
  system.shared =
      std::make_unique<SharedQueue>(*system.device, 0, *config.shared_queue, config.link,
                                    function.number, setting_.engine.agenda());
}

HostSoftware::Accelerator& HostSoftware::accelerator(DeviceNumber number) {
  return accelerators_[first_of_group_[number.group] + number.index];
}

void HostSoftware::build() {
  std::vector<Problem> problems;
  const Assignments assignments = assignments_of(config_, Where(problems, ""));
  ensure(problems.empty(), "a valid scenario assigns what cannot be assigned");
  note_slices(assignments);
  for (const ProcessesConfig& processes : config_.processes) build_own_processes(processes);
  for (std::size_t g = 0; g < config_.guests.size(); ++g) {
    for (std::uint32_t i = 0; i < config_.guests[g].count; ++i)
      build_guest(config_.guests[g], i, assignments[g][i]);
  }
  host_.kernel.workers.post([this](Thread& thread) { boot(thread); });
}

void HostSoftware::note_slices(const Assignments& assignments) {
  for (const auto& guests : assignments) {
    for (const std::vector<AssignedFunction>& functions : guests) {
      for (const AssignedFunction& function : functions) {
        if (!function.slice) continue;
        Accelerator& of = accelerator(function.on_host);
        of.sliced = of.sliced.value_or(0) + function.slice->count;
      }
    }
  }
}

void HostSoftware::trace(const SoftwareTrace& trace) {
  const auto add_processes = [&trace](const std::string& path, std::deque<Processes>& all) {
    for (Processes& processes : all)
      trace.add(processes.group, path + '.' + processes.config->name);
  };
  trace.add(host_, path_);
  add_processes(path_, processes_);
  for (FunctionDriver* const driver : own_drivers_) trace.add(*driver, driver->function().path);
  for (GuestSystem& guest : guests_) {
    const std::string& path = guest.guest->machine.path();
    trace.add(*guest.guest, path);
    add_processes(path, guest.processes);
  }
}

ProcessGroup HostSoftware::group_of(Kernel& kernel, TableMemory& memory, FramePool& frames,
                                    const ProcessesConfig& config,
                                    std::vector<FunctionDriver*> devices) {
  return {kernel,
          memory,
          frames,
          config.params,
          std::move(devices),
          setting_.zipf_for(config.params.work.traffic),
          {},
          {},
          {},
          setting_.until,
          {}};
}

// The host's own processes.

FunctionDriver& HostSoftware::own_driver(Accelerator& accelerator) {
  if (accelerator.driver) return *accelerator.driver;
  const AcceleratorDevice& config = *accelerator.config;
  FunctionDriver::Function function;
  function.path = accelerator.device->path() + ".driver";
  function.source = accelerator.device->source();
  function.device = accelerator.device.get();
  function.shared = accelerator.shared.get();
  function.link = config.link.latency;
  function.capabilities = capabilities_of(config);
  function.capabilities.config = accelerator.switches.get();
  function.sva = options_of(config);
  if (accelerator.sliced) {
    function.slice = QueueSlice{*accelerator.sliced, config.queues() - *accelerator.sliced};
    function.sva.faults = &accelerator.unit->router;
  }
  function.number = setting_.take_numbers(1);
  accelerator.driver_component = setting_.add_component(function.path);
  accelerator.driver = std::make_unique<FunctionDriver>(host_.kernel, accelerator.unit->kernel,
                                                        config.driver, function);
  own_drivers_.push_back(accelerator.driver.get());
  return *accelerator.driver;
}

void HostSoftware::build_own_processes(const ProcessesConfig& config) {
  std::vector<FunctionDriver*> devices;
  for (const DeviceNumber number : devices_named(config.devices, groups_))
    devices.push_back(&own_driver(accelerator(number)));
  const std::string path = path_ + '.' + config.name;
  Processes& processes = processes_.emplace_back(
      config, setting_.add_component(path),
      group_of(host_.kernel, host_.memory, host_.frames, config, std::move(devices)));
  for (std::uint32_t i = 0; i < config.count; ++i)
    processes.all.emplace_back(processes.group, fmt::format("{}[{}]", path, i));
}

void HostSoftware::take_fixed_pasids() {
  std::set<Pasid> numbers;
  for (const DeviceConfig& device : config_.devices) {
    const auto* dma = std::get_if<DmaDevice>(&device);
    if (dma != nullptr && dma->pasid) numbers.insert(*dma->pasid);
  }
  for (const Pasid number : numbers) host_.kernel.pasids.take(number);
}

// Of the host: its drivers, and then everybody else.
void HostSoftware::boot(Thread& thread) {
  for (FunctionDriver* const driver : own_drivers_) {
    const Errno error = driver->probe(thread);
    if (error != Errno::ok) probe_errors_.push_back(error);
  }
  booted_ = true;
  for (GuestSystem* const guest : std::exchange(waiting_, {})) boot(*guest);
  for (Processes& processes : processes_)
    if (processes.config->starts) start_from(Instant(), processes, nullptr);
}

void HostSoftware::start_from(Instant from, Processes& processes, GuestSystem* guest) {
  processes.started = true;
  Kernel& kernel = processes.group.kernel;
  for (std::uint32_t i = 0; i < processes.config->count; ++i) {
    const Instant start = std::max(kernel.engine().now(), from + start_of(*processes.config, i));
    if (start < setting_.until) {
      Process& process = processes.all[i];
      kernel.workers.post_at(start, [&process](Thread&) { process.start(); });
    } else if (guest != nullptr) {
      process_exited(*guest);
    }
  }
}

std::string_view HostSoftware::start(Processes& processes, GuestSystem* guest) {
  if (guest != nullptr && !guest->guest->machine.guest_runs())
    return "its guest does not run any more";
  if (guest == nullptr ? !booted_ : !guest->guest->booted())
    return guest == nullptr ? "its host has not booted" : "its guest has not booted";
  if (processes.started) return "they have been started before";
  start_from(processes.group.kernel.engine().now(), processes, guest);
  return {};
}

std::string_view HostSoftware::kill(Processes& processes, const GuestSystem* guest) {
  if (guest != nullptr && !guest->guest->machine.guest_runs())
    return "its guest does not run any more";
  bool any = false;
  for (Process& process : processes.all) any = process.kill() || any;
  return any ? "" : "none of them runs";
}

std::vector<std::string> HostSoftware::who_waits() const {
  std::vector<std::string> all;
  const auto look = [&all](const std::string& path, const std::deque<Processes>& of) {
    for (const Processes& processes : of) {
      const ProcessStats& stats = processes.group.stats;
      if (stats.finished == stats.started) continue;
      all.push_back(
          fmt::format("{} of {}.{}", stats.started - stats.finished, path, processes.config->name));
    }
  };
  look(path_, processes_);
  for (const GuestSystem& guest : guests_) {
    if (guest.guest->machine.guest_runs()) look(guest.guest->machine.path(), guest.processes);
  }
  return all;
}

}  // namespace viosim
