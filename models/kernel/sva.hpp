// Shared virtual addressing: devices that use the address spaces of processes, by PASID.
// SPDX-License-Identifier: Apache-2.0
//
// The interface of 2018's series (init, bind and unbind counted per device and process, a callback
// at the process' end), with the behaviour of Linux 6.1 below it: an address space has one PASID,
// which it keeps until nobody refers to it.
//
// Locks: sva_lock (Linux' iommu_sva_lock) makes binds and unbinds take turns; inside it the pasid
// mutex, which a drain gives away while handlers may need it.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "models/injection.hpp"
#include "models/kernel/io_page_faults.hpp"
#include "models/kernel/iommu_driver.hpp"
#include "models/kernel/mm.hpp"
#include "models/kernel/page_request_thread.hpp"
#include "models/kernel/pasid_space.hpp"
#include "models/trace_point.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

struct SvaParams {
  std::uint32_t min_pasid = 1;
  bool max_exclusive = false;
  bool flush_leaf_only = false;
  Ps mutex_wake = 3us;

  static constexpr auto fields() {
    using P = SvaParams;
    return Fields{
        field("min_pasid", &P::min_pasid, "The lowest PASID that a process gets.",
              "1: entry 0 serves requests without a PASID")
            .from(1)
            .to(0xfffff),
        field("max_exclusive", &P::max_exclusive,
              "A process that has the highest PASID of a device is refused there, as Linux' "
              "iommu_sva_alloc_pasid does.",
              "a defect of Linux 5.17 to 6.3"),
        field("flush_leaf_only", &P::flush_leaf_only,
              "Unmapping lets caches of upper table entries be: table pages are kept here.",
              "Linux 6.1 never does"),
        field("mutex_wake", &P::mutex_wake, "Waking up who waits to bind or unbind.", "assumed")};
  }
  bool operator==(const SvaParams&) const = default;
};

struct SvaStats {
  std::uint64_t binds = 0;
  std::uint64_t unbinds = 0;
  std::uint64_t refused = 0;
  std::uint64_t bound = 0;
  std::uint64_t released = 0;
  std::uint64_t pasids = 0;
  static constexpr auto fields() {
    using S = SvaStats;
    return Fields{metric("binds", &S::binds, Unit::count, "Binds, counted ones included."),
                  metric("unbinds", &S::unbinds, Unit::count, "Unbinds, counted ones included."),
                  metric("refused", &S::refused, Unit::count, "Binds that failed."),
                  metric("bound", &S::bound, Unit::count, "Pairs of device and process bound."),
                  metric("released", &S::released, Unit::count,
                         "Bound pairs whose process ended before they were unbound."),
                  metric("pasids", &S::pasids, Unit::count, "PASIDs given to processes.")};
  }
};

// A driver of a device that binds processes.
class SvaClient {
 public:
  // The process ends: no DMA with this PASID any more when it returns. Unbind is still to be called.
  virtual void mm_exit(Thread& thread, Bdf source, Pasid pasid) = 0;

 protected:
  ~SvaClient() = default;
};

class Sva final : public MmNotifier, public PasidOwners {
 public:
  // Features of a device.
  static constexpr std::uint32_t io_page_faults = 1;

  struct DeviceOptions {
    std::uint32_t features = io_page_faults;
    std::uint32_t max_pasid = 0;  // 0: no limit but the IOMMU's and the device's
    std::uint32_t min_pasid = 0;
    std::vector<Pasid> reserved{};  // beside RID_PASID: never given to a process
    // Who is told of its page requests, and passes on those that are this kernel's; null: they all are.
    PageFaultHandler* faults = nullptr;
  };
  struct BindOptions {
    bool supervisor = false;     // the kernel's own address space: not supported
    bool without_pasid = false;  // all requests of the device that have no PASID use it
    SvaClient* client = nullptr;
  };

  Sva(Engine& engine, const std::string& path, const SvaParams& params, PasidSpace& pasids,
      Mutex& pasid_mutex);

  // An IOMMU of this kernel; null: its devices cannot ask for pages. Before the run.
  void add_iommu(IommuDriver& driver, PageRequestThread* requests, IoPageFaults* faults);
  // Addresses that are no memory to requests without a PASID. At first x86's interrupt window.
  std::vector<Region> windows{{Iova(0xfee0'0000), 256}};

  // -EEXIST: it is. -EINVAL: unknown features, page faults without page requests and ATS, no PASID
  // in both limits. -ENODEV: no such device, it has no PASIDs, or nobody handles its page requests.
  // -EBUSY: a reserved number is in use.
  Errno device_init(Thread& thread, Bdf source, const DeviceOptions& options);
  // Unbinds all. -ENODEV: it was not initialised.
  Errno device_shutdown(Thread& thread, Bdf source);

  // Before the allocator of this kernel's numbers changes what is reserved is given back to it, and taken from the next
  // one after that: where it has to come by itself, it is the kernel's when it comes.
  void lay_reserved_down(Thread& thread);
  void take_reserved_again(Thread& thread);
  std::size_t reserved_held() const;

  // From now on no device is bound: the kernel has turned scalable mode off. What is bound stays so.
  void disable() { disabled_ = true; }
  bool disabled() const { return disabled_; }

  // -ENODEV: not initialised, or disabled. -EOPNOTSUPP: supervisor. -EOVERFLOW: the process has a PASID that the
  // device cannot use. -ENOMEM: no PASID is left in the device's range. -EINVAL: the process ends.
  // -EBUSY: its entry is present, or what lies in a window is mapped. And those of the page tables'
  // population, where devices cannot ask for pages.
  Result<Pasid> bind(Thread& thread, Bdf source, Mm& mm, const BindOptions& options);
  Result<Pasid> bind(Thread& thread, Bdf source, Mm& mm) { return bind(thread, source, mm, {}); }
  // The device no longer uses the PASID. -ENODEV; -EINVAL: it is not bound.
  Errno unbind(Thread& thread, Bdf source, Pasid pasid);

  void invalidate_range(Thread& thread, Mm& mm, PageRange range) override;
  void release(Thread& thread, Mm& mm) override;
  void dropped(Thread& thread, Mm& mm) override;
  Mm* owner(Pasid pasid) override;

  std::size_t bonds() const { return bonds_.size(); }
  Mutex& lock() { return lock_; }

  SvaStats stats;
  TracePoint trace;
  InjectionPort injection;
  Histogram bind_latency;    // of pairs that were not bound before
  Histogram unbind_latency;  // the last one of a pair
  Histogram flush_latency;   // pages unmapped to no device using them

 private:
  struct Bond {
    Bdf source;
    Mm* mm = nullptr;
    Pasid pasid;
    DomainId domain;
    SvaClient* client = nullptr;
    std::uint32_t users = 1;
  };
  struct Iommu {
    IommuDriver* driver;
    PageRequestThread* requests;
    IoPageFaults* faults;
  };
  struct Device {
    Iommu iommu;
    ioasid::Range range;
    std::vector<Pasid> reserved;
    bool faults = false;
  };

  // A reserved number. One that the kernel cannot ask for it has when it comes.
  struct Claim {
    std::uint32_t devices = 0;
    bool held = false;
  };

  using Key = std::pair<Bdf, Pasid>;
  using Bonds = std::map<Key, Bond>;

  const Iommu* iommu_of(Bdf source) const;
  Errno check(const Iommu& iommu, Bdf source, const DeviceOptions& options) const;
  Errno claim(const std::vector<Pasid>& numbers);
  Result<bool> take_reserved(Pasid number);
  void give_back(const std::vector<Pasid>& numbers);
  std::vector<Bond> bonds_of(const Mm& mm) const;
  // `since`: when it began, which is what the trace says how long it took from.
  Result<Pasid> bind_locked(Thread& thread, Bdf source, Mm& mm, const BindOptions& options,
                            Instant since);
  Errno give_pasid(const Device& device, Mm& mm);
  ioasid::Ioasid allocate(const Device& device, Mm& mm);
  Errno take_requests(const Device& device, Mm& mm, Bond& bond);
  Errno make(Thread& thread, const Device& device, const Bond& bond, bool pin);
  void end(Thread& thread, Bonds::iterator bond, Instant since);
  void forget(Thread& thread, Bonds::iterator bond);
  void tell(EventKind kind, const Bond& bond, Instant since) const;
  bool lost(Thread& thread, Message notice, const Mm& mm) const;

  Engine& engine_;
  SvaParams params_;
  PasidSpace& pasids_;
  Mutex lock_;
  Mutex& pasid_mutex_;
  std::vector<Iommu> iommus_;
  std::map<Bdf, Device> devices_;
  Bonds bonds_;
  bool disabled_ = false;
  std::map<Pasid, Claim> claimed_;
};

}  // namespace viosim
