// A guest: a virtual machine on a host, the vIOMMUs that its hypervisor emulates, the functions that
// are assigned to it, and its own kernel, which drives them.
// SPDX-License-Identifier: Apache-2.0
//
// Its life: boot() opens the hypervisor's files in the host, which attach the functions to the guest's
// memory; then its kernel registers the vIOMMUs' allocators and probes the functions. shut_down()
// undoes that in order. kill() ends it at once, and the host takes back what it had.
#pragma once

#include "core/base/fields.hpp"
#include "ioasid/backends.hpp"
#include "models/guest/allocator_params.hpp"
#include "models/guest/guest_iommu.hpp"
#include "models/guest/iommufd_residence.hpp"
#include "models/guest/migration.hpp"
#include "models/guest/vfio_residence.hpp"
#include "models/guest/virtual_command_driver.hpp"
#include "models/host/guest_memory.hpp"
#include "models/host/host.hpp"
#include "models/kernel/function_driver.hpp"
#include "models/kernel/kernel.hpp"
#include "models/vmm/hypervisor.hpp"
#include "models/vmm/viommu.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// Where a guest's kernel gets PASIDs by a vIOMMU.
enum class PasidBackend : std::uint8_t { virtual_command, guest_local, none };

constexpr auto choices(PasidBackend) {
  return std::array{
      Choice{PasidBackend::virtual_command, "virtual-command",
             "from the host: all vIOMMUs with this share one allocator, and one id space"},
      Choice{PasidBackend::guest_local, "guest-local",
             "an allocator of its own, whose numbers mean something in this guest only"},
      Choice{PasidBackend::none, "none", "the vIOMMU registers no allocator"}};
}

// How its hypervisor reaches the host's kernel.
enum class HostInterface : std::uint8_t { vfio, iommufd };

constexpr auto choices(HostInterface) {
  return std::array{
      Choice{HostInterface::vfio, "vfio",
             "VFIO's of 2019-2021: the host gives PASIDs out of a set, or one behind each of the "
             "guest's"},
      Choice{HostInterface::iommufd, "iommufd",
             "iommufd's of today: objects that are made and attached; PASIDs are the guest's own"}};
}

struct HotplugParams {
  SlotTimes slots;
  Ps wait_for_processes = 10ms;
  bool register_on_hot_add = true;

  static constexpr auto fields() {
    using P = HotplugParams;
    return Fields{
        embedded(&P::slots),
        field("wait_for_processes", &P::wait_for_processes,
              "How long the removal of the last vIOMMU that serves an id space waits for processes "
              "to give their PASIDs back.",
              "assumed"),
        field("register_on_hot_add", &P::register_on_hot_add,
              "A vIOMMU that is plugged in registers its allocator.",
              "the specification's flow; Linux 6.1 registers at boot only")};
  }
  bool operator==(const HotplugParams&) const = default;
};

struct HotplugStats {
  std::uint64_t plugged = 0;
  std::uint64_t refused = 0;
  std::uint64_t narrower = 0;
  std::uint64_t incapable = 0;
  std::uint64_t unplugged = 0;
  std::uint64_t not_unplugged = 0;
  std::uint64_t orphans = 0;
  static constexpr auto fields() {
    using S = HotplugStats;
    return Fields{
        metric("plugged", &S::plugged, Unit::count, "vIOMMUs and functions plugged in."),
        metric("refused", &S::refused, Unit::count,
               "Of these, refused by the guest's kernel, or without its allocator."),
        metric("narrower", &S::narrower, Unit::count,
               "Of these, vIOMMUs that can do less than those that run: -EFAULT."),
        metric("incapable", &S::incapable, Unit::count,
               "The same, that cannot pass requests through or lack large pages: -ENXIO."),
        metric("unplugged", &S::unplugged, Unit::count, "vIOMMUs and functions that went."),
        metric("not_unplugged", &S::not_unplugged, Unit::count,
               "vIOMMUs that stayed, since their PASIDs were in use."),
        metric("orphans", &S::orphans, Unit::count,
               "PASIDs that nobody in the guest knows any more, since their allocator went.")};
  }
};

struct GuestParams {
  static constexpr std::uint32_t most_vcpus = 4096;
  std::uint32_t vcpus = 4;
  Bytes memory = 1_GiB;
  HostInterface host_interface = HostInterface::vfio;
  PasidScope pasids = PasidScope::system_wide;
  KernelParams kernel;
  GuestIommuParams iommu;
  VirtualCommandDriverParams virtual_commands;
  WorldSwitchParams world_switch;
  VfioParams vfio;
  IommufdParams iommufd;
  HotplugParams hotplug;
  MigrationParams migration;
  bool disable_sva_on_late_allocator = false;
  PasidAllocatorParams allocator;

  static constexpr auto fields() {
    using P = GuestParams;
    return Fields{
        field("vcpus", &P::vcpus, "Its virtual processors; each has one of the host to itself.")
            .from(1)
            .to(most_vcpus),
        field("memory", &P::memory,
              "Its memory, which the host maps at once. Half of it is for "
              "pages of processes.")
            .from(32_MiB)
            .multiple_of(page_2m),
        field("host_interface", &P::host_interface,
              "How its hypervisor reaches the host's kernel."),
        field("pasids", &P::pasids, "Whose numbers its PASIDs are."),
        field("kernel", &P::kernel, "Its kernel."),
        field("iommu", &P::iommu, "Its kernel's access to vIOMMUs."),
        field("virtual_commands", &P::virtual_commands, "Its driver of virtual commands."),
        field("world_switch", &P::world_switch, "What it costs to leave it, and to come back."),
        field("vfio", &P::vfio, "What its hypervisor has of the host's kernel, by VFIO."),
        field("iommufd", &P::iommufd, "The same, by iommufd."),
        field("hotplug", &P::hotplug, "Plugging and unplugging vIOMMUs and functions."),
        field("migration", &P::migration, "Moving to another host while it runs."),
        field("disable_sva_on_late_allocator", &P::disable_sva_on_late_allocator,
              "Where a vIOMMU's allocator cannot be registered because numbers of the kernel's own "
              "live (-EAGAIN) it binds nothing to processes any more; what is bound stays so.",
              "off: it goes on with its own numbers; Linux turns scalable mode off"),
        field("allocator", &P::allocator, "How its kernel keeps its PASIDs.")};
  }
  bool operator==(const GuestParams&) const = default;
};

class Guest {
 public:
  // `number`: its place in the order of events; it takes numbers_of() of them.
  Guest(Host& host, const std::string& path, const GuestParams& params, std::uint32_t number);
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  ~Guest();

  static constexpr std::uint32_t numbers_of(std::size_t units, std::size_t functions) {
    return static_cast<std::uint32_t>(2 + units + functions);
  }

  // Where a vIOMMU is plugged in, as the machine's operator sees it: `leaving` until the guest's
  // kernel has let go of what is there, or was.
  enum class Slot : std::uint8_t { taken, leaving, empty, filling };

  // What the kernel has for one vIOMMU.
  struct Unit {
    Unit(Guest& guest, std::string name, const ViommuParams& params, PasidBackend backend,
         std::uint32_t number);
    std::string name;
    std::uint32_t
        number;  // its place in the order of events; one that is plugged in again has the same
    Viommu viommu;
    vtd::Tables tables;
    GuestIommu iommu;
    GuestPageRequests registers;
    VirtualCommandChannel commands;
    Kernel::Unit& kernel;
    PasidBackend backend;
    std::unique_ptr<ioasid::GuestLocalBackend> own;  // where it is guest-local
    ioasid::AllocatorOps ops;
    bool registered = false;
    // Its allocator is unregistered with it, whatever came of its registration: Linux goes by what the unit can.
    bool to_unregister = false;
    Slot slot = Slot::taken;
    HotplugSlot due;
    std::uint32_t releases = 0;          // under way
    bool taking_up = false;              // plugged in, and its kernel is not done with that
    std::uint32_t asked_to_go = 0;       // releases that wait until it is
    bool plug_again = false;             // asked for while it was leaving
    bool unfit = false;                  // plugged in, and refused: nobody uses it
    std::vector<std::size_t> functions;  // behind it, as numbered by driver()
    // Its events go where those of the unit go that was in its place.
    void trace_like(Unit& before);
  };
  // Before boot().
  Unit& add_unit(const std::string& name, const ViommuParams& params, PasidBackend backend);

  // A function of the host that is the guest's, at the same address; or a slice of one: a shared queue's
  // portal, or some of its queues, with PASIDs of its own behind the guest's numbers. Before boot().
  struct Assignment {
    AtsDevice* device = nullptr;
    FunctionDriver* parent = nullptr;  // of a slice: the host's, who keeps the function
    QueueSlice slice{};                // of a slice, where queues are dedicated
    SharedQueue* shared = nullptr;
    Host::Unit* host_unit = nullptr;
    Ps link{0};
    IommuFunction capabilities{};
    bool shows_ats = true;  // to the guest; otherwise its processes' memory is pinned
    Sva::DeviceOptions sva{};
    FunctionDriverParams driver{};
  };
  FunctionDriver& assign(const std::string& name, const Assignment& assignment, Unit& behind);
  // The last one of that name: one that was plugged in again is another.
  Unit& unit_named(const std::string& name);

  // From anybody. `booted` is told by a thread of the guest's kernel.
  void boot(std::function<void(Thread&)> booted);
  bool booted() const { return booted_; }
  // Errors of the boot, by what they were about; a guest with some goes on without that.
  struct BootError {
    std::string what;
    Errno error;
  };
  const std::vector<BootError>& boot_errors() const { return boot_errors_; }
  // For a thread of its kernel: removes its functions, unregisters its allocators, and powers off.
  void shut_down(Thread& thread);
  void kill() { machine.kill(); }

  // From anybody; software does it from then on. What they return stands in the way, and nothing
  // happens; empty: it is under way, or what was to come is taken back (SlotTimes). What is not there is
  // not unplugged, and the other way round; nor does anything happen to a guest that does not run. A
  // vIOMMU takes the use of the functions behind it with it, and brings it back. Where one is leaving the
  // next is plugged in when the kernel has let go of it; a function is not plugged in until then.
  std::string_view unplug_unit(const std::string& name, Unplug how);
  std::string_view plug_unit(const std::string& name);
  std::string_view unplug_function(std::size_t function, Unplug how);  // a slice: in order only
  std::string_view plug_function(std::size_t function);
  // The host's function is to go, or has vanished, and takes this slice of it along. Of a guest that does
  // not run any more the hypervisor gives it back.
  void lose_slice(std::size_t function, Unplug how);
  // It has vanished while the kernel lets go of the slice in order, which goes on without it.
  void slice_is_gone(std::size_t function);

  // It moves to another host while it runs. From anybody; software does it from then on. How it ended is in
  // the reports, one for each time that it was asked to. What it returns stands in the way, and nothing
  // happens; empty: it is under way.
  std::string_view migrate(const Migration::Target& target);
  bool migrates() const { return migration_ != nullptr && !migration_->over(); }
  const std::deque<MigrationReport>& migrations() const { return reports_; }

  Engine& engine() const { return kernel.engine(); }
  // Where it lives.
  Residence& residence() const { return *residence_; }
  // And where it has lived, or was to live; in order.
  const std::vector<std::unique_ptr<Residence>>& residences() const { return residences_; }
  // Told of what it has on each host, now and when it is to move to one: for who follows it there.
  void follow(std::function<void(Residence&)> follower);
  // How its files there are called.
  std::string path_of(const Residence& residence) const;
  std::string path_of_translation(const Residence& residence) const;
  Host& host() const { return residence_->host(); }
  // Its files in the host, where they are VFIO's.
  VfioContainer& container() const;
  FunctionDriver& driver(std::size_t function) { return *drivers_[function]; }
  std::size_t functions() const { return drivers_.size(); }
  // Nothing of it is left in any host.
  bool nothing_left() const;

  Kernel kernel;
  VirtualMachine machine;

 private:
  GuestParams params_;
  std::uint32_t number_;
  std::uint32_t used_numbers_ = 2;
  std::vector<std::function<void(Residence&)>> followers_;
  std::vector<std::unique_ptr<Residence>> residences_;
  Residence* residence_;  // the one that it has

 public:
  GuestMemory memory;
  FramePool frames;
  Hypervisor hypervisor;
  VirtualCommandDriver virtual_commands;
  std::deque<Unit> units;
  HotplugStats hotplug;

 private:
  friend class Migration;
  class Access;
  std::uint32_t next_number() { return number_ + used_numbers_++; }
  std::string path_of_part(const Residence& residence, std::string_view part) const;
  Residence& add_residence(Host& on);
  std::unique_ptr<Residence> make_residence(Host& on);
  // By a migration: `moves` says of each function whether it comes along.
  void change_residence(Residence& to, const std::vector<bool>& moves);
  std::string_view refuse_migration(const Migration::Target& target, MigrationFailure why);
  void move_in(Thread& thread);
  void tell_memory() const;
  void start_kernel(Thread& thread, const std::function<void(Thread&)>& booted);
  void tell_allocator(const Unit& unit, std::uint16_t what) const;
  Errno register_allocator(Thread& thread, Unit& unit);
  Errno register_once(Unit& unit);
  void boot_error(std::string what, Errno error);
  std::string_view cannot_hotplug() const;
  void remove_unit(Unit& unit, Unplug how);
  void release(Thread& thread, Unit& unit);
  void insert_unit(Unit& before);
  void remove_function(std::size_t function, Unplug how);
  void release(Thread& thread, std::size_t function, Unplug how);
  Errno probe(Thread& thread, std::size_t function);
  void probe_plugged(std::size_t function);
  void nothing_is_due();
  bool let_go(Thread& thread, Unit& unit);
  bool unregister_allocator(Unit& unit);
  // Of the vIOMMUs the one that is asked for numbers; null: none.
  const Unit* serving() const;
  bool serves_alone(const Unit& unit) const;
  void post_release(Unit& unit);
  Errno take_up(Thread& thread, Unit& unit);
  void post_hot_add(Unit& unit);
  void hot_add(Thread& thread, Unit& unit);
  IommuAbilities running_abilities(const Unit& but) const;

  std::deque<std::unique_ptr<Access>> accesses_;
  std::deque<std::unique_ptr<FunctionDriver>> drivers_;
  std::deque<HotplugSlot> slots_;  // of each function
  std::vector<BootError> boot_errors_;
  bool booted_ = false;
  std::deque<MigrationReport> reports_;
  std::unique_ptr<Migration> migration_;  // the last one
};

}  // namespace viosim
