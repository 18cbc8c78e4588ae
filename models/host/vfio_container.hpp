// What a hypervisor has of its host's kernel: a container of assigned devices, a set of PASIDs with
// its quota, and nested address spaces over its guest's memory.
// SPDX-License-Identifier: Apache-2.0
//
// VFIO with the nesting interface of 2019-2021. One container for a virtual machine. Its calls are
// for threads in the host's kernel; what it costs to get there is paid by the caller.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "models/cpu/locks.hpp"
#include "models/cpu/workers.hpp"
#include "models/host/assigned_device.hpp"
#include "models/host/guest_faults.hpp"
#include "models/host/host_ids.hpp"
#include "models/host/nesting_api.hpp"
#include "models/injection.hpp"
#include "models/kernel/errno.hpp"
#include "models/trace_point.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace viosim {

// What becomes of an id that is freed while it is bound; its number is never reused before it is
// unbound.
enum class FreeWhileBound : std::uint8_t { refuse, pend };

constexpr auto choices(FreeWhileBound) {
  return std::array{
      Choice{FreeWhileBound::refuse, "refuse", "the call fails: -EBUSY"},
      Choice{FreeWhileBound::pend, "pend", "the host unbinds it, and then it is free"}};
}

// What a device is answered whose guest takes too long.
enum class LateGuest : std::uint8_t { invalid, failure };

constexpr auto choices(LateGuest) {
  return std::array{
      Choice{LateGuest::invalid, "invalid", "the access that asked fails, others go on"},
      Choice{
          LateGuest::failure, "failure",
          "the function disables its page requests, and all that wait for pages fail, until it is "
          "plugged in again"}};
}

struct VfioParams {
  std::uint32_t quota = 1000;
  std::uint32_t lowest_pasid = 1;
  std::uint32_t highest_pasid = 0xfffff;
  FreeWhileBound free_while_bound = FreeWhileBound::refuse;
  bool check_owner = true;
  bool refuse_misaligned = false;
  Ps fault_limit = 1s;
  LateGuest late_guest = LateGuest::invalid;
  Ps allocate = 700ns;
  Ps free = 700ns;
  Ps bind = 4700ns;
  Ps unbind = 4700ns;
  Ps invalidate = 700ns;
  Ps respond = 500ns;
  Ps mutex_wake = 3us;

  static constexpr auto fields() {
    using P = VfioParams;
    return Fields{
        field(
            "quota", &P::quota,
            "PASIDs that the machine may have; 0: all that no quota of others holds when it boots.",
            "the series of 2020-21"),
        field("lowest_pasid", &P::lowest_pasid, "The lowest PASID that it is given.")
            .from(1)
            .to(0xfffff),
        field("highest_pasid", &P::highest_pasid, "The highest PASID that it is given.")
            .from(1)
            .to(0xfffff),
        field("free_while_bound", &P::free_while_bound,
              "What becomes of a PASID that is freed while it is bound."),
        field("check_owner", &P::check_owner,
              "Binding asks whose the PASID is. Kernels that were released did not."),
        field("refuse_misaligned", &P::refuse_misaligned,
              "Flushes of a range that is not aligned to its size are refused (-ERANGE)."),
        field("fault_limit", &P::fault_limit,
              "How long a guest may take to answer a page request before the host does.",
              "assumed"),
        field("late_guest", &P::late_guest, "What the host answers then."),
        field("allocate", &P::allocate,
              "Work of the host's kernel to allocate a PASID, without the allocator's own.",
              "assumed"),
        field("free", &P::free, "The same, to free one.", "assumed: as allocate"),
        field("bind", &P::bind,
              "The same, to bind one to a guest's page table; without writing the entry.",
              "assumed: 5 us with the system call"),
        field("unbind", &P::unbind, "The same, to unbind one.", "assumed: as bind"),
        field("invalidate", &P::invalidate,
              "The same, to take an order for the IOMMU, without carrying it out.", "assumed"),
        field("respond", &P::respond, "The same, to answer a page request.", "assumed"),
        field("mutex_wake", &P::mutex_wake, "Waking who waited for the container's mutex.",
              "assumed: waking a thread")};
  }
  void check(const Where& where) const;
  bool operator==(const VfioParams&) const = default;
};

struct VfioStats {
  std::uint64_t allocated = 0;
  std::uint64_t refused = 0;
  std::uint64_t freed = 0;
  std::uint64_t bound = 0;
  std::uint64_t unbound = 0;
  std::uint64_t pended = 0;
  std::uint64_t reclaimed = 0;
  static constexpr auto fields() {
    using S = VfioStats;
    return Fields{
        metric("allocated", &S::allocated, Unit::count, "PASIDs allocated."),
        metric("refused", &S::refused, Unit::count, "Allocations refused: quota or range used up."),
        metric("freed", &S::freed, Unit::count, "PASIDs freed by the hypervisor."),
        metric("bound", &S::bound, Unit::count, "Binds of a PASID to a device."),
        metric("unbound", &S::unbound, Unit::count, "Unbinds."),
        metric("pended", &S::pended, Unit::count, "PASIDs freed while bound, and unbound later."),
        metric("reclaimed", &S::reclaimed, Unit::count,
               "PASIDs that the machine still had when it was closed.")};
  }
};

class VfioContainer final : public EventHandler, public GuestFaultTaker {
 public:
  // `second_stage`: the entry of an untranslated device of this machine (second level, domain, widths),
  // over which guests' page tables are nested. `host`: the host's kernel. `number`: its place in the
  // order of events.
  VfioContainer(Engine& engine, std::string path, const VfioParams& params, HostIds& ids,
                Workers& host, const vtd::PasidEntry& second_stage, std::uint32_t number);
  VfioContainer(const VfioContainer&) = delete;
  VfioContainer& operator=(const VfioContainer&) = delete;

  // -ENOSPC: the quota is more than the host has left.
  Errno open(Thread& thread);
  Errno open();  // before the run
  // Before the run; a slice's default PASID is allocated by attach_default().
  std::size_t add_device(const AssignedDevice& device);
  const AssignedDevice& device(std::size_t number) const { return devices_[number]; }
  std::size_t devices() const { return devices_.size(); }
  void listen(GuestFaultListener& listener) { listener_ = &listener; }

  Result<Pasid> alloc_pasid(Thread& thread, ioasid::Range range);
  // Of another host's numbers, where the machine comes from. -EEXIST: somebody has it already; otherwise
  // as above.
  Errno take_pasid(Thread& thread, Pasid pasid);
  // What it has got by these, ascending.
  std::vector<Pasid> own_pasids(Thread& thread) const;
  // Those of this machine in the range. -EBUSY: one is bound. Of a single one that is not this
  // machine's: -EACCES, -ENOENT.
  Errno free_pasids(Thread& thread, ioasid::Range range);
  // Errors are those of Linux; -EACCES, too, for the number of a default address space.
  Errno bind_gpasid(Thread& thread, std::size_t device, const BindGpasid& request);
  // Of a slice its requests are stopped first.
  Errno unbind_gpasid(Thread& thread, std::size_t device, std::uint64_t hpasid);
  // A device is about to leave: what is bound to it is not any more.
  void unbind_device(Thread& thread, std::size_t number);
  Errno cache_invalidate(Thread& thread, std::size_t device, const CacheInvalidate& order);
  // The same without a call: by a queue of hardware's that the guest has.
  Errno hardware_invalidate(Thread& thread, std::size_t device, const CacheInvalidate& order);
  Errno page_response(Thread& thread, std::size_t device, const PageResponseOrder& order);
  std::vector<ForwardedFault> read_faults();
  // All that wait are answered by the host.
  void answer_for_guest(Thread& thread);

  // The machine's own addresses for requests of a slice: a PASID for each function that slices are
  // of, and an entry for it.
  Result<Pasid> attach_default(Thread& thread, std::size_t device);
  void detach_default(Thread& thread, std::size_t device);

  // The last file of the machine is closed. Takes back all that it has.
  void close(Thread& thread);

  // For the host's page request thread. False: not bound, and nobody will answer it but the caller.
  Bdf function_of(std::size_t device) const override { return devices_[device].function; }
  bool forward_fault(std::size_t device, const PageRequest& request) override;
  void discard_incomplete() override { faults_.discard_incomplete(); }
  void discard_group(std::size_t device, const PageRequest& last) override {
    faults_.discard_group(device, last.group);
  }

  // What the host holds for this machine.
  std::uint32_t pasids() const { return ids_.sets.size(set_); }
  std::size_t bindings() const;
  bool mediated(std::size_t device) const { return devices_[device].mediated; }
  bool bound(std::size_t device, Pasid hpasid) const;  // and not about to be unbound
  std::size_t pending_faults() const { return faults_.pending(); }
  const GuestFaultStats& fault_stats() const { return faults_.stats; }
  ioasid::SetNumber set() const { return set_; }
  Mutex& mutex() { return mutex_; }

  void fire(std::uint64_t what) override;

  VfioStats stats;
  InjectionPort injection;
  TracePoint trace;

 private:
  std::uint64_t owner() const { return std::uint64_t{1} + trace.component(); }
  // `since`: when what is told of began.
  void tell_freed(ioasid::Ioasid id, Errno error, Instant since);
  void tell_set() const;
  void tell_bound(EventKind kind, Pasid hpasid, std::size_t number, Instant since) const;
  // A PASID that is bound to a page table of the guest: what the id's private data points to.
  struct Binding {
    Pasid gpasid;
    Gpa root;
    std::set<std::size_t> devices;
    std::set<std::size_t> leaving;  // being unbound; its page requests are not forwarded any more
  };
  struct Default {
    Pasid pasid;
    std::uint32_t users = 0;
  };

  Errno take_set();
  Errno find(std::uint64_t hpasid) const;
  bool is_default(ioasid::Ioasid id) const;
  Errno find_for_bind(std::uint64_t hpasid) const;
  Errno may_bind(std::size_t device, const BindGpasid& request) const;
  Errno can_nest(const AssignedDevice& device, const BindGpasid& request) const;
  const vtd::PasidEntry& another_second_stage() const;
  Errno take_references(Thread& thread, const BindGpasid& request, Pasid hpasid);
  void drop_alias(Thread& thread, Pasid hpasid);
  void drop_reference(Thread& thread, Pasid hpasid, bool last);
  void stop_where_enqcmd_leads(Thread& thread, std::size_t device, Pasid hpasid);
  void note_binding(Thread& thread, const BindGpasid& request, std::size_t device);
  Errno free_one(Thread& thread, ioasid::Ioasid id, Instant since);
  void unbind(Thread& thread, std::size_t device, Pasid hpasid, Instant since);
  void unbind_all(Thread& thread, Pasid hpasid);
  Errno set_entry(Thread& thread, const AssignedDevice& device, Pasid pasid,
                  const vtd::PasidEntry& entry);
  bool entry_shared(const Binding& binding, std::size_t device) const;
  void stop(Thread& thread, std::size_t device, Pasid pasid);
  void clear_entry(Thread& thread, std::size_t device, Pasid pasid);
  void answer_for_guest(Thread& thread, const std::vector<GuestFaults::Pending>& groups);
  void respond(Thread& thread, std::size_t device, const PageResponse& response);
  void watch_deadlines();
  void answer_expired(Thread& thread);
  void raise_event(Pasid pasid);

  Engine& engine_;
  std::string path_;
  VfioParams params_;
  HostIds& ids_;
  Workers& host_;
  vtd::PasidEntry second_stage_;
  std::uint32_t number_;
  Mutex mutex_;
  ioasid::SetNumber set_ = ioasid::no_set;
  std::set<ioasid::Ioasid> own_;  // its PASIDs
  bool closed_ = false;
  bool watching_ = false;
  GuestFaultListener* listener_ = nullptr;
  bool event_raised_ = false;
  std::vector<AssignedDevice> devices_;
  std::map<Pasid, Binding> bindings_;
  std::map<Bdf, Default> defaults_;
  GuestFaults faults_;
};

}  // namespace viosim
