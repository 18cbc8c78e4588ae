// What was taken away, and requests held against it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/stale_use.hpp"

#include "core/base/units.hpp"

#include <fmt/format.h>

namespace viosim::check {

namespace {

constexpr unsigned page_shift = 12;
constexpr std::uint64_t page_size = std::uint64_t{1} << page_shift;

constexpr std::uint64_t page_base(std::uint64_t address) { return address & ~(page_size - 1); }
// Of the pages that an event is about.
constexpr std::uint64_t end_of(const TraceEvent& event) {
  return event.address + (std::uint64_t{event.code} << page_shift);
}

// Not one that was refused, or waits for others.
bool ends_life(const TraceEvent& free) {
  return free.code == 0 || free.code == trace_code::orphaned;
}

}  // namespace

void StaleUse::observe(const TraceEvent& event) {
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::translate:
      return used(event);
    case EventKind::unmap:
      return unmap(event);
    case EventKind::map:
      return map(event);
    case EventKind::table_write:
      return entry_written(event);
    case EventKind::bind:
      return bound(event);
    case EventKind::allocate:
      return number_moves(event);
    case EventKind::free:
      return ends_life(event) ? number_moves(event) : void();
    case EventKind::plug:
      functions_[{scene_.machine_of(event.component), static_cast<std::uint16_t>(event.value)}] =
          event.component;
      return;
    case EventKind::guest_memory:
      guest_memory_[scene_.machine_of(event.component)] = event.value;
      return;
    default:
      return;
  }
}

// A request that was issued before may still be on its way, and answered by what it found.
void StaleUse::used(const TraceEvent& event) {
  if (event.code > outcome_miss || event.pasid == 0) return;
  const std::int64_t issue = event.time - event.duration;
  const OfFunction place{event.component, event.pasid};
  if (const Link* const gone = gone_.find(place); gone != nullptr) {
    gone_before(event, *gone, issue);
    return;
  }
  const Link* const before = of_life_before_.find(place);
  if (before != nullptr && event.epoch != 0 && event.epoch <= before->event.epoch) {
    gone_before(event, *before, issue);
    return;
  }
  const Number here = scene_.number_of(event);
  const Number* const guest = scene_.stands_for(here);
  const Number& number = guest == nullptr ? here : *guest;
  if (!check_unmapped(event, number, issue)) check_page(event, number, issue);
}

void StaleUse::gone_before(const TraceEvent& event, const Link& gone, std::int64_t issue) {
  if (gone.event.time >= issue) return;
  scene_.violate(event,
                 {.invariant = Invariant::no_stale_use,
                  .number = scene_.number_of(event),
                  .epoch = gone.event.epoch,
                  .message = fmt::format(
                      "address {:#x} is translated with PASID {}, whose entry was gone and "
                      "flushed {} before the request",
                      event.address, event.pasid, format_time(Ps(issue - gone.event.time), 12)),
                  .evidence = {gone}});
}

// Whether the page was taken away, and is not there again.
bool StaleUse::check_unmapped(const TraceEvent& event, const Number& number, std::int64_t issue) {
  const Ranges* const ranges = unmapped_.find(number);
  if (ranges == nullptr) return false;
  const auto range = ranges->upper_bound(event.address);
  if (range == ranges->end() || event.address < range->second.begin) return false;
  const Link& unmap = range->second.unmap;
  if (unmap.event.time >= issue) return true;
  scene_.violate(
      event, {.invariant = Invariant::no_stale_use,
              .number = number,
              .epoch = unmap.event.epoch,
              .message = fmt::format("address {:#x} is translated to {:#x}, and was unmapped and "
                                     "flushed {} before the request",
                                     event.address, event.value,
                                     format_time(Ps(issue - unmap.event.time), 12)),
              .evidence = {unmap}});
  return true;
}

// What a function kept from before the page was taken away, or from the life of the number before, leads to a
// frame that may be anybody's by now.
void StaleUse::check_page(const TraceEvent& event, const Number& number, std::int64_t issue) {
  const Pages* const pages = pages_.find(number);
  if (pages == nullptr || !pages->bound || pages->bound->event.time >= issue) return;
  const std::uint64_t page = event.address >> page_shift;
  const std::uint64_t* const frame = pages->frames.find(page);
  const Link* const unmap = pages->mapped_again.find(page);
  if (unmap != nullptr && unmap->event.time >= issue) return;
  const auto there = frame == nullptr ? std::nullopt : in_host(number, *frame);
  if (frame != nullptr && (!there || *there == page_base(event.value))) return;
  const std::string what =
      there ? fmt::format("its page is at {:#x}", *there) : "its process has no page there";
  scene_.violate(event, {.invariant = Invariant::no_stale_use,
                         .number = number,
                         .epoch = pages->bound->event.epoch,
                         .message = fmt::format("address {:#x} is translated to {:#x}, and {}",
                                                event.address, event.value, what),
                         .evidence = {unmap != nullptr ? *unmap : *pages->bound}});
}

// Nothing: it is not known where a guest's memory lies.
std::optional<std::uint64_t> StaleUse::in_host(const Number& number, std::uint64_t address) const {
  const std::uint32_t machine = scene_.home_of(number);
  if (scene_.host_of(machine) == machine) return address;
  const std::uint64_t* const memory = guest_memory_.find(machine);
  if (memory == nullptr) return {};
  return *memory + address;
}

void StaleUse::map(const TraceEvent& event) {
  const Number number = scene_.number_of(event);
  if (event.pasid == 0 || scene_.shared_with_orphans(number)) return;
  Pages& pages = pages_[number];
  const Ranges* const ranges = unmapped_.find(number);
  for (std::uint64_t i = 0; i < event.code; ++i) {
    const std::uint64_t address = event.address + (i << page_shift);
    pages.frames[address >> page_shift] = page_base(event.value) + (i << page_shift);
    if (ranges == nullptr) continue;
    const auto range = ranges->upper_bound(address);
    if (range == ranges->end() || address < range->second.begin) continue;
    pages.mapped_again[address >> page_shift] = range->second.unmap;
  }
  take_range(number, event.address, end_of(event));
}

// It is not unmapped any more, or in another way.
void StaleUse::take_range(const Number& number, std::uint64_t begin, std::uint64_t end) {
  Ranges* const its = unmapped_.find(number);
  if (its == nullptr) return;
  Ranges& ranges = *its;
  for (auto at = ranges.upper_bound(begin); at != ranges.end() && at->second.begin < end;) {
    const Range range = at->second;
    const std::uint64_t its_end = at->first;
    at = ranges.erase(at);
    if (range.begin < begin) ranges[begin] = range;
    if (end < its_end) {
      ranges[its_end] = {end, range.unmap};
      break;
    }
  }
  if (ranges.empty()) unmapped_.erase(number);
}

// The later time counts for all of it: a request of before it is let pass.
void StaleUse::unmap(const TraceEvent& event) {
  const Number number = scene_.number_of(event);
  if (event.pasid == 0 || scene_.shared_with_orphans(number)) return;
  take_range(number, event.address, end_of(event));
  unmapped_[number][end_of(event)] = {event.address, scene_.link(event)};
  Pages* const pages = pages_.find(number);
  if (pages == nullptr) return;
  for (std::uint64_t page = event.address; page < end_of(event); page += page_size) {
    pages->frames.erase(page >> page_shift);
    pages->mapped_again.erase(page >> page_shift);
  }
}

void StaleUse::entry_written(const TraceEvent& event) {
  if (event.pasid == 0) return;
  const EntryWritten how = EntryWritten::decode(event.value);
  const std::uint32_t* const function =
      functions_.find({scene_.machine_of(event.component), how.source});
  if (function == nullptr) return;
  const OfFunction place{*function, event.pasid};
  if (event.code == trace_code::entry_zeroed) {
    gone_[place] = scene_.link(event);
  } else if (event.code == trace_code::entry_set || event.code == trace_code::entry_changed) {
    const Link* const gone = gone_.find(place);
    if (gone == nullptr) return;
    if (gone->event.epoch < event.epoch) of_life_before_[place] = *gone;
    gone_.erase(place);
  }
}

// What the guest maps is what the function uses.
void StaleUse::bound(const TraceEvent& event) {
  const Number number = scene_.number_of(event);
  if (event.code != trace_code::of_process || scene_.orphan(number)) return;
  Pages& pages = pages_[number];
  if (pages.bound) return;
  pages.bound = scene_.link(event);
  ++bound_;
}

// Another life has mapped nothing yet, and taken nothing away.
void StaleUse::number_moves(const TraceEvent& event) {
  const Number number = scene_.number_of(event);
  unmapped_.erase(number);
  forget(number);
}

void StaleUse::forget(const Number& number) {
  const Pages* const pages = pages_.find(number);
  if (pages == nullptr) return;
  if (pages->bound) --bound_;
  pages_.erase(number);
}

}  // namespace viosim::check
