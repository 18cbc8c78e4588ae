// The part of a kernel that owns an IOMMU: its tables, and what its caches know of them. The same on
// a host and in a guest.
// SPDX-License-Identifier: Apache-2.0
//
// All of it is by Linux 6.1's drivers/iommu/intel. What is done in which order is data (orders.hpp);
// here is what each step does. A word of a table is written at an instant of its own.
//
// Locks are taken in this order: those of the core, the pasid mutex, the IOMMU's lock, the
// invalidation queue's. The pasid mutex is the callers': functions say where it must be held.
#pragma once

#include "core/base/fields.hpp"
#include "models/cpu/locks.hpp"
#include "models/injection.hpp"
#include "models/iommu/vtd/tables.hpp"
#include "models/kernel/kernel_iommu.hpp"
#include "models/kernel/orders.hpp"
#include "models/trace_point.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace viosim {

struct IommuDriverParams {
  Ps table_write = 5ns;
  Ps barrier = 20ns;
  Ps write_buffer_flush = 200ns;
  Ps config_write = 500ns;
  Ps lock_handover = 100ns;
  std::uint32_t retries = 16;

  static constexpr auto fields() {
    using P = IommuDriverParams;
    return Fields{
        field("table_write", &P::table_write, "Writing 8 bytes of a table.", "assumed: a store"),
        field("barrier", &P::barrier, "Making writes to tables visible before what follows.",
              "assumed"),
        field("write_buffer_flush", &P::write_buffer_flush,
              "Flushing the IOMMU's write buffer, where it has one (RWBF).", "assumed"),
        field("config_write", &P::config_write,
              "Writing a register of a function's configuration space.",
              "assumed: a non-posted request to a device"),
        field("lock_handover", &P::lock_handover,
              "From the release of the IOMMU's lock to the next holder's going on.", "assumed"),
        field("retries", &P::retries,
              "How often an invalidation that a device did not answer in time is submitted again; "
              "then software goes on without it.",
              "Linux 6.1 never gives up")};
  }
  bool operator==(const IommuDriverParams&) const = default;
};

struct IommuDriverStats {
  std::uint64_t set_up = 0;
  std::uint64_t replaced = 0;
  std::uint64_t torn_down = 0;
  std::uint64_t flushes = 0;
  std::uint64_t drains = 0;
  std::uint64_t resubmitted = 0;
  std::uint64_t given_up = 0;
  static constexpr auto fields() {
    using S = IommuDriverStats;
    return Fields{
        metric("set_up", &S::set_up, Unit::count, "PASID entries made present."),
        metric("replaced", &S::replaced, Unit::count, "PASID entries replaced while present."),
        metric("torn_down", &S::torn_down, Unit::count, "PASID entries cleared."),
        metric("flushes", &S::flushes, Unit::count, "Ranges of pages flushed."),
        metric("drains", &S::drains, Unit::count, "Drains of page requests."),
        metric("resubmitted", &S::resubmitted, Unit::count,
               "Submissions made again after a device's time-out."),
        metric("given_up", &S::given_up, Unit::count,
               "Submissions that failed for good; what they were to flush may still be cached.")};
  }
};

// A function's configuration space.
class FunctionConfig {
 public:
  virtual void enable_pasid(bool on) = 0;
  virtual void enable_page_requests(bool on) = 0;
  virtual void enable_ats(bool on) = 0;
  // Whether a read of it is answered.
  virtual bool present() const { return true; }

 protected:
  ~FunctionConfig() = default;
};

// A function behind an IOMMU, as its kernel knows it.
struct IommuFunction {
  std::uint32_t max_pasids = 1U << 20U;  // 2^(width of its PASID capability); 0: it has none
  bool ats = true;
  bool page_requests = true;
  Pasid rid_pasid{0};            // RID_PASID: what stands for requests without a PASID
  Bdf physical_function{};       // whose invalidate queue it shares; 0: it has its own
  std::uint8_t queue_depth = 0;  // of its invalidate queue; 0 means 32
  FunctionConfig* config = nullptr;
};

// Whoever takes the entries of an IOMMU's page request queue, to those who drain it.
class PageRequestService {
 public:
  virtual bool queued(Thread& thread, Pasid pasid) = 0;  // between the queue's head and tail
  virtual bool overflowed(Thread& thread) = 0;           // PRO
  // How often the queue's thread has been through it; waits until it was more often than that.
  virtual std::uint64_t passes() const = 0;
  virtual void wait_for_pass(Thread& thread, std::uint64_t after) = 0;
  // Until all that was taken of this function and PASID is answered.
  virtual void flush(Thread& thread, Bdf source, Pasid pasid) = 0;

 protected:
  ~PageRequestService() = default;
};

struct PageRange {
  Iova address;
  std::uint64_t pages = 1;  // of 4 KiB
  bool leaf_only = false;   // IH: no table page was freed
};

class IommuDriver {
 public:
  // All first-level and pass-through entries have it; real domains have numbers from 2 on.
  static constexpr DomainId first_level_domain{1};

  // `tables`: in iommu.memory(). `pasid_mutex`: of the kernel; all its drivers share it.
  IommuDriver(Engine& engine, const IommuDriverParams& params, KernelIommu& iommu,
              vtd::Tables& tables, Mutex& pasid_mutex);

  Orders orders;
  IommuDriverStats stats;
  TracePoint trace;
  InjectionPort injection;  // of the steps of its orders

  // Whose PASIDs a function's table has from now on, for the trace: its user's, or the kernel's.
  void tell_own_numbers(Thread& thread, Bdf source, bool own) const;

  KernelIommu& iommu() { return iommu_; }
  vtd::Tables& tables() { return tables_; }
  SpinLock& lock() { return lock_; }
  Mutex& pasid_mutex() { return pasid_mutex_; }
  void serve_page_requests(PageRequestService& service) { page_requests_ = &service; }

  // Functions. -EEXIST: it is known.
  Errno add(Thread& thread, Bdf source, const IommuFunction& function);
  // Its PASIDs are torn down. -ENODEV: it is not known.
  Errno remove(Thread& thread, Bdf source);
  // Software learns that it is not there any more: nothing is sent to it from now on.
  void gone(Bdf source);
  const IommuFunction* function(Bdf source) const;
  bool ats_enabled(Bdf source) const;
  bool page_requests_enabled(Bdf source) const;
  std::uint32_t pasid_limit(Bdf source) const;  // its PASIDs are below

  // A PASID entry; P of `entry` is not looked at. -ENODEV: no such function, or beyond its table.
  // -EINVAL: a type, width or bit that the IOMMU does not have. -EBUSY: present already.
  Errno set_up(Thread& thread, Bdf source, Pasid pasid, const vtd::PasidEntry& entry);
  // Rights and snooping of a present entry. -ENOENT: not present. -EINVAL: more than those differs.
  Errno change(Thread& thread, Bdf source, Pasid pasid, const vtd::PasidEntry& entry);
  // Another address space in place of a present entry's: no request finds none. What is cached is of
  // the old one until this returns. Errors of set_up(), but -EINVAL: not present.
  Errno replace(Thread& thread, Bdf source, Pasid pasid, const vtd::PasidEntry& entry);
  // `quiet`: leaves FPD set, so that faults from now on are not reported. -ENOENT: not present; one
  // that was left quiet is zeroed nevertheless.
  Errno tear_down(Thread& thread, Bdf source, Pasid pasid, bool quiet = false);
  bool present(Bdf source, Pasid pasid) const;
  // After tear_down() of an entry that had this domain. The pasid mutex is held, and given away
  // while faults are waited for. Does nothing where page requests are off.
  Errno drain_page_requests(Thread& thread, Bdf source, Pasid pasid, DomainId domain);

  // Domains. -ENOSPC: there is no number left.
  Result<DomainId> take_domain();
  void give_back_domain(Thread& thread, DomainId domain);  // no entry has it
  // What requests without a PASID use; errors of set_up().
  Errno attach(Thread& thread, Bdf source, const vtd::PasidEntry& entry);
  Errno detach(Thread& thread, Bdf source);

  // After the tables have changed: a first level's, for one function; a second level's, for all that
  // have the domain. A range is flushed in aligned chunks of a power of two, as Linux does: at most
  // two, which cover more than was asked for.
  Errno flush_first_level(Thread& thread, Bdf source, Pasid pasid, DomainId domain,
                          PageRange range);
  Errno flush_second_level(Thread& thread, DomainId domain, PageRange range);
  Errno flush_mapped(Thread& thread, DomainId domain, PageRange range);

  // Submits until no device's time-out aborts it. -ETIMEDOUT: given up.
  Errno submit(Thread& thread, std::vector<vtd::Descriptor> descriptors, bool drain = false);

 private:
  struct Function {
    IommuFunction is;
    bool pasid = false;
    bool page_requests = false;
    bool ats = false;
    bool present = true;
  };
  struct Member {  // an entry that has a domain
    Bdf source;
    Pasid pasid;
    vtd::PasidEntry::Type type;
    bool operator==(const Member&) const = default;
  };
  struct Job;  // what an order is about

  Errno check(const vtd::PasidEntry& entry) const;
  void run(Order order, Job& job);
  bool skips(Order order, std::vector<OrderStep>& steps, std::size_t at, Pasid pasid) const;
  bool applies(When when) const;
  void take(Step step, Job& job);
  void write_table(Step step, Job& job);
  void tell_nested(const Job& job) const;
  void tell_given_up(const Thread& thread, const std::vector<vtd::Descriptor>& descriptors) const;
  void tell_written(const Job& job, std::uint16_t code) const;
  void tell_context(const Job& job, std::uint16_t code) const;
  void flush(Step step, Job& job);
  void configure(Step step, Job& job);
  void write(Job& job, Hpa at, std::uint64_t word);
  void write_context(Job& job);
  void write_fields(Job& job);
  void write_changes(Job& job);
  void write_entry(Job& job);
  void clear_present(Job& job);
  void zero_entry(Job& job);
  void flush_device_tlbs(Job& job, bool pages);
  void drain_hardware(Job& job);
  void wait_for_queue(Job& job);
  void flush_faults(Job& job);
  void release_domain(Job& job);
  void submit_one(Job& job, const vtd::Descriptor& descriptor);
  Errno flush_range(Order order, Job& job, PageRange range);
  vtd::Descriptor iotlb_of(const Job& job) const;
  vtd::Descriptor device_tlb_of(const Member& of, bool everything, const Job& job) const;
  Errno set_up_entry(Job& job);
  Errno tear_down_entry(Job& job);
  void join(const Member& member, DomainId domain);
  void leave(const Member& member, DomainId domain);
  void leave_all(Bdf source, Pasid pasid);
  bool reachable(Bdf source) const;
  bool answers(Bdf source) const;

  IommuDriverParams params_;
  KernelIommu& iommu_;
  vtd::Tables& tables_;
  Mutex& pasid_mutex_;
  SpinLock lock_;
  PageRequestService* page_requests_ = nullptr;
  std::unordered_map<Bdf, Function> functions_;  // looked up, and never gone through
  std::map<DomainId, std::vector<Member>> members_;
  std::map<std::pair<Bdf, Pasid>, std::vector<DomainId>> joined_;  // one for each membership
  std::set<DomainId> free_domains_;                                // that were used before
  std::set<DomainId> stale_domains_;  // entries had them since their last flush
  std::uint32_t next_domain_ = 2;
};

}  // namespace viosim
