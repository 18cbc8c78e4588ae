// Each kind of record, played when its turn comes.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/trace_player.hpp"

#include "models/event_order.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace viosim {
namespace {

DomainId domain_id(std::uint32_t number) { return DomainId(static_cast<std::uint16_t>(number)); }

std::uint16_t page_count(const RecordedOp& op) {
  return static_cast<std::uint16_t>(std::min<std::uint32_t>(op.pages, 0xffff));
}

// The level of a leaf entry of at most this size; other architectures have sizes in between.
unsigned leaf_level(std::uint8_t page_shift) {
  return page_shift >= 30 ? 3 : page_shift >= 21 ? 2 : 1;
}

}  // namespace

TracePlayer::TracePlayer(std::string path, const TracePlayerParams& params,
                         const RecordedStream& stream, const Wiring& wiring, std::uint32_t number,
                         std::vector<std::uint32_t> components)
    : path_(std::move(path)), params_(params), stream_(stream), to_(wiring), number_(number) {
  ensure(components.size() == stream.requesters.size() + 1,
         "a trace player needs a component per requester and one for software");
  for (std::size_t i = 0; i < stream.requesters.size(); ++i) {
    Function& function = functions_.emplace_back();
    function.source = Bdf(stream.requesters[i]);
    function.port.source = function.source;
    function.port.device = number;
    function.component = components[i];
  }
  software_component_ = components.back();
}

void TracePlayer::start(Instant until) {
  const auto past = std::find_if(stream_.ops.begin(), stream_.ops.end(), [&](const RecordedOp& op) {
    return op.time_ps / params_.speed >= until.ps();
  });
  end_op_ = static_cast<std::size_t>(past - stream_.ops.begin());
  agreement_.comparable =
      static_cast<std::uint64_t>(std::count_if(stream_.ops.begin(), past, &is_comparable));
  schedule_next(Instant());
}

void TracePlayer::schedule_next(Instant earliest) {
  held_ = false;
  if (next_op_ == end_op_) return;
  const Instant recorded(Ps(stream_.ops[next_op_].time_ps / params_.speed));
  to_.engine.agenda().schedule(std::max({recorded, earliest, to_.engine.agenda().now()}),
                               rank(EventClass::recorded, number_), *this, 0);
}

void TracePlayer::fire(std::uint64_t /*what*/) { play(stream_.ops[next_op_++]); }

// Every path below either schedules the next record or holds it until something is over.
void TracePlayer::play(const RecordedOp& op) {
  switch (op.kind) {
    case RecordedKind::request:
      return request(op);
    case RecordedKind::descriptor:
      return post(op.pa, op.iova);
    case RecordedKind::invalidate:
      return invalidate(op);
    case RecordedKind::attach:
      attach(op);
      if (flush_left_domain(op)) return;
      break;
    case RecordedKind::detach:
      to_.unit.tables().detach(Bdf(op.sid));
      if (flush_left_domain(op)) return;
      break;
    case RecordedKind::map:
      ++maps_;
      domain(op.domain).table.map(Iova(op.iova), Hpa(op.pa), op.pages,
                                  {(op.permissions & 1U) != 0, (op.permissions & 2U) != 0},
                                  leaf_level(op.page_shift));
      emit(EventKind::map, software_component_, op, Ps(0), op.pa, page_count(op));
      break;
    case RecordedKind::unmap:
      ++unmaps_;
      domain(op.domain).table.unmap(Iova(op.iova), op.pages);
      emit(EventKind::unmap, software_component_, op, Ps(0), 0, page_count(op));
      break;
    case RecordedKind::drop_all:
      to_.unit.iommu().drop_all();
      break;
  }
  schedule_next(to_.engine.agenda().now());
}

void TracePlayer::request(const RecordedOp& op) {
  Function& function = function_of(op.sid);
  const Instant now = to_.engine.agenda().now();
  ++function.stats.requests;
  if (op.outcome == RecordedOutcome::bypass) {
    ++function.recorded.bypassed;
    ++agreement_.bypassed;
    return schedule_next(now);
  }
  const Access access = (op.permissions & 1U) != 0 ? Access::write : Access::read;
  const UseStamp stamp = to_.unit.iommu().use_now();
  Hpa at;
  if (to_.unit.iommu().lookup(function.port, Iova(op.iova), access, stamp, at)) {
    ++function.stats.hits;
    const Instant end = now + to_.unit.iommu().hit_latency();
    finish(function, op, now, end, RecordedOutcome::hit, at, FaultCode::none);
    return schedule_next(params_.in_flight == 1 ? end : now);
  }
  ++function.stats.misses;
  if (free_walking_.empty()) {
    free_walking_.push_back(static_cast<std::uint32_t>(walking_.size()));
    walking_.emplace_back();
  }
  const std::uint32_t cookie = free_walking_.back();
  free_walking_.pop_back();
  walking_[cookie] = {next_op_ - 1, static_cast<std::uint32_t>(&function - functions_.data()), now};
  held_ = ++in_flight_ >= params_.in_flight;
  to_.unit.iommu().start_walk(function.port, Iova(op.iova), access, stamp, *this, cookie);
  if (!held_) schedule_next(now);
}

void TracePlayer::walked(std::uint64_t cookie, const WalkResult& result) {
  const Walking walking = walking_[cookie];
  free_walking_.push_back(static_cast<std::uint32_t>(cookie));
  --in_flight_;
  const RecordedOp& op = stream_.ops[walking.op];
  Function& function = functions_[walking.function];
  const Instant now = to_.engine.agenda().now();
  if (!result.faulted()) {
    finish(function, op, walking.arrival, now, RecordedOutcome::miss,
           result.translation.address(Iova(op.iova)), result.fault);
  } else {
    ++function.stats.faults;
    ++function.stats.aborted;
    finish(function, op, walking.arrival, now, RecordedOutcome::fault, Hpa(0), result.fault);
  }
  if (held_ && !posted_) schedule_next(now);
}

void TracePlayer::attach(const RecordedOp& op) {
  Domain& space = domain(op.domain);
  const auto width = static_cast<std::uint8_t>(space.table.levels() - 2);
  if (to_.unit.params().mode == vtd::Mode::legacy) {
    vtd::LegacyContext context;
    context.present = true;
    context.address_width = width;
    context.table = space.table.root();
    context.domain = space.id;
    to_.unit.tables().attach(Bdf(op.sid), context);
    return;
  }
  vtd::PasidEntry entry;
  entry.present = true;
  entry.address_width = width;
  entry.type = vtd::PasidEntry::Type::second_level;
  entry.second_level = space.table.root();
  entry.domain = space.id;
  to_.unit.tables().attach(Bdf(op.sid), 1, Pasid(0));
  to_.unit.tables().set_entry(Bdf(op.sid), Pasid(0), entry);
}

// Guests whose IOMMU had no PASID tables flushed no PASID entry. Where their streams play on one that
// has, the entry of a device that left a domain is flushed: VT-d 3.3 s6.5.2.2, PASID 0 of that
// domain. Whether a descriptor is on its way now.
bool TracePlayer::flush_left_domain(const RecordedOp& op) {
  if (stream_.scalable_mode || to_.unit.params().mode == vtd::Mode::legacy) return false;
  const auto left = attached_.extract(op.sid);
  if (op.kind == RecordedKind::attach) attached_.emplace(op.sid, op.domain);
  if (left.empty()) return false;
  vtd::Descriptor flush;
  flush.type = vtd::DescriptorType::pasid_cache;
  flush.granularity = vtd::Granularity::pasid;
  flush.domain = domain_id(left.mapped());
  const auto words = flush.encode();
  post(words[0], words[1]);
  return true;
}

void TracePlayer::post(std::uint64_t low, std::uint64_t high) {
  ++descriptors_;
  held_ = true;
  posted_ = true;
  to_.driver.post(low, high, *this);
}

// What another architecture's command covers, as a descriptor of ours. Of pages, the smallest
// aligned power of two that holds the range.
void TracePlayer::invalidate(const RecordedOp& op) {
  vtd::Descriptor flush;
  flush.type = vtd::DescriptorType::iotlb;
  flush.domain = domain_id(op.domain);
  if (op.domain == RecordedOp::every_domain) {
    flush.granularity = vtd::Granularity::global;
  } else if (op.pages == 0) {
    flush.granularity = vtd::Granularity::domain;
  } else {
    flush.granularity = vtd::Granularity::page;
    flush.address = Iova(op.iova);
    const std::uint64_t first = op.iova >> 12U;
    const std::uint64_t last = first + op.pages - 1;
    flush.address_mask = static_cast<std::uint8_t>(std::bit_width(first ^ last));
    // Linux' qi_flush_iotlb callers: what is larger than a descriptor can say goes with its domain.
    if (flush.address_mask > to_.unit.queue().params().max_address_mask) {
      flush.granularity = vtd::Granularity::domain;
      flush.address_mask = 0;
      flush.address = Iova();
    }
  }
  const auto words = flush.encode();
  post(words[0], words[1]);
}

void TracePlayer::descriptor_done() {
  posted_ = false;
  schedule_next(to_.engine.agenda().now());
}

void TracePlayer::emit(EventKind kind, std::uint32_t component, const RecordedOp& op, Ps duration,
                       std::uint64_t value, std::uint16_t code) {
  if (!to_.tracer.on()) return;
  TraceEvent event;
  event.time = to_.engine.agenda().now().ps();
  event.duration = duration.count();
  event.address = op.iova;
  event.value = value;
  event.component = component;
  event.kind = static_cast<std::uint16_t>(kind);
  event.code = code;
  to_.tracer.emit(event);
}

TracePlayer::Domain& TracePlayer::domain(std::uint32_t number) {
  const auto found = domains_.find(number);
  if (found != domains_.end()) return found->second;
  const PageTable table(to_.memory, TableFormat::second_level,
                        table_levels_for(stream_.address_width));
  return domains_.emplace(number, Domain{table, domain_id(number)}).first->second;
}

TracePlayer::Function& TracePlayer::function_of(std::uint16_t sid) {
  const auto found = std::lower_bound(
      functions_.begin(), functions_.end(), Bdf(sid),
      [](const Function& function, Bdf wanted) { return function.source < wanted; });
  ensure(found != functions_.end() && found->source == Bdf(sid),
         "a request of a requester that the stream does not name");
  return *found;
}

}  // namespace viosim
