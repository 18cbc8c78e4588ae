// The software of a built host: its kernel, drivers and processes, its guests, and the accelerators that all
// of them use.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/device/ats_device.hpp"
#include "models/device/shared_queue.hpp"
#include "models/guest/guest.hpp"
#include "models/guest/software_trace.hpp"
#include "models/host/host.hpp"
#include "models/kernel/process.hpp"
#include "sim/scenario/assignments.hpp"
#include "sim/scenario/scenario.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

class HostSoftware {
 public:
  // What the system lends; it outlives the software.
  struct Setting {
    Engine& engine;
    Tracer& tracer;
    std::function<std::uint32_t(std::string_view)> add_component;
    std::function<const ZipfTable*(const TrafficParams&)> zipf_for;
    std::function<std::uint32_t(std::uint32_t)> take_numbers;  // places in the order of events
    // The hosts that the guest of that path is to move to, by their paths.
    std::function<std::vector<std::string>(std::string_view)> moves_to;
    std::uint64_t seed = 0;
    Instant until;  // of the load
  };

  // Components of a kernel.
  struct KernelParts {
    std::uint32_t cpus = 0;
    std::vector<std::uint32_t> cpu;
    std::uint32_t sva = 0;
    std::uint32_t sva_lock = 0;
    std::uint32_t pasids = 0;
    std::uint32_t pasids_lock = 0;
    std::uint32_t pasid_mutex = 0;
  };
  // Of its side of an IOMMU.
  struct UnitParts {
    std::uint32_t driver = 0;
    std::uint32_t driver_lock = 0;
    std::uint32_t queue_lock = 0;
    std::uint32_t page_requests = 0;
    std::uint32_t io_page_faults = 0;
  };
  struct Unit {
    std::string name;  // of the IOMMU, as the scenario calls it
    Host::Unit* unit = nullptr;
    UnitParts parts;
    std::uint32_t queue = 0;  // of page requests, in hardware
  };
  struct Accelerator {
    const AcceleratorDevice* config = nullptr;
    std::uint32_t component = 0;
    std::uint32_t tlb = 0;
    std::uint32_t queues = 0;
    std::uint32_t shared_queue = 0;
    Host::Unit* unit = nullptr;
    std::unique_ptr<AtsDevice> device;
    std::unique_ptr<SharedQueue> shared;
    std::unique_ptr<AtsFunctionConfig> switches;
    std::optional<std::uint32_t> sliced{};  // so many queues of it are guests'; nothing: no slices
    std::uint32_t driver_component = 0;
    std::unique_ptr<FunctionDriver> driver;  // the host's, where its processes or slices use it
  };
  struct Processes {
    Processes(const ProcessesConfig& of, std::uint32_t its_component, ProcessGroup group_of)
        : config(&of), component(its_component), group(std::move(group_of)) {}
    const ProcessesConfig* config;
    std::uint32_t component;
    ProcessGroup group;
    std::deque<Process> all;
    bool started = false;  // has been told to
  };
  struct ViommuParts {
    std::string name;
    std::uint32_t component = 0;
    std::uint32_t command_lock = 0;
    UnitParts unit;
  };
  struct GuestSystem {
    const GuestConfig* config = nullptr;
    std::uint32_t component = 0;
    KernelParts kernel;
    std::uint32_t virtual_commands = 0;
    std::uint32_t vfio = 0;
    std::uint32_t vfio_lock = 0;
    std::uint32_t iommufd = 0;  // one of these two is there
    std::uint32_t emulation_lock = 0;
    std::vector<ViommuParts> viommus;
    std::vector<std::uint32_t> drivers;           // components, by number of the function
    std::vector<const AcceleratorDevice*> kinds;  // likewise
    std::optional<std::uint32_t> migration;       // of guests that move
    std::vector<bool> slices;                     // likewise
    std::uint32_t pasid_translation = 0;
    std::unique_ptr<Guest> guest;
    std::deque<Processes> processes;
    std::uint64_t running = 0;  // processes that have not exited
    bool boots = false;         // has been told to
  };

  HostSoftware(const HostConfig& config, std::string path, PhysicalMemory& memory,
               const Setting& setting);
  HostSoftware(const HostSoftware&) = delete;
  HostSoftware& operator=(const HostSoftware&) = delete;

  // In this order: its IOMMUs, its accelerators in the order of the scenario, and the rest.
  // `queue`: component of the unit's page request queue.
  void add_unit(const std::string& name, vtd::Unit& unit, InvalidationDriver& driver,
                std::uint32_t queue);
  void add_accelerator(const AcceleratorDevice& config, std::uint32_t index, Bdf source,
                       Ps memory_latency);
  void build();
  // Before the run, when it is traced: those of devices that have no choice are nobody else's.
  void take_fixed_pasids();
  void trace(const SoftwareTrace& trace);  // when it is built

  Host& host() { return host_; }
  const std::string& path() const { return path_; }
  const KernelParts& kernel_parts() const { return kernel_; }
  std::uint32_t component() const { return component_; }
  std::uint32_t sets_lock() const { return sets_lock_; }
  const std::deque<Unit>& units() const { return units_; }
  std::deque<Accelerator>& accelerators() { return accelerators_; }
  std::deque<GuestSystem>& guests() { return guests_; }
  // Accelerators by the scenario's names, as a machine gets them.
  const std::vector<DeviceGroup>& groups() const { return groups_; }
  Accelerator& accelerator(DeviceNumber number);
  Residence::Function function_of(DeviceNumber number);
  const std::deque<Processes>& processes() const { return processes_; }
  std::deque<Processes>& processes() { return processes_; }
  // Of drivers that could not take their function.
  const std::vector<Errno>& probe_errors() const { return probe_errors_; }

  // From anybody; software does it from then on. A guest boots once. What they return stands in the way;
  // empty: it is under way.
  std::string_view boot(GuestSystem& guest);
  static std::string_view shut_down(GuestSystem& guest);
  static std::string_view kill(GuestSystem& guest);
  // The same; `guest`: whose processes they are, null: the host's. Those that run are killed.
  std::string_view start(Processes& processes, GuestSystem* guest);
  static std::string_view kill(Processes& processes, const GuestSystem* guest);
  // A function of the host's is unplugged, with all slices of it that guests have.
  std::string_view unplug(Accelerator& accelerator, Unplug how);

  // After the run: "3 of host0.app", where processes have not exited though their kernel runs. They
  // wait for what never comes.
  std::vector<std::string> who_waits() const;

 private:
  KernelParts add_kernel(const std::string& path, const Kernel& kernel);
  UnitParts add_unit_parts(const std::string& path);
  void note_slices(const Assignments& assignments);
  void build_guest(const GuestConfig& config, std::uint32_t index,
                   const std::vector<AssignedFunction>& functions);
  void assign(GuestSystem& system, const std::vector<DeviceGroup>& devices,
              const AssignedFunction& function);
  void start_processes_of(GuestSystem& system, Thread& thread);
  void start_from(Instant from, Processes& processes, GuestSystem* guest);
  void process_exited(GuestSystem& system);
  FunctionDriver& own_driver(Accelerator& accelerator);
  void build_own_processes(const ProcessesConfig& config);
  void boot(Thread& thread);
  ProcessGroup group_of(Kernel& kernel, TableMemory& memory, FramePool& frames,
                        const ProcessesConfig& config, std::vector<FunctionDriver*> devices);

  const HostConfig& config_;
  std::string path_;
  Setting setting_;
  Host host_;
  std::uint32_t component_;
  KernelParts kernel_;
  std::uint32_t sets_lock_ = 0;
  std::deque<Unit> units_;
  std::deque<Accelerator> accelerators_;
  std::vector<DeviceGroup> groups_;
  std::vector<std::size_t> first_of_group_;  // in accelerators_
  std::vector<FunctionDriver*> own_drivers_;
  std::deque<GuestSystem> guests_;
  std::deque<Processes> processes_;
  std::vector<Errno> probe_errors_;
  bool booted_ = false;
  std::vector<GuestSystem*> waiting_;  // guests that boot when the host has
};

}  // namespace viosim
