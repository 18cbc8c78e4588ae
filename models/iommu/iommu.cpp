// A request that misses: what the caches know of it, and its way to a walker.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/iommu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {
namespace {

constexpr CacheParams unused{1, 0, Replacement::lru, Ps(0)};

// Above all codes of all architectures: RISC-V's go up to 274.
constexpr std::uint16_t end_of_codes = 512;

std::vector<FaultCount> no_faults(const Architecture& architecture) {
  std::vector<FaultCount> counts;
  for (std::uint16_t code = 1; code < end_of_codes; ++code) {
    if (!architecture.describe(FaultCode{code}).empty()) counts.push_back({FaultCode{code}});
  }
  return counts;
}

}  // namespace

void IommuParams::check(const Where& where) const {
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
      absent_devices_(params.caching_mode ? params.context_cache : unused,
                      Rng(seed, path_ + ".absent_devices")),
      absent_processes_(params.caching_mode ? params.pasid_cache : unused,
                        Rng(seed, path_ + ".absent_processes")),
      iotlb_(params.iotlb, Rng(seed, path_ + ".iotlb")),
      walk_caches_(params.walk_caches, seed, path_),
      hit_latency_(params.iotlb.latency),
      llc_reads_(static_cast<std::uint64_t>(params.walk_llc_hit * double(all_reads))),
      llc_salt_(Rng(seed, path_ + ".walk_llc").next()),
      lookahead_(std::min(params.walk_read, params.fault_record)),
      free_walkers_(params.walkers),
      faults_by_reason_(no_faults(architecture)),
      drains_(number, agenda) {
  if (llc_reads_ != 0) lookahead_ = std::min(lookahead_, params.walk_llc_read);
  if (params.iotlb_tag == IotlbTag::source) {
    lookahead_ = std::min(lookahead_, params.iotlb.latency + params.context_cache.latency);
  } else {
    hit_latency_ += params.context_cache.latency;
    if (process_tables_) hit_latency_ += params.pasid_cache.latency;
  }
}

const Histogram& Iommu::translation_latency() const {
  const std::uint64_t hits = iotlb_.stats.hits;
  translation_latency_.record(hit_latency_, hits - hits_recorded_);
  hits_recorded_ = hits;
  return translation_latency_;
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
  WalkSlot& slot = take_slot();
  // Field by field, in place: a copy would have to wait for what was just written.
  Miss& miss = slot.miss;
  miss.port = &port;
  miss.client = &client;
  miss.cookie = cookie;
  miss.iova = iova;
  miss.arrival = stamp.instant();
  miss.ready = stamp.instant() + latency;
  miss.ticket = agenda_.draw_ticket();
  miss.access = access;
  miss.type = type;
  miss.queued = false;
  miss.asked = by_source || found.space != nullptr;
  begin(slot, found, {});
}

// What the IOTLB says of a miss by now.
std::optional<Iommu::Cached> Iommu::cached(const Miss& miss, const Known& known) const {
  const bool by_source = params_.iotlb_tag == IotlbTag::source;
  const bool probe = miss.type == AddressType::translation;
  if (miss.type != AddressType::untranslated && !probe) return {};
  if (probe && (known.config == nullptr || !known.config->translation_requests)) return {};
  if (known.space == nullptr && !by_source) return {};
  const IommuPort& port = *miss.port;
  if (port.pasid == no_pasid && messages_.holds(miss.iova.value())) return {};
  const std::uint64_t space =
      by_source ? space_tag(port.source, port.pasid) : space_tag(*known.space);
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
      if (probe) return Cached{result, slot, true};  // no rights
      ConfigWalk walk;
      walk.request.access = miss.access;
      result.fault = architecture_.code(
          value.absent_in_first ? PageFault::first_absent : PageFault::second_absent, walk);
      result.in_pages = true;
      result.silenced = known.space == nullptr
                            ? value.silenced
                            : known.space->fault_disable || known.config->space.fault_disable;
      return Cached{result, slot, true};
    }
    if (!value.rights.contain(Rights::needed(miss.access, privileged))) return {};
    const Hpa at = value.page + miss.iova.page_offset(leaf_size(level));
    if (port.pasid != no_pasid && messages_.holds(at.value())) return {};
    const bool implied = privileged && port.pasid == no_pasid;
    Rights rights = value.rights;
    if (probe && known.space != nullptr) rights = rights & known.space->allowed();
    result.translation = {value.page, level, implied ? rights.of_supervisor() : rights};
    return Cached{result, slot};
  }
  return {};
}

// The walk is about to read an entry that caching mode remembers as absent.
std::optional<WalkResult> Iommu::known_absent(const Walk& walk, const Known& known) const {
  if (walk.step() != WalkStep::read || walk.in_pages()) return {};
  const Bdf source = walk.request().source;
  const AbsentEntry* absent = nullptr;
  if (known.config == nullptr) {
    const std::uint32_t slot = absent_devices_.probe({source});
    if (slot != decltype(absent_devices_)::none) absent = &absent_devices_.value(slot);
  } else {
    const std::uint32_t slot = absent_processes_.probe({source, walk.pasid()});
    if (slot != decltype(absent_processes_)::none) absent = &absent_processes_.value(slot);
  }
  if (absent == nullptr) return {};
  WalkResult result;
  result.fault = absent->fault;
  result.silenced = absent->silenced;
  return result;
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
bool Iommu::merge(const Miss& miss, const Request& request, std::uint64_t page) {
  const std::uint32_t other = walking_.find(
      page, [&](std::uint32_t slot) { return same_page(slots_[slot].walk.request(), request); });
  if (other == WalkIndex::none) return false;
  slots_[other].merged.push_back(miss);
  ++stats.walks_merged;
  return true;
}

void Iommu::begin_again(const Miss& miss, Turn turn) {
  WalkSlot& slot = take_slot();
  slot.miss = miss;
  begin(slot, known(*miss.port, miss.type), turn);
}

// Takes a walker, or waits for one, or for another walk of its page; or needs none: an answer that
// the caches know. `found`: what the configuration caches say now.
void Iommu::begin(WalkSlot& slot, const Known& found, Turn turn) {
  const Miss& miss = slot.miss;
  const Instant start = std::max(agenda_.now(), miss.ready);
  slot.started = start;
  slot.walked = start;
  const bool looks_again = turn.again && params_.merge_walks;
  if (looks_again || params_.caching_mode) {
    const auto known_by_now = cached(miss, found);
    if (known_by_now && (looks_again || known_by_now->absent)) {
      const bool looked = turn.again || !miss.asked;
      if (!miss.asked) note_asked(slot, known_by_now);
      if (looked) return answer_from_iotlb(slot, start, *known_by_now);
      const WalkResult& result = known_by_now->result;
      return answer_at(slot, start + (result.faulted() ? params_.fault_record : Ps(0)), result);
    }
  }
  const Request request{miss.iova,   miss.port->pasid, miss.port->source,
                        miss.access, miss.type,        miss.port->privileged};
  const std::uint64_t page = params_.merge_walks ? page_key(request) : 0;
  if (params_.merge_walks && !turn.alone && merge(miss, request, page)) return free_slot(slot);
  slot.walk.begin(architecture_, request, found.config, found.space, walk_caches_.any());
  if (params_.caching_mode) {
    if (const auto absent = known_absent(slot.walk, found))
      return answer_at(slot, start + params_.fault_record, *absent);
  }
  if (const auto known_by_now = ask_iotlb(slot))
    return answer_from_iotlb(slot, start, *known_by_now);
  const WalkStep step = slot.walk.step();
  const bool steps = step != WalkStep::translated && step != WalkStep::faulted;
  if (steps && (free_walkers_ == 0 || (!turn.of_queue && !waiting_.empty()))) {
    if (!std::exchange(slot.miss.queued, true)) ++stats.walks_queued;
    waiting_.push_back({miss, start, turn.alone});
    stats.walk_queue_longest = std::max<std::uint64_t>(stats.walk_queue_longest, waiting_.size());
    return free_slot(slot);
  }
  if (steps) {
    --free_walkers_;
    if (params_.merge_walks) walking_.add(slot.number, page);
    return go_on(slot, start, true);
  }
  const WalkResult result = result_of(slot.walk);
  answer_at(slot, start + (result.faulted() ? params_.fault_record : Ps(0)), result);
}

void Iommu::begin_waiting() {
  while (free_walkers_ > 0 && !waiting_.empty()) {
    const Waiting next = waiting_.front();
    waiting_.pop_front();
    const Instant until = std::max(agenda_.now(), next.since);
    stats.walk_wait += static_cast<std::uint64_t>((until - next.since).count());
    begin_again(next.miss, {.again = true, .of_queue = true, .alone = next.alone});
  }
}

WalkSlot& Iommu::take_slot() {
  if (free_slots_.empty()) {
    const auto number = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back(number);
    free_slots_.push_back(number);
  }
  WalkSlot& slot = slots_[free_slots_.back()];
  free_slots_.pop_back();
  slot.withhold_fill = 0;
  slot.withhold_path = false;
  slot.state = State::stepping;
  slot.trail.begin();
  return slot;
}

void Iommu::free_slot(WalkSlot& slot) {
  slot.state = State::free;
  free_slots_.push_back(slot.number);
}

}  // namespace viosim
