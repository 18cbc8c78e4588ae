// What is due after an entry was cleared, and what completes it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/teardowns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace viosim::check {

namespace {

const char* rewritten(std::uint16_t how) {
  switch (how) {
    case trace_code::entry_zeroed:
      return "the entry is zeroed";
    case trace_code::entry_set:
      return "the entry is made present again";
    default:
      return "the entry is written anew";
  }
}

}  // namespace

void Teardowns::observe(const TraceEvent& event) {
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::table_write:
      return written(event);
    case EventKind::submit:
      return submitted(event);
    case EventKind::viommu:
      return forget(event);
    case EventKind::invalidate:
      return completed(event);
    case EventKind::given_up:
      return not_told(event);
    case EventKind::allocate:
      return number_moves(event, true);
    case EventKind::free:
      return event.code == 0 ? number_moves(event, false) : void();
    case EventKind::unbind:
      return binding_ends(event);
    case EventKind::vanish:
    case EventKind::reset:
      return device_forgets(event);
    case EventKind::unplug:
      return left(event);
    default:
      return;
  }
}

void Teardowns::complain(Invariant invariant, const TraceEvent& at, const Place& place,
                         const Entry& entry, const char* what) {
  std::string open;
  const auto add = [&open](Flush flush, const char* name) {
    if (!Entry::open(flush)) return;
    open += fmt::format("{}{}{}", open.empty() ? "; still to be flushed: " : ", ", name,
                        flush == Flush::early ? " (it was, too early)" : "");
  };
  add(entry.pasid_cache, "PASID cache");
  add(entry.iotlb, "IOTLB");
  add(entry.device_tlb, "device TLB");
  scene_.violate(at,
                 {.invariant = invariant,
                  .number = entry.number,
                  .epoch = entry.epoch,
                  .message = fmt::format("PASID {} of function {}, domain {}: {}{}", place.pasid,
                                         requester(place.source), entry.domain, what, open),
                  .evidence = entry.story.links()});
}

void Teardowns::complain_of_flushes(const TraceEvent& at, const Place& place, const Entry& entry,
                                    const char* what) {
  complain(entry.in_wrong_order() ? Invariant::flush_order : Invariant::flush_before_reuse, at,
           place, entry, what);
}

void Teardowns::written(const TraceEvent& event) {
  const EntryWritten how = EntryWritten::decode(event.value);
  const Place place{{scene_.unit_of(event.component), event.pasid}, how.source};
  if (!how.caching && !scene_.gone(scene_.machine_of(event.component), how.source))
    device_tlbs_[{place.unit, how.source}] = how.device_tlb;
  if (event.code == trace_code::entry_fields) return;
  if (event.code == trace_code::entry_cleared) return cleared(event, how, place);
  Entry* const found = find(place);
  if (found != nullptr && !found->flushed())
    complain_of_flushes(event, place, *found, rewritten(event.code));
  if (event.code == trace_code::entry_changed || event.code == trace_code::entry_replaced)
    return changed(event, how, place);
  if (event.code == trace_code::entry_zeroed) {
    if (found != nullptr && found->flushed()) erase(place);
    return;
  }
  // Behind a vIOMMU that has vanished nobody can use it, whatever its kernel believes.
  if (how.caching && behind_gone(event.component)) return;
  const std::uint32_t machine = scene_.machine_of(event.component);
  units_[machine].insert(place.unit);
  drivers_[place.unit] = event.component;
  std::erase(unflushed_[place.unit], place);
  Entry entry;
  entry.source = place.source;
  entry.machine = machine;
  entry.number = scene_.number_of(event);
  entry.epoch = event.epoch;
  entry.domain = how.domain;
  entry.present = true;
  entry.caching = how.caching;
  entry.story.add(scene_.link(event));
  add(place) = std::move(entry);
}

Teardowns::Entry* Teardowns::find(const Place& place) {
  Entries* const row = entries_[place.unit].find(place.pasid);
  if (row == nullptr) return nullptr;
  const auto found = std::find_if(row->begin(), row->end(),
                                  [&](const Entry& one) { return one.source == place.source; });
  return found == row->end() ? nullptr : &*found;
}

Teardowns::Entry& Teardowns::add(const Place& place) {
  if (Entry* const there = find(place)) return *there;
  Entries& row = entries_[place.unit][place.pasid];
  const auto at = std::find_if(row.begin(), row.end(),
                               [&](const Entry& one) { return one.source > place.source; });
  of_functions_[{place.unit, place.source}].insert(place.pasid);
  return *row.emplace(at);
}

void Teardowns::erase(const Place& place) {
  Entries& row = entries_[place.unit][place.pasid];
  std::erase_if(row, [&](const Entry& one) { return one.source == place.source; });
  if (row.empty()) entries_[place.unit].erase(place.pasid);
  if (auto* const its = of_functions_.find({place.unit, place.source})) its->erase(place.pasid);
}

void Teardowns::begin_flushes(const TraceEvent& event, const EntryWritten& how, const Place& place,
                              Entry& entry) {
  entry.epoch = event.epoch;
  entry.domain = how.domain;
  entry.pasid_cache = entry.iotlb = Flush::due;
  const bool has_tlb = how.device_tlb && !scene_.gone(entry.machine, how.source);
  entry.device_tlb = has_tlb ? Flush::due : Flush::none_due;
  std::vector<Place>& unflushed = unflushed_[place.unit];
  if (std::find(unflushed.begin(), unflushed.end(), place) == unflushed.end())
    unflushed.push_back(place);
}

void Teardowns::changed(const TraceEvent& event, const EntryWritten& how, const Place& place) {
  Entry* const found = find(place);
  if (found == nullptr || !found->present || how.caching) return;
  found->story.add(scene_.link(event));
  begin_flushes(event, how, place, *found);
}

void Teardowns::cleared(const TraceEvent& event, const EntryWritten& how, const Place& place) {
  Entry* const found = find(place);
  if (found == nullptr) return;
  if (how.caching) return erase(place);
  Entry& entry = *found;
  entry.present = false;
  entry.story.add(scene_.link(event));
  begin_flushes(event, how, place, entry);
}

// What a function does not cache needs no flush, and would not answer one. One that has vanished is
// asked again what it did not answer.
void Teardowns::submitted(const TraceEvent& event) {
  const auto type = static_cast<vtd::DescriptorType>(event.code);
  const bool of_device_tlb =
      type == vtd::DescriptorType::device_tlb || type == vtd::DescriptorType::pasid_device_tlb;
  if (!of_device_tlb || !vtd::Descriptor::decodable(event.value)) return;
  const auto descriptor = vtd::Descriptor::decode(event.value, event.address);
  const bool* const used =
      device_tlbs_.find({scene_.unit_of(event.component), descriptor.source.value()});
  if (used == nullptr || *used) return;
  if (scene_.gone(scene_.machine_of(event.component), descriptor.source.value())) return;
  scene_.violate(Invariant::flush_order, event,
                 fmt::format("the device TLB of function {} is flushed, which is not used",
                             descriptor.source.text()));
}

template <class Visit>
void Teardowns::visit_row(const Row& row, Visit&& visit) {
  std::vector<std::uint16_t> sources;
  if (const Entries* const its = entries_[row.unit].find(row.pasid))
    for (const Entry& entry : *its) sources.push_back(entry.source);
  for (const std::uint16_t source : sources) visit(Place{row, source}, *find({row, source}));
}

template <class Visit>
void Teardowns::for_each(std::uint32_t machine, std::uint32_t pasid, Visit&& visit) {
  const auto units = units_.find(machine);
  if (units == units_.end()) return;
  for (const std::uint32_t unit : units->second) visit_row({unit, pasid}, visit);
}

template <class Visit>
void Teardowns::for_each_of(std::uint32_t machine, std::uint16_t source, Visit&& visit) {
  const auto units = units_.find(machine);
  if (units == units_.end()) return;
  for (const std::uint32_t unit : units->second) {
    const auto* const its = of_functions_.find({unit, source});
    if (its == nullptr) continue;
    for (const std::uint32_t pasid : std::vector<std::uint32_t>(its->begin(), its->end())) {
      const Place place{{unit, pasid}, source};
      visit(place, *find(place));
    }
  }
}

// Of a guest's entry its vIOMMU has not heard: nobody can use it, and its kernel gives up the bind.
void Teardowns::not_told(const TraceEvent& event) {
  if (!vtd::Descriptor::decodable(event.value)) return;
  const auto order = vtd::Descriptor::decode(event.value, event.address);
  if (order.type != vtd::DescriptorType::pasid_cache) return;
  const std::uint32_t unit = scene_.unit_of(event.component);
  visit_row({unit, order.pasid.value()}, [&](const Place& place, const Entry& entry) {
    if (entry.caching) erase(place);
  });
}

bool Teardowns::behind_gone(std::uint32_t driver) const {
  return std::any_of(gone_.begin(), gone_.end(), [&](std::uint32_t viommu) {
    return scene_.path(driver).starts_with(scene_.path(viommu) + '.');
  });
}

// A vIOMMU that is gone takes its tables along; one that comes back has others.
void Teardowns::forget(const TraceEvent& event) {
  if (event.code == trace_code::viommu_there)
    gone_.erase(event.component);
  else
    gone_.insert(event.component);
  const std::string within = scene_.path(event.component) + '.';
  drivers_.each([&](std::uint32_t unit, std::uint32_t driver) {
    if (!scene_.path(driver).starts_with(within)) return;
    entries_[unit] = {};
    of_functions_.erase_if(
        [&](const OfUnit& function, const auto&) { return function.unit == unit; });
  });
}

// An IOTLB is filled from what the PASID cache says, a device TLB from what the IOTLB says: flushed
// before what it is filled from, it may hold the old again.
bool Teardowns::flush(const vtd::Descriptor& descriptor, const Place& place, Entry& entry) {
  using Kind = vtd::DescriptorType;
  using By = vtd::Granularity;
  const bool of_domain = descriptor.domain.value() == entry.domain;
  const bool of_pasid = descriptor.pasid.value() == place.pasid;
  const bool global = descriptor.granularity == By::global;
  const bool whole_domain = of_domain && descriptor.granularity == By::domain;
  const auto reaches = [](Flush& flush, bool in_order) {
    if (!Entry::open(flush)) return false;
    flush = in_order ? Flush::done : Flush::early;
    return true;
  };
  switch (descriptor.type) {
    case Kind::pasid_cache:
      return (global || whole_domain || (of_domain && of_pasid)) &&
             reaches(entry.pasid_cache, true);
    case Kind::iotlb:
      return (global || whole_domain) && reaches(entry.iotlb, !Entry::open(entry.pasid_cache));
    case Kind::pasid_iotlb:
      return of_domain && of_pasid && descriptor.granularity == By::pasid &&
             reaches(entry.iotlb, !Entry::open(entry.pasid_cache));
    case Kind::device_tlb:
    case Kind::pasid_device_tlb: {
      const bool with_pasid = descriptor.type == Kind::pasid_device_tlb;
      const bool whose = with_pasid ? descriptor.all_pasids || of_pasid : place.pasid == 0;
      const bool everything = descriptor.address_mask >= vtd::Descriptor::every_address;
      return everything && whose && descriptor.source.value() == place.source &&
             reaches(entry.device_tlb, !Entry::open(entry.iotlb));
    }
    default:
      return false;
  }
}

void Teardowns::completed(const TraceEvent& event) {
  std::vector<Place>& unflushed = unflushed_[scene_.unit_of(event.component)];
  if (unflushed.empty() || !vtd::Descriptor::decodable(event.value)) return;
  const auto descriptor = vtd::Descriptor::decode(event.value, event.address);
  std::erase_if(unflushed, [&](const Place& place) {
    Entry& entry = *find(place);
    if (flush(descriptor, place, entry)) entry.story.add(scene_.link(event));
    if (!entry.flushed()) return false;
    if (!entry.present) erase(place);
    return true;
  });
}

void Teardowns::number_moves(const TraceEvent& event, bool allocated) {
  if (event.pasid == 0) return;
  // Of two who believe that a number is theirs the other one may use it.
  if (!allocated && scene_.orphan(scene_.number_of(event))) return;
  const Number number = scene_.number_of(event);
  for_each(scene_.machine_of(event.component), event.pasid, [&](const Place& place, Entry& entry) {
    if (entry.number != number) return;
    if (allocated && !entry.flushed()) {
      complain(Invariant::clean_reuse, event, place, entry,
               "the number is given out while caches may hold its last life");
    } else if (!allocated && entry.present) {
      complain(Invariant::free_unbound, event, place, entry, "it is freed and is present");
    } else if (!allocated && !entry.flushed()) {
      complain_of_flushes(event, place, entry, "it is freed");
    }
  });
}

// A number of a guest's own is not freed in its host: its life there ends with its binding.
void Teardowns::binding_ends(const TraceEvent& unbind) {
  const Number number = scene_.number_of(unbind);
  if (!scene_.is_space(number.machine)) return;
  for_each(scene_.home_of(number), unbind.pasid, [&](const Place& place, Entry& entry) {
    if (entry.number != number) return;
    if (entry.present)
      complain(Invariant::free_unbound, unbind, place, entry, "its binding ends and it is present");
    else if (!entry.flushed())
      complain_of_flushes(unbind, place, entry, "its binding ends");
  });
}

// Its TLB is empty, and will not be asked.
void Teardowns::device_forgets(const TraceEvent& event) {
  const auto source = static_cast<std::uint16_t>(event.value);
  for_each_of(scene_.machine_of(event.component), source, [&](const Place& place, Entry& entry) {
    if (!Entry::open(entry.device_tlb)) return;
    entry.device_tlb = Flush::done;
    if (!entry.flushed()) return;
    std::erase(unflushed_[place.unit], place);
    if (!entry.present) erase(place);
  });
}

void Teardowns::left(const TraceEvent& event) {
  const auto source = static_cast<std::uint16_t>(event.value);
  for_each_of(scene_.machine_of(event.component), source, [&](const Place& place, Entry& entry) {
    if (entry.present)
      complain(Invariant::nothing_left, event, place, entry, "it is present, and nobody drives it");
    else if (!entry.flushed())
      complain(Invariant::nothing_left, event, place, entry,
               "nobody drives it, and caches may hold it");
  });
}

}  // namespace viosim::check
