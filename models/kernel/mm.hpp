// The address space of a process: its regions, its page table, and who else translates by it.
// SPDX-License-Identifier: Apache-2.0
//
// Pages of a region get a frame when they are first touched, by the processor or by a device. When
// pages go, everybody who may have cached them is told before their frames are used again.
//
// The lock of an address space is taken by one at a time here; Linux' has readers and writers.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "models/cpu/locks.hpp"
#include "models/iommu/page_table.hpp"
#include "models/kernel/errno.hpp"
#include "models/kernel/frame_pool.hpp"
#include "models/kernel/iommu_driver.hpp"
#include "models/trace_point.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

struct MmParams {
  Ps fault = 1500ns;
  Ps swap_in = 100us;
  Ps file_read = 5ms;
  Ps region = 500ns;
  Ps page_unmap = 20ns;
  Ps mutex_wake = 3us;

  static constexpr auto fields() {
    using P = MmParams;
    return Fields{
        field("fault", &P::fault, "Finding the region of an address and mapping its page.",
              "assumed, 1-10 us"),
        field("swap_in", &P::swap_in, "The same where the page is swapped out, in addition.",
              "assumed"),
        field("file_read", &P::file_read, "The same where it is in a file.", "assumed"),
        field("region", &P::region, "Making, changing or removing a region.", "assumed"),
        field("page_unmap", &P::page_unmap, "Clearing the entry of a page that is mapped.",
              "assumed"),
        field("mutex_wake", &P::mutex_wake, "Waking up who waits for the address space's lock.",
              "assumed")};
  }
  bool operator==(const MmParams&) const = default;
};

struct MmStats {
  std::uint64_t faults = 0;
  std::uint64_t refused = 0;
  std::uint64_t mapped = 0;
  std::uint64_t unmapped = 0;
  static constexpr auto fields() {
    using S = MmStats;
    return Fields{
        metric("faults", &S::faults, Unit::count, "Page faults, of processors and devices."),
        metric("refused", &S::refused, Unit::count, "Of these, not allowed."),
        metric("mapped", &S::mapped, Unit::count, "Pages that got a frame."),
        metric("unmapped", &S::unmapped, Unit::count, "Pages that lost it.")};
  }
};

// Where a page's content is before it is touched first.
enum class Backing : std::uint8_t { memory, swap, file };

constexpr auto choices(Backing) {
  return std::array{Choice{Backing::memory, "memory", "zeroes, or the page cache: a minor fault"},
                    Choice{Backing::swap, "swap", "swapped out"},
                    Choice{Backing::file, "file", "a file on a disk"}};
}

struct Region {
  Iova base;
  std::uint64_t pages = 0;
  Permissions permissions{true, true, false, true};
  Backing backing = Backing::memory;
  Iova end() const { return base + Bytes(pages << 12U); }
};

class Mm;

// Who translates by an address space, too (Linux' mmu notifiers).
class MmNotifier {
 public:
  // Pages are unmapped: returns when nothing translates to their frames any more.
  virtual void invalidate_range(Thread& thread, Mm& mm, PageRange range) = 0;
  // The process ends: nothing may translate by it any more. Told once.
  virtual void release(Thread& thread, Mm& mm) = 0;
  // Nobody refers to it any more.
  virtual void dropped(Thread& thread, Mm& mm) = 0;

 protected:
  ~MmNotifier() = default;
};

class Mm {
 public:
  // `tables`: of its kernel. The process itself is its first reference.
  Mm(Engine& engine, std::string name, const MmParams& params, TableMemory& tables,
     FramePool& frames, unsigned levels = 4);
  Mm(const Mm&) = delete;
  Mm& operator=(const Mm&) = delete;

  const std::string& name() const { return name_; }
  PageTable& table() { return table_; }
  Mutex& lock() { return lock_; }
  bool dying() const { return dying_; }
  std::size_t resident() const { return resident_.size(); }  // pages

  // -EINVAL: not a range of whole pages within the table's reach, reserved, or the process ends.
  // -EEXIST: overlaps.
  Errno map(Thread& thread, const Region& region);
  // What of regions lies in the range goes; -EINVAL as above.
  Errno unmap(Thread& thread, Iova base, std::uint64_t pages);
  // A page fault of who wants all of this. -EFAULT: no region there. -EACCES: it does not allow
  // that. -ENOMEM: no frame.
  Errno fault(Thread& thread, Iova address, Permissions wanted);
  // Faults all of it in, for devices that cannot ask for pages.
  Errno populate(Thread& thread);
  // No region will be there; -EBUSY: one is.
  Errno reserve(Iova base, std::uint64_t pages);
  // The process ends: notifiers are told, then all pages go, and its own reference.
  void exit(Thread& thread);

  void add_notifier(MmNotifier& notifier);
  void remove_notifier(MmNotifier& notifier);
  void get() { ++references_; }
  void put(Thread& thread);
  std::uint32_t references() const { return references_; }

  // The number of its PASID, which events have from now on: what is mapped already is told again with it.
  void take_pasid(Pasid number);

  // Its PASID, from the first bind to a device on (Linux' mm->pasid).
  std::optional<Pasid> pasid;
  // IA32_PASID of its thread, the only one, is valid: by its first ENQCMD.
  bool pasid_loaded = false;
  MmStats stats;
  TracePoint trace;

 private:
  bool in_reach(Iova base, std::uint64_t pages) const;
  const Region* region_of(Iova address) const;
  bool overlaps(Iova base, std::uint64_t pages) const;
  void cut(Iova base, Iova end);
  void tell_mapped(Iova page, Hpa frame) const;
  void tell_unmapped(Iova base, std::uint64_t pages, Instant since) const;
  std::vector<Hpa> clear_pages(Thread& thread, Iova base, Iova end);
  void give_all_back(Thread& thread, Instant since);

  Engine& engine_;
  std::string name_;
  MmParams params_;
  FramePool& frames_;
  PageTable table_;
  Mutex lock_;
  std::map<Iova, Region> regions_;  // by base
  std::map<Iova, Region> reserved_;
  std::map<Iova, Hpa> resident_;
  std::vector<MmNotifier*> notifiers_;
  std::uint32_t references_ = 1;
  bool dying_ = false;
};

}  // namespace viosim
