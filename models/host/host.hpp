// A host as software sees it: its kernel, the hardware units that it drives, the ids that it shares
// out, and its memory for processes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/device/ats_device.hpp"
#include "models/host/guest_fault_router.hpp"
#include "models/host/host_ids.hpp"
#include "models/host/hotplug_slot.hpp"
#include "models/host/invalidation_driver.hpp"
#include "models/host/iommufd.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/vtd/unit.hpp"
#include "models/kernel/function_driver.hpp"
#include "models/kernel/global_pasids.hpp"
#include "models/kernel/host_iommu.hpp"
#include "models/kernel/kernel.hpp"
#include "models/kernel/kernel_page_requests.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace viosim {

enum class Unplug : std::uint8_t { orderly, surprise };

constexpr auto choices(Unplug) {
  return std::array{
      Choice{Unplug::orderly, "orderly", "software is asked first, and lets go of it"},
      Choice{Unplug::surprise, "surprise", "it is gone, and software learns it afterwards"}};
}

struct HostParams {
  std::uint32_t cpus = 16;
  Bytes process_memory{std::uint64_t{64} << 30U};
  KernelParams kernel;
  HostIommuParams iommu;
  HostPageRequestsParams page_request_registers;
  Ps poll = 50ns;
  Ps sets_lock_handover = 100ns;
  Ps function_reset = 100ms;
  Ps unplug_notice = 10us;
  SlotTimes slots;
  Ps slices_poll = 20us;
  Ps slices_limit = 10s;
  bool shared_domain = false;

  static constexpr auto fields() {
    using P = HostParams;
    return Fields{
        field("cpus", &P::cpus, "Processors of the host's kernel; guests' vCPUs have their own.")
            .from(1),
        field("process_memory", &P::process_memory, "Memory for pages of the host's processes."),
        embedded(&P::kernel),
        field("iommu", &P::iommu, "What its driver's access to an IOMMU costs."),
        field("page_request_registers", &P::page_request_registers,
              "The same for registers of the page request queue."),
        field("poll", &P::poll, "Noticing that a status word in memory has changed.", "assumed"),
        field("sets_lock_handover", &P::sets_lock_handover,
              "From the release of the lock around sets of ids to the next holder's going on.",
              "assumed"),
        field("function_reset", &P::function_reset,
              "A function's reset, when a machine that used it is closed.",
              "PCIe 4.0, 6.6.2: software waits 100 ms"),
        field("unplug_notice", &P::unplug_notice,
              "From the vanishing of a function to its kernel's noticing it: link down, interrupt, "
              "thread.",
              "assumed"),
        embedded(&P::slots),
        field(
            "slices_poll", &P::slices_poll,
            "While a function goes of which guests have slices: from one look at whether they have "
            "let go to the next.",
            "assumed")
            .from(Ps(1)),
        field(
            "slices_limit", &P::slices_limit,
            "How long guests may take to let go of them in order. Afterwards the function goes by "
            "surprise.",
            "assumed: VFIO repeats its request to user space every 10 s, for as long as it takes"),
        field("shared_domain", &P::shared_domain,
              "An error: entries of machines have domain 1, which all first-level entries have.")};
  }
  bool operator==(const HostParams&) const = default;
};

// The switches in a function's configuration space.
class AtsFunctionConfig final : public FunctionConfig {
 public:
  explicit AtsFunctionConfig(AtsDevice& device) : device_(device) {}
  void enable_pasid(bool /*on*/) override {}
  void enable_page_requests(bool on) override {
    if (on && device_.present() && !device_.page_requests_enabled()) device_.enable_page_requests();
  }
  void enable_ats(bool /*on*/) override {}
  bool present() const override { return device_.present(); }

 private:
  AtsDevice& device_;
};

class Host {
 public:
  // `number`: its place in the order of events.
  Host(Engine& engine, const std::string& path, const HostParams& params, PhysicalMemory& memory,
       std::uint32_t number);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // A hardware unit that this kernel drives.
  struct Unit {
    Unit(Host& host, vtd::Unit& hardware, InvalidationDriver& queue);
    vtd::Unit& hardware;
    HostIommu iommu;
    HostPageRequests registers;
    Kernel::Unit& kernel;
    GuestFaultRouter router;  // of functions that machines use
  };
  // Before the run; arguments outlive the host. Scalable mode.
  Unit& add_unit(vtd::Unit& hardware, InvalidationDriver& queue);

  // A function that its own processes use is unplugged, and comes back. From anybody; software does it
  // from then on. What they return stands in the way, and nothing happens; empty: it is under way, or what
  // was to come is taken back (SlotTimes).
  // `let_go`: by a thread of its kernel, before it forgets the function; returns when nobody else has any
  // of it.
  std::string_view unplug(FunctionDriver& driver, Unplug how,
                          std::function<void(Thread&)> let_go = {});
  std::string_view plug(FunctionDriver& driver);
  // For a thread of its kernel: the function has vanished, which it notices when this returns.
  void notice_gone(Thread& thread, FunctionDriver& driver) const;

  const HostParams& params() const { return params_; }
  // The domain of a machine's memory, the same in all units: the highest that no other has. Drivers
  // take theirs from below.
  DomainId take_domain() {
    if (params_.shared_domain) return IommuDriver::first_level_domain;
    ensure(next_domain_ > 0x8000, "a host has had more machines than there are domains");
    return DomainId(next_domain_--);
  }

  Engine& engine;
  PhysicalMemory& memory;
  Kernel kernel;
  HostIds ids;
  GlobalPasids global_pasids;
  IommufdHost iommufd;
  FramePool frames;
  std::deque<Unit> units;

  // A function that machines may have: at most one of them has it, in its slot or not.
  struct Given {
    const void* machine = nullptr;
    bool taken_out =
        false;  // of the slot of who had it last, in order: it is there for the next one
  };
  std::map<const AtsDevice*, Given> given;

 private:
  // Of a function that has been unplugged or plugged before, or is now.
  struct Slot {
    Slot(FunctionDriver& of, Engine& engine, std::uint32_t number)
        : driver(of), due(engine, number, of.trace) {}
    FunctionDriver& driver;
    HotplugSlot due;
  };
  HotplugSlot& slot_of(FunctionDriver& driver);
  void remove(FunctionDriver& driver, Unplug how, std::function<void(Thread&)> let_go);

  HostParams params_;
  std::deque<Slot> slots_;
  std::uint16_t next_domain_ = 0xffff;
};

}  // namespace viosim
