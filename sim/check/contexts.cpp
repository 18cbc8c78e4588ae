// What is due after a context entry was cleared, and what completes it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/contexts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

namespace viosim::check {

bool Contexts::Context::flushed() const {
  return std::all_of(due.begin(), due.end(), [](const Due& one) { return one.done; });
}

void Contexts::observe(const TraceEvent& event) {
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::table_write:
      return entry_written(event);
    case EventKind::context_write:
      return written(event);
    case EventKind::invalidate:
      return completed(event);
    case EventKind::bind:
      return event.code == trace_code::for_guest ? void() : bound(event);
    case EventKind::unplug:
      return left(event);
    case EventKind::viommu:
      return presence(event);
    default:
      return;
  }
}

void Contexts::complain(Invariant invariant, const TraceEvent& at, const Place& place,
                        const Context& context, const std::string& what) {
  constexpr std::array names{"context cache", "PASID cache", "IOTLB", "device TLB"};
  std::string open;
  for (const Due& due : context.due) {
    if (due.done) continue;
    open += fmt::format("{}{}{}{}", open.empty() ? "; still to be flushed: " : ", ",
                        names[static_cast<std::size_t>(due.cache)],
                        due.domain ? fmt::format(" of domain {}", *due.domain) : "",
                        due.early ? " (it was, too early)" : "");
  }
  scene_.violate(at, {.invariant = invariant,
                      .number = {context.machine, 0},
                      .message = fmt::format("the context entry of function {}: {}{}",
                                             requester(place.second), what, open),
                      .evidence = context.story.links()});
}

void Contexts::complain_of_flushes(const TraceEvent& at, const Place& place, const Context& context,
                                   const std::string& what) {
  const bool in_wrong_order = std::all_of(context.due.begin(), context.due.end(),
                                          [](const Due& due) { return due.done || due.early; });
  complain(in_wrong_order ? Invariant::flush_order : Invariant::flush_before_reuse, at, place,
           context, what);
}

void Contexts::entry_written(const TraceEvent& event) {
  const EntryWritten how = EntryWritten::decode(event.value);
  std::map<std::uint32_t, std::uint16_t>& entries =
      domains_[{scene_.unit_of(event.component), how.source}];
  if (event.code == trace_code::entry_set)
    entries[event.pasid] = how.domain;
  else if (event.code != trace_code::entry_changed && event.code != trace_code::entry_fields)
    entries.erase(event.pasid);
}

void Contexts::written(const TraceEvent& event) {
  if (behind_gone(event.component)) return;
  const ContextWritten how = ContextWritten::decode(event.value);
  const Place place{scene_.unit_of(event.component), how.source};
  drivers_[place.first] = event.component;
  const auto found = contexts_.find(place);
  if (event.code == trace_code::entry_set) {
    if (found != contexts_.end() && !found->second.flushed())
      complain_of_flushes(event, place, found->second, "it is made present again");
    Context context{
        .machine = scene_.machine_of(event.component), .present = true, .unannounced = how.caching};
    context.story.add(scene_.link(event));
    if (context.unannounced) open_.insert(place);
    units_[context.machine].insert(place.first);
    contexts_[place] = std::move(context);
    return;
  }
  if (found == contexts_.end()) return;
  Context& context = found->second;
  // Zeroed without having been cleared, it is taken away only now.
  if (context.present) return begin_flushes(event, how, place, context);
  if (event.code != trace_code::entry_zeroed) return;
  if (!context.flushed())
    complain_of_flushes(event, place, context, "it is zeroed, and its PASID table given back");
  contexts_.erase(found);
}

// Entries that were taken away before had flushes of their own: where none is left, any domain will do.
void Contexts::begin_flushes(const TraceEvent& event, const ContextWritten& how, const Place& place,
                             Context& context) {
  context.present = context.unannounced = false;
  context.story.add(scene_.link(event));
  std::set<std::optional<std::uint16_t>> domains;
  for (const auto& [pasid, domain] : domains_[place]) domains.insert(domain);
  if (domains.empty()) domains.insert(std::nullopt);
  context.due = {{.cache = Cache::context}};
  for (const Cache cache : {Cache::pasid, Cache::iotlb}) {
    for (const auto& domain : domains) context.due.push_back({.cache = cache, .domain = domain});
  }
  open_.insert(place);
  if (how.device_tlb && !how.caching) context.due.push_back({.cache = Cache::device_tlb});
}

bool Contexts::reaches(const vtd::Descriptor& order, const Due& due, std::uint16_t source) {
  using Kind = vtd::DescriptorType;
  using By = vtd::Granularity;
  const auto whole_domain = [&] {
    return order.granularity == By::global ||
           (order.granularity == By::domain &&
            (!due.domain || *due.domain == order.domain.value()));
  };
  switch (due.cache) {
    case Cache::context:
      return order.type == Kind::context_cache &&
             (order.granularity == By::global ||
              (order.granularity == By::device && order.reaches(Bdf(source))));
    case Cache::pasid:
      return order.type == Kind::pasid_cache && whole_domain();
    case Cache::iotlb:
      return order.type == Kind::iotlb && whole_domain();
    case Cache::device_tlb:
      return order.of_device_tlb() && order.source.value() == source &&
             order.address_mask >= vtd::Descriptor::every_address;
  }
  return false;
}

// What it may be filled from has been flushed before.
bool Contexts::in_turn(const std::vector<Due>& all, const Due& due) {
  return std::none_of(all.begin(), all.end(), [&](const Due& other) {
    const bool concerns = !other.domain || !due.domain || other.domain == due.domain;
    return other.cache < due.cache && concerns && !other.done;
  });
}

void Contexts::completed(const TraceEvent& event) {
  if (!vtd::Descriptor::decodable(event.value)) return;
  const std::uint32_t unit = scene_.unit_of_queue(event.component);
  auto at = open_.lower_bound({unit, 0});
  if (at == open_.end() || at->first != unit) return;
  const auto order = vtd::Descriptor::decode(event.value, event.address);
  for (; at != open_.end() && at->first == unit;) {
    const std::uint16_t source = at->second;
    const auto found = contexts_.find(*at);
    if (found == contexts_.end()) {
      at = open_.erase(at);
      continue;
    }
    Context& context = found->second;
    if (reaches(order, {.cache = Cache::context}, source)) context.unannounced = false;
    for (Due& due : context.due) {
      if (due.done || !reaches(order, due, source)) continue;
      due.done = in_turn(context.due, due);
      due.early = !due.done;
      context.story.add(scene_.link(event));
    }
    at = context.flushed() && !context.unannounced ? open_.erase(at) : std::next(at);
  }
}

// Of the guest's own function.
void Contexts::bound(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  const auto source = static_cast<std::uint16_t>(event.value);
  for (const std::uint32_t unit : units_[machine]) {
    const Place place{unit, source};
    const auto found = contexts_.find(place);
    if (found == contexts_.end()) continue;
    Context& context = found->second;
    if (!context.unannounced) continue;
    complain(Invariant::announced, event, place, context,
             "a PASID of it is bound, and its vIOMMU was not told of the entry");
    context.unannounced = false;
  }
}

void Contexts::left(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  const auto source = static_cast<std::uint16_t>(event.value);
  for (const std::uint32_t unit : units_[machine]) {
    const auto at = contexts_.find({unit, source});
    if (at == contexts_.end()) continue;
    const auto& [place, context] = *at;
    if (context.present) {
      complain(Invariant::nothing_left, event, place, context,
               "it is present, and nobody drives the function");
    } else if (!context.flushed()) {
      complain(Invariant::nothing_left, event, place, context,
               "nobody drives the function, and caches may hold it");
    }
    contexts_.erase(at);
  }
}

bool Contexts::behind_gone(std::uint32_t driver) const {
  return std::any_of(gone_.begin(), gone_.end(), [&](std::uint32_t viommu) {
    return scene_.path(driver).starts_with(scene_.path(viommu) + '.');
  });
}

// A vIOMMU that is gone takes its tables along; one that comes back has others.
void Contexts::presence(const TraceEvent& event) {
  if (event.code == trace_code::viommu_there)
    gone_.erase(event.component);
  else
    gone_.insert(event.component);
  const std::string within = scene_.path(event.component) + '.';
  const auto its = [&](const auto& one) {
    const auto driver = drivers_.find(one.first.first);
    return driver != drivers_.end() && scene_.path(driver->second).starts_with(within);
  };
  std::erase_if(contexts_, its);
  std::erase_if(domains_, its);
}

}  // namespace viosim::check
