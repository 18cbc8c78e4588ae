// Requests on their way through caches and walkers, in time.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/iommu.hpp"

#include "models/trace_events.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {

void IommuParams::check(const Where& where) const {
  if (walkers == 0) (where / "walkers").reject("read 0; expected at least one walker");
  if (page_match_bits == 0 || page_match_bits > 52) {
    (where / "page_match_bits").reject(fmt::format("read {}; expected 1 to 52", page_match_bits));
  }
  const auto positive = [&](std::string_view name, Ps value) {
    if (value < Ps(1))
      (where / name).reject(fmt::format("read \"{}\"; expected at least \"1 ps\"", to_text(value)));
  };
  positive("walk_read", walk_read);
  positive("walk_update", walk_update);
  positive("fault_record", fault_record);
  if (iotlb_tag == IotlbTag::source && iotlb.latency + context_cache.latency < Ps(1)) {
    (where / "iotlb" / "latency")
        .reject("read \"0 ps\"; expected at least \"1 ps\" for this or for the context cache");
  }
}

Iommu::Iommu(std::string path, const IommuParams& params, const Architecture& architecture,
             std::uint32_t number, Agenda& agenda, PhysicalMemory& memory, std::uint64_t seed)
    : path_(std::move(path)),
      params_(params),
      architecture_(architecture),
      messages_(architecture.message_window()),
      process_tables_(architecture.has_process_tables()),
      number_(number),
      agenda_(agenda),
      memory_(memory),
      contexts_(params.context_cache, Rng(seed, path_ + ".context_cache")),
      pasids_(params.pasid_cache, Rng(seed, path_ + ".pasid_cache")),
      iotlb_(params.iotlb, Rng(seed, path_ + ".iotlb")),
      walk_caches_(params.walk_caches, seed, path_),
      hit_latency_(params.iotlb.latency),
      lookahead_(std::min(params.walk_read, params.fault_record)),
      free_walkers_(params.walkers) {
  if (params.iotlb_tag == IotlbTag::source) {
    lookahead_ = std::min(lookahead_, params.iotlb.latency + params.context_cache.latency);
  } else {
    hit_latency_ += params.context_cache.latency;
    if (process_tables_) hit_latency_ += params.pasid_cache.latency;
  }
}

// Requests that are not translated pass the context cache alone.
Iommu::Known Iommu::known(const IommuPort& port, AddressType type) const {
  Known found;
  found.context_slot = contexts_.probe({port.source}, port.context_hint);
  if (found.context_slot == decltype(contexts_)::none) return found;
  found.config = &contexts_.value(found.context_slot);
  if (type == AddressType::translated || type == AddressType::page_request) return found;
  if (port.pasid != no_pasid && !found.config->pasids) return found;
  if (!found.config->by_process(port.pasid)) {
    found.space = &found.config->space;
    return found;
  }
  const Pasid pasid = port.pasid == no_pasid ? found.config->default_pasid : port.pasid;
  found.space_slot = pasids_.probe({port.source, pasid}, port.pasid_hint);
  if (found.space_slot != decltype(pasids_)::none) found.space = &pasids_.value(found.space_slot);
  return found;
}

void Iommu::start_walk(IommuPort& port, Iova iova, Access access, UseStamp stamp,
                       WalkClient& client, std::uint64_t cookie, AddressType type) {
  // The look-up that missed passed through these caches, in this order; nothing has changed in them
  // since. When entries are found by source, the caches behind the IOTLB are counted and used here.
  const bool by_source = params_.iotlb_tag == IotlbTag::source;
  const Known found = known(port, type);
  const bool translates = type == AddressType::untranslated || type == AddressType::translation;
  Ps latency =
      params_.context_cache.latency + (by_source && translates ? params_.iotlb.latency : Ps(0));
  if (found.config != nullptr && process_tables_ && translates) {
    latency += params_.pasid_cache.latency;
    if (by_source) count_use(pasids_, found.space_slot, stamp);
  }
  if (found.space != nullptr && !by_source) latency += params_.iotlb.latency;
  if (by_source) count_use(contexts_, found.context_slot, stamp);
  ++stats.walks;
  begin({&port, &client, cookie, iova, stamp.instant(), stamp.instant() + latency,
         agenda_.draw_ticket(), access, type},
        false);
}

// What the IOTLB says of a miss by now.
std::optional<Iommu::Cached> Iommu::cached(const Miss& miss, const Known& known) const {
  const bool by_source = params_.iotlb_tag == IotlbTag::source;
  const bool probe = miss.type == AddressType::translation;
  if (miss.type != AddressType::untranslated && !probe) return {};
  if (probe && (known.config == nullptr || !known.config->translation_requests)) return {};
  if (known.space == nullptr && !by_source) return {};
  const IommuPort& port = *miss.port;
  const std::uint64_t space = by_source
                                  ? space_tag(port.source, {}, port.pasid)
                                  : space_tag(port.source, known.space->domain, known.space->tag);
  bool privileged = port.privileged;
  if (port.pasid == no_pasid && known.config != nullptr && known.config->by_process(no_pasid))
    privileged = known.config->default_privileged;
  if (known.space != nullptr && !known.space->allows(miss.access, privileged)) return {};
  for (unsigned level = 1; level <= largest_level_; ++level) {
    const std::uint32_t slot = iotlb_.probe(PageTag::of(miss.iova, level, space));
    if (slot == decltype(iotlb_)::none) continue;
    const IotlbValue& value = iotlb_.value(slot);
    WalkResult result;
    if (value.absent) {
      // Found by source: whether its address space allows such requests is not known here.
      if (known.space == nullptr && (privileged || miss.access == Access::execute)) return {};
      if (probe) return Cached{result, slot};  // no rights
      ConfigWalk walk;
      walk.request.access = miss.access;
      result.fault = architecture_.code(
          value.absent_in_first ? PageFault::first_absent : PageFault::second_absent, walk);
      result.silenced = (known.config != nullptr && known.config->space.fault_disable) ||
                        (known.space != nullptr && known.space->fault_disable);
      return Cached{result, slot};
    }
    const bool message = port.pasid == no_pasid && messages_.holds(miss.iova.value());
    if (message || !value.rights.contain(Rights::needed(miss.access, privileged))) return {};
    const bool implied = privileged && port.pasid == no_pasid;
    Rights rights = value.rights;
    if (probe && known.space != nullptr) rights = rights & known.space->allowed();
    result.translation = {value.page, level, implied ? rights.of_supervisor() : rights};
    return Cached{result, slot};
  }
  return {};
}

namespace {

std::uint64_t page_key(const Request& request) {
  const std::uint64_t who = std::uint64_t{request.source.value()} << 32U | request.pasid.value();
  const std::uint64_t page = (request.iova.value() >> 12U) * 0x9e3779b97f4a7c15U;
  const std::uint64_t mixed = (page ^ who) * 0xd6e8feb86659fd93U;
  return (mixed ^ mixed >> 32U) | std::uint64_t{1} << 63U;
}

bool same_page(const Request& a, const Request& b) {
  return a.source == b.source && a.pasid == b.pasid && a.type == b.type &&
         a.iova.page_base(page_4k) == b.iova.page_base(page_4k);
}

}  // namespace

// Waits for another walk of the page. Entries found by then spare this one its own.
bool Iommu::merge(const Miss& miss, const Request& request) {
  const std::uint32_t other = walking_.find(page_key(request), [&](std::uint32_t slot) {
    return same_page(slots_[slot].walk.request(), request);
  });
  if (other == WalkIndex::none) return false;
  slots_[other].merged.push_back(miss);
  ++stats.walks_merged;
  return true;
}

// Takes a walker, or waits for one, or for another walk of its page; or needs none: an answer that
// the caches know.
void Iommu::begin(const Miss& miss, bool waited) {
  const Known found = known(*miss.port, miss.type);
  if ((waited && params_.merge_walks) || params_.caching_mode) {
    if (const auto known_by_now = cached(miss, found)) {
      const WalkResult& result = known_by_now->result;
      const Instant start = std::max(agenda_.now(), miss.ready);
      const Ps after = result.faulted() ? params_.fault_record : params_.iotlb.latency;
      const std::uint32_t number = allocate_slot(miss);
      slots_[number].started = start;
      slots_[number].walked = start;
      return answer_at(number, start + after, result);
    }
  }
  const Request request{miss.iova,   miss.port->pasid, miss.port->source,
                        miss.access, miss.type,        miss.port->privileged};
  if (params_.merge_walks && merge(miss, request)) return;
  const std::uint32_t number = allocate_slot(miss);
  WalkSlot& slot = slots_[number];
  slot.walk.begin(architecture_, request, found.config, found.space, walk_caches_.any());
  const WalkStep step = slot.walk.step();
  const bool steps = step != WalkStep::translated && step != WalkStep::faulted;
  if (steps && free_walkers_ == 0) {
    slot.state = State::free;
    free_slots_.push_back(number);
    waiting_.push_back(miss);
    ++stats.walks_queued;
    stats.walk_queue_longest = std::max<std::uint64_t>(stats.walk_queue_longest, waiting_.size());
    return;
  }
  const Instant start = std::max(agenda_.now(), miss.ready);
  slot.started = start;
  slot.walked = start;
  if (waited) stats.walk_wait += static_cast<std::uint64_t>((start - miss.ready).count());
  if (steps) {
    --free_walkers_;
    if (params_.merge_walks) walking_.add(number, page_key(request));
    return go_on(number, start);
  }
  const WalkResult result = result_of(slot.walk);
  answer_at(number, start + (result.faulted() ? params_.fault_record : Ps(0)), result);
}

void Iommu::begin_waiting() {
  while (free_walkers_ > 0 && !waiting_.empty()) {
    const Miss next = waiting_.front();
    waiting_.pop_front();
    begin(next, true);
  }
}

std::uint32_t Iommu::allocate_slot(const Miss& miss) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
    if (walk_caches_.any()) trails_.emplace_back();
  }
  const std::uint32_t number = free_slots_.back();
  free_slots_.pop_back();
  WalkSlot& slot = slots_[number];
  slot.miss = miss;
  slot.withhold_fill = 0;
  slot.withhold_path = false;
  slot.state = State::stepping;
  if (walk_caches_.any()) {
    trails_[number].look_ups = 0;
    trails_[number].path.seen = {};
  }
  return number;
}

void Iommu::answer_at(std::uint32_t number, Instant at, const WalkResult& result) {
  slots_[number].state = State::answering;
  slots_[number].result = result;
  call(number, at);
}

// Only the last call of a slot counts: going back replaces it.
void Iommu::call(std::uint32_t number, Instant at) {
  WalkSlot& slot = slots_[number];
  ++slot.calls;
  agenda_.schedule(at, rank(EventClass::table_read, slot.miss.port->device), slot.miss.ticket,
                   *this, std::uint64_t{slot.calls} << 32U | number);
}

Ps Iommu::duration(const Walk& walk) const {
  switch (walk.step()) {
    case WalkStep::look_up:
      return walk_caches_.has(walk.pages().stage()) ? walk_caches_.latency() : Ps(0);
    case WalkStep::update:
      return params_.walk_update;
    default:
      return params_.walk_read;
  }
}

// The walk stands before a step at `start`.
void Iommu::go_on(std::uint32_t number, Instant start) {
  WalkSlot& slot = slots_[number];
  slot.since = start;
  if (run_ahead_ && slot.walk.in_pages() && slot.walk.step() != WalkStep::update)
    return go_ahead(number);
  slot.state = State::stepping;
  if (slot.walk.step() == WalkStep::read) memory_.prefetch(slot.walk.next_read());
  call(number, start + duration(slot.walk));
}

void Iommu::go_ahead(std::uint32_t number) {
  WalkSlot& slot = slots_[number];
  slot.state = State::ahead;
  slot.ahead_of = slot.walk.pages();
  if (walk_caches_.any()) trails_[number].seen_before = trails_[number].path.seen;
  const std::uint64_t reads_before = stats.walk_reads;
  Instant at = slot.since;
  do {
    at = at + duration(slot.walk);
    take_step(number, at);
  } while (slot.walk.step() == WalkStep::read ||
           (slot.walk.step() == WalkStep::look_up && trails_[number].look_ups < look_ups_most));
  slot.reads_ahead = static_cast<std::uint16_t>(stats.walk_reads - reads_before);
  if (!warned_) {
    warned_ = true;
    memory_.warn(*this);
  }
  call(number, at);
}

void Iommu::take_step(std::uint32_t number, Instant at) {
  WalkSlot& slot = slots_[number];
  switch (slot.walk.step()) {
    case WalkStep::read:
      return read(number);
    case WalkStep::look_up:
      return look_up(number, at);
    case WalkStep::update:
      return update(slot);
    case WalkStep::translated:
    case WalkStep::faulted:
      return;
  }
}

void Iommu::read(std::uint32_t number) {
  WalkSlot& slot = slots_[number];
  ++stats.walk_reads;
  if (!slot.walk.in_pages()) return slot.walk.advance(memory_.line(slot.walk.next_read()));
  const PageWalk& pages = slot.walk.pages();
  if (walk_caches_.any() && pages.of_page()) {
    const auto stage = static_cast<std::size_t>(pages.stage());
    Path& path = trails_[number].path;
    path.at[stage][pages.level()] = pages.start();
    path.seen[stage] |= static_cast<std::uint8_t>(1U << pages.level());
    if (pages.stage() == Stage::second) path.guest = pages.input();
  }
  slot.walk.advance_pages(memory_.read(pages.next_read()));
}

std::uint64_t Iommu::walk_space(Stage stage, const AddressSpace& space) const {
  const std::uint64_t domain = std::uint64_t{space.domain.value()} << 32U;
  return stage == Stage::first ? domain | space.tag.value() : domain;
}

void Iommu::look_up(std::uint32_t number, Instant at) {
  WalkSlot& slot = slots_[number];
  Trail& trail = trails_[number];
  PageWalk& pages = slot.walk.pages();
  const Stage stage = pages.stage();
  const auto found = walk_caches_.probe(stage, walk_space(stage, pages.space()), pages.input());
  trail.looked_up[trail.look_ups++] = {at, found.slot, found.stage, found.level};
  if (found.level != 0) {
    pages.resume(found.start);
  } else {
    pages.not_cached();
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

void Iommu::count_look_ups(std::uint32_t number) {
  if (!walk_caches_.any()) return;
  Trail& trail = trails_[number];
  constexpr std::uint64_t order_bits = (std::uint64_t{1} << 31U) - 1;
  for (std::uint8_t i = 0; i < trail.look_ups; ++i) {
    const LookUp& done = trail.looked_up[i];
    walk_caches_.count(done.stage, done.level, done.slot,
                       {static_cast<std::uint64_t>(done.at.ps()),
                        static_cast<std::uint32_t>(slots_[number].miss.ticket & order_bits)});
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
  for (std::uint32_t number = 0; number < slots_.size(); ++number) {
    if (slots_[number].state != State::ahead) continue;
    const Trail& trail = trails_[number];
    for (std::uint8_t i = 0; i < trail.look_ups; ++i) {
      const LookUp& done = trail.looked_up[i];
      if (done.stage != stage || (done.level != 0 && done.level < level)) continue;
      go_back(number);
      break;
    }
  }
}

void Iommu::go_back_all() {
  for (std::uint32_t number = 0; number < slots_.size(); ++number) {
    if (slots_[number].state == State::ahead) go_back(number);
  }
}

// To before the first step that is not over. Nothing has changed since the steps were taken, so
// that taking them again gives the same.
void Iommu::go_back(std::uint32_t number) {
  WalkSlot& slot = slots_[number];
  const EventRank place = rank(EventClass::table_read, slot.miss.port->device);
  stats.walk_reads -= slot.reads_ahead;
  if (walk_caches_.any()) {
    trails_[number].look_ups = 0;
    trails_[number].path.seen = trails_[number].seen_before;
  }
  slot.walk.go_back(slot.ahead_of);
  Instant over = slot.since + duration(slot.walk);
  while (agenda_.passed(over, place, slot.miss.ticket)) {
    take_step(number, over);
    slot.since = over;
    over = over + duration(slot.walk);
  }
  count_look_ups(number);
  slot.state = State::stepping;
  call(number, over);
}

void Iommu::fire(std::uint64_t what) {
  const auto number = static_cast<std::uint32_t>(what);
  WalkSlot& slot = slots_[number];
  if (what >> 32U != slot.calls) return;
  if (slot.state == State::answering) return answer(number);
  if (slot.state == State::stepping) {
    const bool of_configuration = !slot.walk.in_pages();
    take_step(number, agenda_.now());
    if (of_configuration && slot.withhold_fill == 0) learn(slot);
    if (of_configuration) ask_pasid_cache(slot);
  }
  slot.state = State::stepping;
  count_look_ups(number);
  const WalkStep step = slot.walk.step();
  if (step == WalkStep::translated || step == WalkStep::faulted) {
    finish(number);
  } else {
    go_on(number, agenda_.now());
  }
}

void Iommu::learn(const WalkSlot& slot) {
  const Bdf source = slot.walk.request().source;
  if (const DeviceEntry* config = slot.walk.learned_config())
    contexts_.insert({source}, *config, use_now());
  if (const AddressSpace* space = slot.walk.learned_space())
    pasids_.insert({source, slot.walk.pasid()}, *space, use_now());
}

WalkResult Iommu::result_of(const Walk& walk) {
  WalkResult result;
  result.message = walk.message();
  if (walk.step() == WalkStep::translated) {
    result.translation = walk.translation();
    Rights& rights = result.translation.rights;
    // What a device is told to keep, it uses without a further look at SRE and ERE.
    if (walk.request().type == AddressType::translation) rights = rights & walk.space()->allowed();
    if (walk.request().privileged && walk.request().pasid == no_pasid)
      rights = rights.of_supervisor();
  } else if (walk.request().type != AddressType::translation ||
             walk.page_fault() == PageFault::none) {
    result.fault = walk.fault();
    result.silenced = walk.fault_silenced();
  }  // else: a device that asks for a translation is told that it has no rights, as an answer
  return result;
}

// The device's entry had to be read, and leads to a PASID that may be known all the same. Takes no
// time of its own: what would be read next is fetched meanwhile.
void Iommu::ask_pasid_cache(WalkSlot& slot) {
  if (slot.walk.learned_config() == nullptr || slot.walk.step() != WalkStep::read ||
      slot.walk.in_pages())
    return;
  const PasidTag tag{slot.walk.request().source, slot.walk.pasid()};
  const std::uint32_t found = pasids_.probe(tag);
  count_use(pasids_, found, use_now());
  if (found != decltype(pasids_)::none) slot.walk.know(pasids_.value(found));
}

// The walk is over: its walker takes up the next one.
void Iommu::finish(std::uint32_t number) {
  WalkSlot& slot = slots_[number];
  fill(number);
  slot.state = State::answering;
  slot.walked = agenda_.now();
  if (params_.merge_walks) walking_.remove(number);
  ++free_walkers_;
  std::vector<Miss> merged = std::move(slot.merged);
  slot.merged.clear();
  for (const Miss& miss : merged) begin(miss, true);
  begin_waiting();
  const WalkResult result = result_of(slot.walk);
  if (result.faulted()) return answer_at(number, agenda_.now() + params_.fault_record, result);
  slot.result = result;
  answer(number);
}

void Iommu::fill(std::uint32_t number) {
  const WalkSlot& slot = slots_[number];
  const bool translated = slot.walk.step() == WalkStep::translated;
  if (walk_caches_.any() && !slot.withhold_path && slot.walk.in_pages()) fill_walk_caches(number);
  if (!translated) return fill_absent(slot);
  const AddressSpace& space = *slot.walk.space();
  if (space.pass_through || slot.walk.message()) return;
  const Translation translation = slot.walk.translation();
  if ((slot.withhold_fill >> translation.level & 1U) != 0) {
    ++stats.fills_withheld;
    return;
  }
  hint(number);
  const Request& request = slot.walk.request();
  const bool by_source = params_.iotlb_tag == IotlbTag::source;
  const Pasid pasid = by_source ? request.pasid : space.tag;
  // Found by source, an entry is used without a look at what the address space allows.
  Rights rights = translation.rights;
  if (by_source) rights = result_of(slot.walk).translation.rights & space.allowed();
  largest_level_ = std::max(largest_level_, translation.level);
  iotlb_.insert(
      PageTag::of(request.iova, translation.level, space_tag(request.source, space.domain, pasid)),
      {translation.page, space.tag, space.domain, rights, space.first_levels != 0, false},
      use_now());
}

// For prefetch().
void Iommu::hint(std::uint32_t number) {
  const PageWalk& pages = slots_[number].walk.pages();
  IommuPort& port = *slots_[number].miss.port;
  const Iova iova = slots_[number].walk.request().iova;
  port.leaf_page = iova.value() >> 12U;
  port.leaf_hint[1] = pages.next_read();
  if (walk_caches_.any() && pages.space().nested())
    port.leaf_hint[0] = entry_address(trails_[number].path.at[0][1].table, iova, 1);
}

// Caching mode: a page that was not there is remembered as such.
void Iommu::fill_absent(const WalkSlot& slot) {
  const PageFault fault = slot.walk.page_fault();
  const bool first = fault == PageFault::first_absent;
  if (!params_.caching_mode || (!first && fault != PageFault::second_absent)) return;
  if (!slot.walk.in_pages()) return;  // of a table that leads to the address space
  if ((slot.withhold_fill >> 1U & 1U) != 0) {
    ++stats.fills_withheld;
    return;
  }
  const AddressSpace& space = *slot.walk.space();
  const Request& request = slot.walk.request();
  const Pasid pasid = params_.iotlb_tag == IotlbTag::source ? request.pasid : space.tag;
  iotlb_.insert(PageTag::of(request.iova, 1, space_tag(request.source, space.domain, pasid)),
                {{}, space.tag, space.domain, {}, space.first_levels != 0, true, first}, use_now());
}

// Walks that run ahead have seen the walk caches as they are: they go back before something
// changes.
void Iommu::fill_walk_caches(std::uint32_t number) {
  const WalkSlot& slot = slots_[number];
  const Path& path = trails_[number].path;
  const AddressSpace& space = *slot.walk.space();
  for (const Stage stage : {Stage::first, Stage::second}) {
    const auto index = static_cast<std::size_t>(stage);
    const unsigned root = stage == Stage::first ? space.first_levels : space.second_levels;
    const Iova input =
        stage == Stage::first || !space.nested() ? slot.walk.request().iova : path.guest;
    for (unsigned level = 1; level < root; ++level) {
      if ((path.seen[index] >> level & 1U) == 0) continue;
      const WalkStart& start = path.at[index][level];
      const std::uint64_t tag = walk_space(stage, space);
      if (!walk_caches_.would_change(stage, tag, input, start)) continue;
      go_back_before_fill(stage, level + 1);
      walk_caches_.insert(stage, tag, input, start, use_now());
    }
  }
}

void Iommu::emit_parts(const WalkSlot& slot) const {
  const Miss& miss = slot.miss;
  TraceEvent event;
  event.address = miss.iova.value();
  event.value = miss.ticket;
  event.component = component_;
  event.pasid = miss.port->pasid == no_pasid ? 0 : miss.port->pasid.value();
  event.code = miss.port->source.value();
  Instant from = miss.arrival;
  const auto part = [&](EventKind kind, Instant until) {
    if (until == from) return;
    event.kind = static_cast<std::uint16_t>(kind);
    event.time = until.ps();
    event.duration = (until - from).count();
    tracer_->emit(event);
    from = until;
  };
  part(EventKind::look_up, miss.ready);
  part(EventKind::wait, slot.started);
  part(EventKind::walk, slot.walked);
  part(EventKind::answer, agenda_.now());
}

void Iommu::report(const Miss& miss, FaultCode fault) {
  ++stats.faults_reported;
  const IommuPort& port = *miss.port;
  if (fault_listener_ != nullptr)
    fault_listener_->faulted(
        {miss.iova, port.pasid, port.source, miss.access, miss.type, port.privileged}, fault);
}

void Iommu::answer(std::uint32_t number) {
  WalkSlot& slot = slots_[number];
  const WalkResult result = slot.result;
  if (result.faulted()) {
    ++stats.faults;
    if (!result.silenced) report(slot.miss, result.fault);
  }
  if (slot.miss.type == AddressType::untranslated || slot.miss.type == AddressType::translation)
    translation_latency.record(agenda_.now() - slot.miss.arrival);
  if (tracer_ != nullptr && tracer_->on()) emit_parts(slot);
  WalkClient& client = *slot.miss.client;
  const std::uint64_t cookie = slot.miss.cookie;
  slot.state = State::free;
  free_slots_.push_back(number);
  if (drains_.any()) [[unlikely]]
    drains_.ended(number);
  client.walked(cookie, result);  // may start another walk
}

}  // namespace viosim
