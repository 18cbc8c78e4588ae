// Checking page requests, writing their entries, and overflow.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/page_request_queue.hpp"

#include "models/event_order.hpp"
#include "models/iommu/bits.hpp"
#include "models/pcie/ats_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace viosim::vtd {
namespace {

constexpr std::uint64_t page_request_type = 1;
constexpr std::uint64_t most_pasid = (1U << pasid_bits) - 1;

}  // namespace

std::array<std::uint64_t, 4> PageRequestEntry::encode(const PageRequest& request) {
  const bool has_pasid = request.pasid != no_pasid;
  const std::uint64_t pasid = has_pasid ? request.pasid.value() & most_pasid : 0;
  const PageRequestData data = request.private_data.value_or(PageRequestData{});
  return {page_request_type | put(has_pasid, 8) | put(request.private_data.has_value(), 9) |
              std::uint64_t{request.source.value()} << 16U | pasid << 32U |
              put(request.execute, 52) | put(request.privileged, 53),
          put(request.read, 0) | put(request.write, 1) | put(request.last, 2) |
              std::uint64_t{request.group} << 3U | request.address.page_base(page_4k).value(),
          data[0], data[1]};
}

PageRequest PageRequestEntry::decode(const std::array<std::uint64_t, 4>& words) {
  PageRequest request;
  request.source = Bdf(static_cast<std::uint16_t>(words[0] >> 16U));
  if (bit_of(words[0], 8))
    request.pasid = Pasid(static_cast<std::uint32_t>(words[0] >> 32U & most_pasid));
  request.execute = bit_of(words[0], 52);
  request.privileged = bit_of(words[0], 53);
  request.read = bit_of(words[1], 0);
  request.write = bit_of(words[1], 1);
  request.last = bit_of(words[1], 2);
  request.group = static_cast<std::uint16_t>(words[1] >> 3U & 0x1ffU);
  request.address = Iova(words[1]).page_base(page_4k);
  if (bit_of(words[0], 9)) request.private_data = {words[2], words[3]};
  return request;
}

PageRequestQueue::PageRequestQueue(const PageRequestQueueParams& params, std::uint32_t number,
                                   Agenda& agenda, PhysicalMemory& memory, Iommu& iommu)
    : params_(params),
      number_(number),
      agenda_(agenda),
      memory_(memory),
      iommu_(iommu),
      entries_(params.entries) {}

void PageRequestQueue::give_ring() {
  if (base_) return;
  const std::uint64_t bytes = params_.entries * PageRequestEntry::size.count();
  set_ring(memory_.allocate_frames(bytes / page_4k.count()), params_.entries);
}

AtsFunction* PageRequestQueue::function(Bdf source) const {
  const auto found = functions_.find(source);
  return found == functions_.end() ? nullptr : found->second;
}

void PageRequestQueue::write_head(std::uint32_t head) {
  ensure(head < entries_, "the head register was written with a number beyond the ring");
  head_ = head;
}

// Software must not do that while requests are on their way: what is being written lands in the new
// ring, as far as it has room.
void PageRequestQueue::set_ring(Hpa base, std::uint32_t entries) {
  ensure(std::has_single_bit(entries), "the entries of a ring are not a power of two");
  base_ = base;
  entries_ = entries;
  head_ = tail_ = 0;
  reserved_ = static_cast<std::uint32_t>(std::min<std::size_t>(writing_.size(), entries - 1));
}

void PageRequestQueue::clear_pending() {
  pending_ = false;
  event_.serviced();
}

void PageRequestQueue::raise() {
  if (event_.raise() && listener_ != nullptr) interrupt();
}

void PageRequestQueue::interrupt() {
  const Ruling ruling = injection.ask(Message::page_request_interrupt);
  if (ruling.fate == Fate::drop) return;
  if (ruling.fate == Fate::delay) {
    agenda_.schedule(agenda_.now() + ruling.by, rank(EventClass::message, number_), *this,
                     static_cast<std::uint64_t>(What::late_interrupt));
    return;
  }
  if (ruling.fate == Fate::duplicate) listener_->page_requests_pending();
  listener_->page_requests_pending();
}

void PageRequestQueue::mask_event(bool on) {
  if (event_.mask(on) && listener_ != nullptr) interrupt();
}

PageRequest PageRequestQueue::entry(std::uint32_t number) const {
  const Hpa at = base() + Bytes(number * PageRequestEntry::size.count());
  return PageRequestEntry::decode({memory_.read(at), memory_.read(at + Bytes(8)),
                                   memory_.read(at + Bytes(16)), memory_.read(at + Bytes(24))});
}

void PageRequestQueue::request_page(const PageRequest& request) {
  const bool marker = !request.read && !request.write;
  const Ruling ruling = marker ? Ruling{} : injection.ask(Message::page_request, request.pasid);
  if (ruling.fate == Fate::drop) return;
  if (ruling.fate == Fate::reorder) return held_back_.push_back(request);
  if (ruling.fate == Fate::delay) {
    late_.emplace(++last_late_, request);
    agenda_.schedule(agenda_.now() + ruling.by, rank(EventClass::message, number_), *this,
                     last_late_ << 2U | static_cast<std::uint64_t>(What::late));
    return;
  }
  arrives(request);
  if (ruling.fate == Fate::duplicate) arrives(request);
  for (; !held_back_.empty(); held_back_.pop_front()) arrives(held_back_.front());
}

void PageRequestQueue::arrives(const PageRequest& request) {
  ++stats.requests;
  arrived_.push_back(request);
  if (!checking_) check_next();
}

void PageRequestQueue::check_next() {
  checking_ = !arrived_.empty();
  if (!checking_) return;
  const PageRequest& request = arrived_.front();
  port_ = {};
  port_.source = request.source;
  port_.pasid = request.pasid;
  port_.privileged = request.privileged;
  port_.device = number_;
  // Which rights it asks for decides nothing here; the record of a refusal says them.
  const Access access = request.execute ? Access::execute : Access::read;
  const UseStamp stamp = iommu_.use_now();
  if (iommu_.admit(port_, request.address, AddressType::page_request, access, stamp)) {
    agenda_.schedule(agenda_.now() + iommu_.context_latency(), rank(EventClass::message, number_),
                     *this, static_cast<std::uint64_t>(What::admitted));
  } else {
    iommu_.start_walk(port_, request.address, access, stamp, *this, 0, AddressType::page_request);
  }
}

void PageRequestQueue::walked(std::uint64_t, const WalkResult& result) {
  checked(!result.faulted());
}

void PageRequestQueue::fire(std::uint64_t what) {
  switch (static_cast<What>(what & 3U)) {
    case What::admitted:
      return checked(true);
    case What::written:
      return written();
    case What::late_interrupt:
      return listener_->page_requests_pending();
    case What::late:
      break;
  }
  const auto late = late_.extract(what >> 2U);
  arrives(late.mapped());
}

void PageRequestQueue::checked(bool allowed) {
  const PageRequest request = arrived_.front();
  arrived_.pop_front();
  if (!allowed) {
    ++stats.refused;
    answer(request, PageResponseCode::invalid);
  } else if (overflow_ || after(reserved_) == head_) {
    drop(request);
  } else {
    reserved_ = after(reserved_);
    stats.longest = std::max<std::uint64_t>(stats.longest, (reserved_ - head_) & (entries_ - 1));
    writing_.push_back(request);
    ++to_write_;
    agenda_.schedule(agenda_.now() + params_.write, rank(EventClass::message, number_), *this,
                     static_cast<std::uint64_t>(What::written));
  }
  ++checked_;
  tell_drained();
  check_next();
}

void PageRequestQueue::drop(const PageRequest& request) {
  if (!overflow_) ++stats.overflows;
  overflow_ = true;
  ++stats.dropped;
  if (trace.on()) {
    TracePoint::What what = told(request, agenda_.now());
    what.kind = EventKind::request_dropped;
    trace.emit(what);
  }
  answer(request, params_.overflow_response == OverflowResponse::success
                      ? PageResponseCode::success
                      : PageResponseCode::invalid);
}

bool PageRequestQueue::drain(DrainClient& client, std::uint64_t cookie) {
  if (arrived_.empty() && writing_.empty()) return true;
  drains_.push_back({&client, cookie, stats.requests, not_known});
  tell_drained();
  return false;
}

void PageRequestQueue::tell_drained() {
  for (std::size_t i = 0; i < drains_.size();) {
    Drain& drain = drains_[i];
    if (drain.written == not_known && checked_ >= drain.checked) drain.written = to_write_;
    if (written_ < drain.written) {
      ++i;
      continue;
    }
    const Drain over = drain;
    drains_.erase(drains_.begin() + static_cast<std::ptrdiff_t>(i));
    over.client->drained(over.cookie);
  }
}

// By hardware: groups get answers, and what carries private data (VT-d 3.x, 7.4.1); stop markers are
// neither.
void PageRequestQueue::answer(const PageRequest& request, PageResponseCode code) {
  if (!request.wants_response() || !(request.read || request.write)) return;
  const auto found = functions_.find(request.source);
  ensure(found != functions_.end(), "a page request came from a function that is not connected");
  AtsFunction* const to = found->second;
  if (to == nullptr) return;  // it is gone
  ++stats.answered;
  if (trace.on()) trace.emit(told(PageResponse::to(request, code), agenda_.now()));
  to->answer(PageResponse::to(request, code));
  answers_arrive_ = std::max(answers_arrive_, agenda_.now() + to->answer_time());
}

void PageRequestQueue::written() {
  const PageRequest request = writing_.front();
  const auto words = PageRequestEntry::encode(request);
  writing_.pop_front();
  ++written_;
  if (after(tail_) == head_) {  // the ring was moved meanwhile
    drop(request);
    return tell_drained();
  }
  ensure(base_.has_value(), "a page request was admitted to a queue whose ring has no memory");
  const Hpa at = *base_ + Bytes(tail_ * PageRequestEntry::size.count());
  for (std::size_t word = 0; word < words.size(); ++word)
    memory_.write(at + Bytes(word * 8), words[word]);
  tail_ = after(tail_);
  ++stats.written;
  tell_drained();
  if (pending_) return;
  pending_ = true;
  raise();
}

}  // namespace viosim::vtd
