// What a storm's devices ask, and what the tables allow.
// SPDX-License-Identifier: Apache-2.0
#include "models/event_order.hpp"
#include "models/trace_events.hpp"
#include "tests/models/storm.hpp"

#include <algorithm>

namespace viosim::test {
namespace {

constexpr std::uint64_t acts = 1U << 20U;  // events below are of devices

}  // namespace

void Storm::later(Ps after, std::function<void()> act) {
  acts_.push_back(std::move(act));
  const EventRank place =
      software_first_ ? rank(EventClass::table_read, 0) : rank(EventClass::recorded, 0);
  agenda_.schedule(agenda_.now() + after, place, *this, acts + acts_.size() - 1);
}

void Storm::fire(std::uint64_t what) {
  if (what < acts) return ask(static_cast<std::uint32_t>(what));
  acts_[what - acts]();
}

void Storm::ask(std::uint32_t number) {
  Device& device = devices_[number];
  Answer answer;
  answer.device = number;
  answer.page = below(chance(50) ? 2 : pages);
  answer.access = chance(30) ? Access::write : chance(20) ? Access::execute : Access::read;
  answer.type = chance(60) ? AddressType::untranslated : static_cast<AddressType>(1 + below(3));
  const bool marked = device.function.pasid != no_pasid && chance(25);
  answer.privileged = device.function.pasid == no_pasid ? device.function.rid_privileged : marked;
  answer.arrival = agenda_.now().ps();
  IommuPort& port = device.ports[marked ? 1 : 0];
  const Iova iova = spaces_[0].tables->iova(answer.page) + Bytes(below(512) * 8);
  const UseStamp stamp = UseStamp::arrival(static_cast<std::uint64_t>(answer.arrival), port.device);
  const bool known = known_at_once(answer, port, iova, stamp);
  answers_.push_back(answer);
  if (!known)
    iommu().start_walk(port, iova, answer.access, stamp, *this, answers_.size() - 1, answer.type);
  if (--device.left == 0) return;
  const Ps next = Ps(5'000) + some_time(chance(60) ? 10 : 200);
  agenda_.schedule(agenda_.now() + next, rank(EventClass::arrival, number + 1), *this, number);
}

bool Storm::known_at_once(Answer& answer, IommuPort& port, Iova iova, UseStamp stamp) {
  Ps after = iommu().hit_latency();
  if (answer.type == AddressType::untranslated) {
    Hpa address;
    answer.hit = iommu().lookup(port, iova, answer.access, stamp, address);
    answer.address = address.page_base(page_4k);
  } else if (answer.type == AddressType::translation) {
    WalkResult result;
    answer.hit = iommu().lookup_translation(port, iova, answer.access, stamp, result);
    answer.address = result.translation.page;
    answer.level = result.translation.level;
    answer.rights = result.translation.rights;
  } else {
    answer.hit = iommu().admit(port, iova, answer.type, answer.access, stamp);
    after = iommu().context_latency();
  }
  if (answer.hit) answer.at = (agenda_.now() + after).ps();
  return answer.hit;
}

void Storm::walked(std::uint64_t cookie, const WalkResult& result) {
  Answer& answer = answers_[cookie];
  answer.at = agenda_.now().ps();
  answer.fault = result.fault;
  answer.address = result.translation.page;
  answer.level = result.translation.level;
  answer.rights = result.translation.rights;
}

// Requests of functions with a translation cache, at their end.
std::vector<TraceEvent> Storm::take(std::vector<TraceEvent> events) {
  for (const TraceEvent& event : events) {
    const auto kind = static_cast<EventKind>(event.kind);
    if (is_part_of_request(kind)) {
      parts_[{event.component, event.value}].push_back({event.time - event.duration, event.time});
      continue;
    }
    if (kind != EventKind::translate) continue;
    Answer answer;
    answer.by_device_tlb = true;
    answer.device = event.component;
    const Device& device = devices_[event.component];
    answer.access = device.dma;
    answer.privileged = device.function.pasid == no_pasid && device.function.rid_privileged;
    const std::uint64_t size = leaf_size(spacing_).count();
    answer.page = event.address / size;
    answer.arrival = event.time - event.duration;
    answer.at = event.time;
    answer.hit = event.code == outcome_hit;
    if (event.code > outcome_miss) answer.fault = static_cast<FaultCode>(event.code);
    answer.address = Hpa(event.value - event.address % size);
    answers_.push_back(answer);
  }
  return {};
}

bool Storm::allowed(const Answer& answer) const {
  const Device& device = devices_[answer.device];
  const bool translates =
      answer.type == AddressType::untranslated || answer.type == AddressType::translation;
  if (!translates || (answer.by_device_tlb && !device.function.translations))
    return allowed_by_entry(answer);
  const bool faulted = answer.fault != FaultCode::none;
  if (device.function.outlaw) return faulted;
  if (answer.type == AddressType::translation && !device.function.translations) return faulted;
  const bool needs_ats = answer.type == AddressType::translation || answer.by_device_tlb;
  const Instant arrival(Ps(answer.arrival));
  bool found = false;
  device.space.for_each(
      device.space.known_since(arrival, answer.walked()), Instant(Ps(answer.at)),
      [&](History::Value value) {
        const bool refuses = value.target == 0 || !value.rights.contain(answer.needed()) ||
                             (needs_ats && !allows_ats(spaces_[value.target - 1]));
        // What a device is told to keep is no more than the entry allows.
        const bool implied = answer.privileged && device.function.pasid == no_pasid;
        const Rights most = implied ? value.rights.of_supervisor() : value.rights;
        if (!refuses && answer.type == AddressType::translation && !most.contain(answer.rights))
          return;
        found = found || (refuses ? faulted : allowed_in(spaces_[value.target - 1], answer));
      });
  return found;
}

bool Storm::allows_ats(const Space& space) const {
  return !system_->legacy() || space.tables->shape().type != SpaceShape::Type::pass_through;
}

// Requests that need no address space: the device's entry says whether they are allowed. The
// requests of a function with a translation cache end with an error where it may not have one.
bool Storm::allowed_by_entry(const Answer& answer) const {
  const Device& device = devices_[answer.device];
  const bool faulted = answer.fault != FaultCode::none;
  const bool page = answer.type == AddressType::page_request;
  const bool enabled = page ? device.function.page_requests : device.function.translations;
  // Its entry allows no PASIDs: of VT-d nobody asks that of translated requests.
  const bool unlawful =
      device.function.outlaw && (system_->riscv() || (page && device.function.pasid != no_pasid));
  if (!enabled || unlawful) return faulted;
  bool found = false;
  device.entry.for_each(device.entry.known_since(Instant(Ps(answer.arrival)), answer.walked()),
                        Instant(Ps(answer.at)), [&](History::Value value) {
                          const bool ok = value.target != 0 && (page || !value.rights.empty());
                          found = found || ok != faulted;
                        });
  return found;
}

// One mapping, against an answer that is no fault; or whether it refuses, for one that is.
bool Storm::answers_by(const Answer& answer, History::Value value, Rights rights) const {
  const bool implied = answer.privileged && devices_[answer.device].function.pasid == no_pasid;
  if (implied) rights = rights.of_supervisor();
  const bool refuses = value.target == 0 || !rights.contain(answer.needed());
  if (answer.fault != FaultCode::none) return refuses;
  // Not what was asked for, and no fault: a device that asks for a translation is told so.
  if (answer.type == AddressType::translation && !answer.rights.contain(answer.needed()))
    return refuses && (answer.rights.empty() || rights.contain(answer.rights));
  return !refuses && answer.address == Hpa(value.target) && rights.contain(answer.rights);
}

// Calls see(value, rights) for each mapping that hardware may know of. Refusals are not cached, but
// for absent pages in caching mode: the tables had to refuse between arrival and answer.
template <class See>
void Storm::for_each_mapping(const Space& space, const Answer& answer, See&& see) const {
  const SpaceShape& shape = space.tables->shape();
  const bool refused =
      answer.fault != FaultCode::none ||
      (answer.type == AddressType::translation && !answer.rights.contain(answer.needed()));
  const bool fresh = refused && !system_->iommu().params().caching_mode;
  const Instant arrival(Ps(answer.arrival));
  const Instant to(Ps(answer.at));
  const auto since = [&](const History& of) {
    return fresh ? arrival : of.known_since(arrival, answer.walked());
  };
  if (!shape.first()) {
    const History& of = space.second[answer.page];
    return of.for_each(since(of), to, [&](History::Value value) { see(value, value.rights); });
  }
  const History& of = space.first[answer.page];
  of.for_each(since(of), to, [&](History::Value outer) {
    if (!shape.nested() || outer.target == 0) return see(outer, outer.rights);
    if (refused && !outer.rights.contain(answer.needed())) see(outer, outer.rights);
    const History& inner = space.second[outer.target - 1];
    inner.for_each(since(inner), to,
                   [&](History::Value value) { see(value, value.rights & outer.rights); });
  });
}

bool Storm::allowed_in(const Space& space, const Answer& answer) const {
  if (space.tables->shape().type == SpaceShape::Type::pass_through) {
    const Hpa same(space.tables->iova(answer.page).value());
    const bool base = answer.address.page_base(leaf_size(spacing_)) == same;
    return answer.fault == FaultCode::none && base;
  }
  bool found = false;
  for_each_mapping(space, answer, [&](History::Value value, Rights rights) {
    found = found || answers_by(answer, value, rights);
  });
  return found;
}

}  // namespace viosim::test
