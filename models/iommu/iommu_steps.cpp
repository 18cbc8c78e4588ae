// The steps of walks: an event each, or run ahead to the end and sent back when something changes.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/iommu.hpp"

namespace viosim {

// Only the last call of a slot counts: going back replaces it.
void Iommu::call(WalkSlot& slot, Instant at) {
  ++slot.calls;
  agenda_.schedule(at, rank(EventClass::table_read, slot.miss.port->device), slot.miss.ticket,
                   *this, std::uint64_t{slot.calls} << 32U | slot.number);
}

Ps Iommu::duration(const WalkSlot& slot) const {
  const Walk& walk = slot.walk;
  switch (walk.step()) {
    case WalkStep::look_up:
      return walk_caches_.has(walk.pages().stage()) ? walk_caches_.latency() : Ps(0);
    case WalkStep::update:
      return params_.walk_update;
    default:
      if (llc_reads_ != 0 && in_llc(slot)) [[unlikely]]
        return params_.walk_llc_read;
      return params_.walk_read;
  }
}

// Not drawn in the order of events: a step that is taken again takes as long again.
bool Iommu::in_llc(const WalkSlot& slot) const {
  const std::uint64_t line = (slot.walk.next_read().value() >> 6U) * 0x9e3779b97f4a7c15U;
  const std::uint64_t mixed = (line ^ slot.miss.ticket ^ llc_salt_) * 0xd6e8feb86659fd93U;
  return ((mixed ^ mixed >> 29U) * 0xd6e8feb86659fd93U) >> 32U < llc_reads_;
}

// The walk stands before a step at `start`. `at_entry`: if that is one of the page tables, it is the
// first one.
void Iommu::go_on(WalkSlot& slot, Instant start, bool at_entry) {
  slot.since = start;
  if (run_ahead_ && slot.walk.in_pages() && slot.walk.step() != WalkStep::update)
    return go_ahead(slot, at_entry);
  slot.state = State::stepping;
  if (slot.walk.step() == WalkStep::read) memory_.prefetch(slot.walk.next_read());
  call(slot, start + duration(slot));
}

// Most walks never go back: what those that begin at the entry would need for it can be made anew.
void Iommu::go_ahead(WalkSlot& slot, bool from_entry) {
  slot.state = State::ahead;
  slot.ahead_from_entry = from_entry;
  if (!from_entry) slot.ahead_of = slot.walk.pages();
  slot.trail.seen_before = slot.trail.seen;
  const std::uint64_t reads_before = stats.walk_reads;
  Instant at = slot.since;
  do {
    at = at + duration(slot);
    take_step(slot, at);
  } while (slot.walk.step() == WalkStep::read || (slot.walk.step() == WalkStep::look_up &&
                                                  slot.trail.look_ups < WalkTrail::look_ups_most));
  slot.reads_ahead = static_cast<std::uint16_t>(stats.walk_reads - reads_before);
  if (!warned_) {
    warned_ = true;
    memory_.warn(*this);
  }
  call(slot, at);
}

void Iommu::take_step(WalkSlot& slot, Instant at) {
  switch (slot.walk.step()) {
    case WalkStep::read:
      return read(slot);
    case WalkStep::look_up:
      return look_up(slot, at);
    case WalkStep::update:
      return update(slot);
    case WalkStep::translated:
    case WalkStep::faulted:
      return;
  }
}

void Iommu::read(WalkSlot& slot) {
  ++stats.walk_reads;
  if (!slot.walk.in_pages()) return slot.walk.advance(memory_.line(slot.walk.next_read()));
  const PageWalk& pages = slot.walk.pages();
  if (pages.of_page()) {
    WalkTrail& trail = slot.trail;
    const auto stage = static_cast<std::size_t>(pages.stage());
    trail.path[stage][pages.level()] = pages.start();
    trail.seen[stage] |= static_cast<std::uint8_t>(1U << pages.level());
    if (pages.stage() == Stage::second) trail.guest = pages.input();
  }
  slot.walk.advance_pages(memory_.read(pages.next_read()));
}

void Iommu::look_up(WalkSlot& slot, Instant at) {
  WalkTrail& trail = slot.trail;
  PageWalk& pages = slot.walk.pages();
  const Stage stage = pages.stage();
  const bool of_page = pages.of_page();
  const auto index = static_cast<std::size_t>(stage);
  const std::uint32_t hint =
      of_page ? slot.miss.port->walk_hint(slot.miss.iova).slot[index] : WalkCaches::none;
  const auto found =
      walk_caches_.probe(stage, walk_space(stage, pages.space()), pages.input(), hint);
  WalkTrail::LookUp& done = trail.looked_up[trail.look_ups++];
  done.at = at;
  done.slot = found.slot;
  done.stage = stage;
  done.level = found.level;
  bool resumed = false;
  if (found.level != 0) {
    resumed = pages.resume(found.start);
  } else {
    pages.not_cached();
  }
  if (of_page) {
    if (found.level == WalkCaches::lowest) trail.lowest_slot[index] = found.slot;
    trail.found_level[index] = resumed ? found.level : std::uint8_t{0};
    trail.changes[index] = walk_caches_.changes();
  }
  slot.walk.moved();
}

// An atomic access: writes unless someone else has changed the entry since it was read.
void Iommu::update(WalkSlot& slot) {
  PageWalk& pages = slot.walk.pages();
  const bool same = memory_.read(pages.next_read()) == pages.seen();
  if (same) {
    memory_.write(pages.next_read(), pages.replacement());
    ++stats.entries_updated;
  }
  pages.updated(same);
  slot.walk.moved();
}

void Iommu::count_look_ups(WalkSlot& slot) {
  WalkTrail& trail = slot.trail;
  constexpr std::uint64_t order_bits = (std::uint64_t{1} << 31U) - 1;
  for (std::uint8_t i = 0; i < trail.look_ups; ++i) {
    const WalkTrail::LookUp& done = trail.looked_up[i];
    walk_caches_.count(done.stage, done.level, done.slot,
                       {static_cast<std::uint64_t>(done.at.ps()),
                        static_cast<std::uint32_t>(slot.miss.ticket & order_bits)});
  }
  trail.look_ups = 0;
}

// Memory, or the walk caches, are about to change.
void Iommu::memory_changes() {
  warned_ = false;
  go_back_all();
}

// Those that would have looked at this walk cache.
void Iommu::go_back_before_fill(Stage stage, unsigned level) {
  for (WalkSlot& slot : slots_) {
    if (slot.state != State::ahead) continue;
    for (std::uint8_t i = 0; i < slot.trail.look_ups; ++i) {
      const WalkTrail::LookUp& done = slot.trail.looked_up[i];
      if (done.stage != stage || (done.level != 0 && done.level < level)) continue;
      go_back(slot);
      break;
    }
  }
}

void Iommu::go_back_all() {
  for (WalkSlot& slot : slots_) {
    if (slot.state == State::ahead) go_back(slot);
  }
}

// To before the first step that is not over. Nothing has changed since the steps were taken, so
// that taking them again gives the same.
void Iommu::go_back(WalkSlot& slot) {
  const EventRank place = rank(EventClass::table_read, slot.miss.port->device);
  stats.walk_reads -= slot.reads_ahead;
  slot.trail.look_ups = 0;
  slot.trail.seen = slot.trail.seen_before;
  if (slot.ahead_from_entry) {
    slot.walk.go_back_to_entry();
  } else {
    slot.walk.go_back(slot.ahead_of);
  }
  Instant over = slot.since + duration(slot);
  while (agenda_.passed(over, place, slot.miss.ticket)) {
    take_step(slot, over);
    slot.since = over;
    over = over + duration(slot);
  }
  count_look_ups(slot);
  slot.state = State::stepping;
  call(slot, over);
}

void Iommu::fire(std::uint64_t what) {
  WalkSlot& slot = slots_[static_cast<std::uint32_t>(what)];
  if (what >> 32U != slot.calls) return;
  if (slot.state == State::answering) {
    const WalkResult result = slot.result;  // whoever is told may start a walk in this slot
    return answer(slot, result);
  }
  bool of_configuration = false;
  if (slot.state == State::stepping) {
    of_configuration = !slot.walk.in_pages() && slot.walk.step() == WalkStep::read;
    take_step(slot, agenda_.now());
    if (of_configuration && slot.withhold_fill == 0) learn(slot);
    if (of_configuration) ask_pasid_cache(slot);
  }
  slot.state = State::stepping;
  count_look_ups(slot);
  if (of_configuration) {
    if (const auto found = ask_iotlb(slot)) {
      leave_walker(slot);
      return answer_from_iotlb(slot, agenda_.now(), *found);
    }
  }
  const WalkStep step = slot.walk.step();
  if (step == WalkStep::translated || step == WalkStep::faulted) {
    finish(slot);
  } else {
    go_on(slot, agenda_.now(), of_configuration);
  }
}

void Iommu::learn(const WalkSlot& slot) {
  const Bdf source = slot.walk.request().source;
  if (const DeviceEntry* config = slot.walk.learned_config())
    contexts_.insert({source}, *config, use_now());
  if (const AddressSpace* space = slot.walk.learned_space())
    pasids_.insert({source, slot.walk.pasid()}, ProcessEntry(*space), use_now());
}

// The device's entry had to be read, and leads to a PASID that may be known all the same. Takes no
// time of its own: what would be read or looked up next is meanwhile.
void Iommu::ask_pasid_cache(WalkSlot& slot) {
  const WalkStep step = slot.walk.step();
  const bool goes_on = step == WalkStep::read || step == WalkStep::look_up;
  if (slot.walk.learned_config() == nullptr || !goes_on || slot.walk.in_pages()) return;
  const PasidTag tag{slot.walk.request().source, slot.walk.pasid()};
  const std::uint32_t found = pasids_.probe(tag);
  count_use(pasids_, found, use_now());
  if (found != decltype(pasids_)::none) return slot.walk.know(pasids_.value(found));
  if (!params_.caching_mode) return;
  const std::uint32_t absent = absent_processes_.probe(tag);
  if (absent == decltype(absent_processes_)::none) return;
  slot.walk.know_absent(absent_processes_.value(absent).fault,
                        absent_processes_.value(absent).silenced);
}

// A walk that stands before the page tables, and whose address space was not known when the request arrived: only now
// the IOTLB can be asked, once. What is not found takes no time of its own, as in the PASID cache.
std::optional<Iommu::Cached> Iommu::ask_iotlb(WalkSlot& slot) {
  const WalkStep step = slot.walk.step();
  const bool goes_on = step == WalkStep::read || step == WalkStep::look_up;
  if (slot.miss.asked || !goes_on || !slot.walk.in_pages()) return {};
  const auto found = cached(slot.miss, {&slot.walk.config(), slot.walk.space()});
  note_asked(slot, found);
  return found;
}

// An absent page is a miss, as for who is looked up when it arrives.
void Iommu::note_asked(WalkSlot& slot, const std::optional<Cached>& found) {
  slot.miss.asked = true;
  const bool hit = found && !found->absent;
  count_use(iotlb_, hit ? found->slot : decltype(iotlb_)::none, use_now());
  if (hit)
    ++hits_recorded_;  // its latency is not the other hits': it is recorded when it is answered
}

}  // namespace viosim
