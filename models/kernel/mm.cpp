// Mapping, faulting in, unmapping, and the end of a process.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/mm.hpp"

#include <algorithm>
#include <utility>

namespace viosim {
namespace {

bool allows(Permissions permissions, Permissions wanted) {
  return (permissions.read || !wanted.read) && (permissions.write || !wanted.write) &&
         (permissions.execute || !wanted.execute);
}

}  // namespace

Mm::Mm(Engine& engine, std::string name, const MmParams& params, TableMemory& tables,
       FramePool& frames, unsigned levels)
    : engine_(engine),
      name_(std::move(name)),
      params_(params),
      frames_(frames),
      table_(tables, TableFormat::first_level, levels),
      lock_(engine, name_ + ".mmap_lock", params.mutex_wake) {}

const Region* Mm::region_of(Iova address) const {
  auto after = regions_.upper_bound(address);
  if (after == regions_.begin()) return nullptr;
  const Region& region = std::prev(after)->second;
  return address < region.end() ? &region : nullptr;
}

bool Mm::overlaps(Iova base, std::uint64_t pages) const {
  const Iova end = base + Bytes(pages << 12U);
  const auto next = regions_.lower_bound(base);
  return region_of(base) != nullptr || (next != regions_.end() && next->first < end);
}

// A process' half of the addresses: the upper one is its kernel's.
bool Mm::in_reach(Iova base, std::uint64_t pages) const {
  const std::uint64_t limit = table_.limit().value() / 2;
  return base.page_offset(page_4k) == Bytes(0) && pages > 0 && base.value() < limit &&
         pages <= (limit - base.value()) >> 12U;
}

Errno Mm::map(Thread& thread, const Region& region) {
  if (!in_reach(region.base, region.pages)) return Errno::einval;
  const Guard guard(lock_, thread);
  thread.run(params_.region);
  if (dying_) return Errno::einval;
  for (const auto& [base, window] : reserved_) {
    if (region.base < window.end() && base < region.end()) return Errno::einval;
  }
  if (overlaps(region.base, region.pages)) return Errno::eexist;
  regions_.emplace(region.base, region);
  return Errno::ok;
}

// Takes [base, end) out of all regions.
void Mm::cut(Iova base, Iova end) {
  std::vector<Region> kept;
  for (auto at = regions_.begin(); at != regions_.end();) {
    const Region region = at->second;
    if (region.end() <= base || end <= region.base) {
      ++at;
      continue;
    }
    at = regions_.erase(at);
    Region part = region;
    part.pages = base > region.base ? (base - region.base).count() >> 12U : 0;
    if (part.pages > 0) kept.push_back(part);
    if (end < region.end()) {
      part.base = end;
      part.pages = (region.end() - end).count() >> 12U;
      kept.push_back(part);
    }
  }
  for (const Region& part : kept) regions_.emplace(part.base, part);
}

std::vector<Hpa> Mm::clear_pages(Thread& thread, Iova base, Iova end) {
  std::vector<Hpa> frames;
  for (auto at = resident_.lower_bound(base); at != resident_.end() && at->first < end;) {
    thread.run(params_.page_unmap);
    table_.unmap(at->first, 1);
    frames.push_back(at->second);
    at = resident_.erase(at);
  }
  stats.unmapped += frames.size();
  return frames;
}

// The order that safety needs: entries, then caches, then the frames. Notifiers may come and go
// while they are called.
Errno Mm::unmap(Thread& thread, Iova base, std::uint64_t pages) {
  if (!in_reach(base, pages)) return Errno::einval;
  const Guard guard(lock_, thread);
  thread.run(params_.region);
  const Iova end = base + Bytes(pages << 12U);
  if (!overlaps(base, pages)) return Errno::ok;
  cut(base, end);
  const Instant since = engine_.now();
  const std::vector<Hpa> frames = clear_pages(thread, base, end);
  const std::vector<MmNotifier*> told = notifiers_;
  for (MmNotifier* notifier : told) notifier->invalidate_range(thread, *this, {base, pages});
  if (trace.on() && !frames.empty()) tell_unmapped(base, pages, since);
  for (const Hpa frame : frames) frames_.give_back(frame);
  return Errno::ok;
}

void Mm::take_pasid(Pasid number) {
  pasid = number;
  if (!trace.on()) return;
  for (const auto& [page, frame] : resident_) tell_mapped(page, frame);
}

void Mm::tell_mapped(Iova page, Hpa frame) const {
  trace.emit({.kind = EventKind::map,
              .time = engine_.now(),
              .pasid = pasid.value_or(no_pasid),
              .address = page.value(),
              .value = frame.value(),
              .code = 1});
}

// One event names so many pages at most.
void Mm::tell_unmapped(Iova base, std::uint64_t pages, Instant since) const {
  constexpr std::uint64_t most = 0xffff;
  for (std::uint64_t told = 0; told < pages; told += most) {
    trace.emit({.kind = EventKind::unmap,
                .time = engine_.now(),
                .pasid = pasid.value_or(no_pasid),
                .address = (base + Bytes(told << 12U)).value(),
                .code = static_cast<std::uint16_t>(std::min(pages - told, most)),
                .duration = engine_.now() - since});
  }
}

// What is on a disk is fetched without the lock; then everything is looked at again.
Errno Mm::fault(Thread& thread, Iova address, Permissions wanted) {
  const Iova page = address.page_base(page_4k);
  bool fetched = false;
  ++stats.faults;
  for (;;) {
    Backing backing{};
    {
      const Guard guard(lock_, thread);
      if (!fetched) thread.run(params_.fault);
      const Region* const region = dying_ ? nullptr : region_of(page);
      const Errno error = region == nullptr                      ? Errno::efault
                          : !allows(region->permissions, wanted) ? Errno::eacces
                                                                 : Errno::ok;
      if (error != Errno::ok) {
        ++stats.refused;
        return error;
      }
      if (resident_.contains(page)) return Errno::ok;
      backing = region->backing;
      if (fetched || backing == Backing::memory) {
        const std::optional<Hpa> frame = frames_.take();
        if (!frame) return Errno::enomem;
        table_.map(page, *frame, 1, region->permissions);
        resident_.emplace(page, *frame);
        ++stats.mapped;
        if (trace.on()) tell_mapped(page, *frame);
        return Errno::ok;
      }
    }
    thread.sleep(backing == Backing::swap ? params_.swap_in : params_.file_read);
    fetched = true;
  }
}

Errno Mm::populate(Thread& thread) {
  std::vector<Region> all;
  for (const auto& [base, region] : regions_) all.push_back(region);
  for (const Region& region : all) {
    for (Iova page = region.base; page < region.end(); page = page + page_4k) {
      if (const Errno error = fault(thread, page, {}); error != Errno::ok) return error;
    }
  }
  return Errno::ok;
}

Errno Mm::reserve(Iova base, std::uint64_t pages) {
  if (overlaps(base, pages)) return Errno::ebusy;
  reserved_.emplace(base, Region{base, pages});
  return Errno::ok;
}

// Linux' exit_mmap: whoever translates by it has been told to stop, and is not told of single pages.
void Mm::exit(Thread& thread) {
  ensure(!dying_, "a process ends twice");
  dying_ = true;
  const Instant since = engine_.now();
  const std::vector<MmNotifier*> told = notifiers_;
  for (MmNotifier* notifier : told) notifier->release(thread, *this);
  {
    const Guard guard(lock_, thread);
    give_all_back(thread, since);
    regions_.clear();
  }
  put(thread);
}

// All entries go before the first frame is used again.
void Mm::give_all_back(Thread& thread, Instant since) {
  std::vector<Region> emptied;
  std::vector<Hpa> frames;
  for (const auto& [base, region] : regions_) {
    const std::vector<Hpa> its = clear_pages(thread, base, region.end());
    if (!its.empty()) emptied.push_back(region);
    frames.insert(frames.end(), its.begin(), its.end());
  }
  if (trace.on())
    for (const Region& region : emptied) tell_unmapped(region.base, region.pages, since);
  for (const Hpa frame : frames) frames_.give_back(frame);
}

void Mm::add_notifier(MmNotifier& notifier) {
  if (std::find(notifiers_.begin(), notifiers_.end(), &notifier) == notifiers_.end())
    notifiers_.push_back(&notifier);
}

void Mm::remove_notifier(MmNotifier& notifier) { std::erase(notifiers_, &notifier); }

void Mm::put(Thread& thread) {
  ensure(references_ > 0, "an address space is dropped more often than it was taken");
  if (--references_ > 0) return;
  const std::vector<MmNotifier*> told = std::exchange(notifiers_, {});
  for (MmNotifier* notifier : told) notifier->dropped(thread, *this);
}

}  // namespace viosim
