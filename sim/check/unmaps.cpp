// What was flushed between an unmapping's beginning and its end.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/unmaps.hpp"

#include "models/iommu/vtd/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace viosim::check {
namespace {

using Kind = vtd::DescriptorType;
using By = vtd::Granularity;

constexpr std::size_t most_flushes = 1024;

bool of_translations(std::uint16_t type) {
  const auto kind = static_cast<Kind>(type);
  return kind == Kind::iotlb || kind == Kind::pasid_iotlb || kind == Kind::pasid_device_tlb;
}

// Translations of these are made by tables that belong to the PASID.
bool by_pasid(std::uint8_t type) {
  using Type = vtd::PasidEntry::Type;
  return type == static_cast<std::uint8_t>(Type::first_level) ||
         type == static_cast<std::uint8_t>(Type::nested);
}

struct Pages {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

Pages pages_of(const vtd::Descriptor& order) {
  const bool of_pages = order.type == Kind::pasid_device_tlb || order.granularity == By::page;
  const bool all = !of_pages || order.address_mask >= vtd::Descriptor::every_address;
  if (all) return {0, ~std::uint64_t{0}};
  const std::uint64_t size = std::uint64_t{4096} << order.address_mask;
  const std::uint64_t begin = order.address.value() & ~(size - 1);
  return {begin, begin + size};
}

Pages overlap(const Pages& a, const Pages& b) {
  return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
}

// What a flush reaches, and when hardware began with it.
struct Reached {
  Pages pages;
  std::int64_t begun = 0;
};

// Whether each of these pages is reached by one of those, begun not after that.
bool covered(std::vector<Reached> by, Pages pages,
             std::int64_t until = std::numeric_limits<std::int64_t>::max()) {
  std::erase_if(by, [&](const Reached& one) { return one.begun > until; });
  std::sort(by.begin(), by.end(),
            [](const Reached& a, const Reached& b) { return a.pages.begin < b.pages.begin; });
  for (const Reached& one : by)
    if (one.pages.begin <= pages.begin) pages.begin = std::max(pages.begin, one.pages.end);
  return pages.begin >= pages.end;
}

}  // namespace

void Unmaps::observe(const TraceEvent& event) {
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::table_write:
      return written(event);
    case EventKind::invalidate:
      return of_translations(event.code) && !present_.empty() ? completed(event) : void();
    case EventKind::unmap:
      return unmapped(event);
    case EventKind::bind:
      if (event.code == trace_code::for_guest) {
        stand_for_[{scene_.machine_of(event.component), static_cast<std::uint32_t>(event.address)}]
            .insert(scene_.number_of(event));
      }
      return;
    case EventKind::unbind:
      if (event.code == trace_code::for_guest) {
        stand_for_[{scene_.machine_of(event.component), static_cast<std::uint32_t>(event.address)}]
            .erase(scene_.number_of(event));
      }
      return;
    case EventKind::moved:
      return forget_guest(scene_.machine_of(event.component));
    case EventKind::reset:
      forgot_[{scene_.machine_of(event.component), static_cast<std::uint16_t>(event.value)}] =
          event.time;
      return;
    default:
      return;
  }
}

// What it had in the host that it left is not used any more, and goes later.
void Unmaps::forget_guest(std::uint32_t machine) {
  const auto end = stand_for_.lower_bound({machine + 1, 0});
  for (auto at = stand_for_.lower_bound({machine, 0}); at != end; ++at) {
    std::erase_if(at->second, [&](const Number& number) {
      return scene_.home_of(number) != scene_.host_of(machine);
    });
  }
}

void Unmaps::written(const TraceEvent& event) {
  const EntryWritten how = EntryWritten::decode(event.value);
  if (how.caching || event.pasid == 0) return;
  const Number number = scene_.number_of(event);
  const Place place{scene_.unit_of(event.component), how.source};
  if (event.code == trace_code::entry_set && by_pasid(how.type)) {
    const std::uint32_t machine = scene_.machine_of(event.component);
    const bool used = how.device_tlb && !scene_.gone(machine, how.source);
    flushes_[place.first].wanted = true;
    present_[number][place] = {machine, how.domain, used, scene_.link(event)};
    return;
  }
  auto* const its = present_.find(number);
  if (event.code == trace_code::entry_fields || its == nullptr) return;
  its->erase(place);  // a changed one is judged by what its change has to flush
  if (its->empty()) present_.erase(number);
}

void Unmaps::completed(const TraceEvent& event) {
  Flushes& flushes = flushes_[scene_.unit_of(event.component)];
  if (!flushes.wanted || !vtd::Descriptor::decodable(event.value)) return;
  if (flushes.last.size() == most_flushes) {
    flushes.forgotten = flushes.last.front().done;
    flushes.last.pop_front();
  }
  flushes.last.push_back({vtd::Descriptor::decode(event.value, event.address),
                          event.time - event.duration, event.time});
}

void Unmaps::unmapped(const TraceEvent& event) {
  if (event.pasid == 0) return;
  const Number number = scene_.number_of(event);
  if (scene_.shared_with_orphans(number)) return;
  unmapped(event, number);
  const auto hosts = stand_for_.find(number);
  if (hosts == stand_for_.end()) return;
  // What a host has for a guest that comes to it, or does not after all, leads to memory of that host.
  for (const Number& one : hosts->second)
    if (scene_.home_of(one) == scene_.host_of(number.machine)) unmapped(event, one);
}

void Unmaps::unmapped(const TraceEvent& event, const Number& number) {
  const auto* const its = present_.find(number);
  if (its == nullptr) return;
  const std::int64_t since = event.time - event.duration;
  for (const auto& [place, entry] : *its)
    if (entry.set.event.time < since) check(event, number, place, entry);
}

// A device TLB is filled from the IOTLB: flushed before that was, it may hold the old again.
void Unmaps::check(const TraceEvent& event, const Number& number, const Place& place,
                   const Entry& entry) {
  const Flushes& flushes = flushes_[place.first];
  const std::int64_t since = event.time - event.duration;
  if (flushes.forgotten >= since) return;
  const Pages pages{event.address, event.address + (std::uint64_t{event.code} << 12U)};
  const auto of_iotlb = [&](const vtd::Descriptor& order) {
    const bool its = order.domain.value() == entry.domain;
    if (order.type == Kind::iotlb)
      return order.granularity == By::global || (its && order.granularity == By::domain);
    return order.type == Kind::pasid_iotlb && its && order.pasid.value() == number.pasid;
  };
  const auto of_device = [&](const vtd::Descriptor& order) {
    return order.type == Kind::pasid_device_tlb && order.source.value() == place.second &&
           (order.all_pasids || order.pasid.value() == number.pasid);
  };
  std::vector<Reached> iotlb;
  std::vector<Reached> device;
  for (auto at = flushes.last.rbegin(); at != flushes.last.rend() && at->done >= since; ++at) {
    if (of_iotlb(at->order)) iotlb.push_back({pages_of(at->order), at->begun});
    if (of_device(at->order)) device.push_back({pages_of(at->order), at->begun});
  }
  const bool iotlb_told = covered(iotlb, pages);
  if (!iotlb_told)
    complain(Invariant::flush_before_reuse, event, number, entry,
             "the IOTLB has not been told to forget all of them");
  if (!entry.device_tlb || has_forgotten(entry, place.second, since)) return;
  const std::string its_tlb = fmt::format("the TLB of function {} has", requester(place.second));
  if (!covered(device, pages))
    return complain(Invariant::flush_before_reuse, event, number, entry,
                    its_tlb + " not been told to forget all of them");
  std::erase_if(device, [&](const Reached& one) {
    return !covered(iotlb, overlap(one.pages, pages), one.begun);
  });
  if (iotlb_told && !covered(device, pages))
    complain(Invariant::flush_order, event, number, entry,
             its_tlb + " been told to forget them before the IOTLB was");
}

// A reset empties its TLB, which may be filled again. What was bound to one that vanished is not used again, though
// the function comes back.
bool Unmaps::has_forgotten(const Entry& entry, std::uint16_t source, std::int64_t since) const {
  if (scene_.vanished_since(entry.machine, source, entry.set.event.time)) return true;
  const auto reset = forgot_.find({entry.machine, source});
  return reset != forgot_.end() && reset->second >= since;
}

void Unmaps::complain(Invariant invariant, const TraceEvent& event, const Number& number,
                      const Entry& entry, const std::string& what) {
  scene_.violate(event, {.invariant = invariant,
                         .number = number,
                         .epoch = entry.set.event.epoch,
                         .message = fmt::format("{} pages from {:#x} on are unmapped, and {}",
                                                event.code, event.address, what),
                         .evidence = {entry.set}});
}

}  // namespace viosim::check
