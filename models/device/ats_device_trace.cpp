// What a function with a translation cache writes into the trace: its requests, and the parts of their
// lives.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/ats_device.hpp"
#include "models/pcie/ats_trace.hpp"

namespace viosim {

std::uint32_t AtsDevice::pasid_of(const Request& request) {
  const Pasid pasid = request.queue->port.pasid;
  return pasid == no_pasid ? 0 : pasid.value();
}

void AtsDevice::emit(const Request& request, std::uint16_t code) {
  TraceEvent event;
  event.time = agenda_.now().ps();
  event.duration = (agenda_.now() - request.issue).count();
  event.address = request.iova.value();
  event.value = request.at.value();
  event.component = config_.component;
  event.pasid = pasid_of(request);
  event.epoch = request.queue->epoch;
  event.kind = static_cast<std::uint16_t>(EventKind::translate);
  event.code = code;
  tracer_.emit_request(event);
}

// The part of this kind ends, and the next one begins.
void AtsDevice::part(Request& request, EventKind kind, Instant until) {
  const Instant from = request.part;
  request.part = until;
  if (!tracer_.recording() || until == from) return;
  TraceEvent event;
  event.time = until.ps();
  event.duration = (until - from).count();
  event.address = request.iova.value();
  event.value = request.number;
  event.component = config_.component;
  event.pasid = pasid_of(request);
  event.epoch = request.queue->epoch;
  event.kind = static_cast<std::uint16_t>(kind);
  event.code = config_.source.value();
  tracer_.record(event);
}

// What happens to the function as a whole.
void AtsDevice::tell(EventKind kind, std::uint64_t address) const {
  if (!trace_.on()) return;
  trace_.emit(
      {.kind = kind, .time = agenda_.now(), .address = address, .value = config_.source.value()});
}

// Work of an earlier life of its PASID is told as such.
void AtsDevice::tell_begun(std::uint32_t queue, const QueueWork& work) const {
  if (!trace_.on() || work.pasid == no_pasid) return;
  trace_.emit({.kind = EventKind::work_begun,
               .time = agenda_.now(),
               .pasid = work.pasid,
               .address = queue,
               .value = config_.source.value()},
              work.pasid_life == 0 ? trace_.epoch_of(work.pasid) : work.pasid_life);
}

void AtsDevice::tell_asked(const Asked& asked) const {
  if (!trace_.on()) return;
  TracePoint::What what = told(asked.request, agenda_.now());
  what.duration = config_.link.latency;
  trace_.emit(what, asked.epoch);
}

void AtsDevice::tell_plugged() const {
  tell(EventKind::plug, pages_ == nullptr ? 0 : pages_->credits());
}

void AtsDevice::tell_answered(const PageResponse& response, PageRequester::Outcome outcome) const {
  if (!trace_.on()) return;
  TracePoint::What what = told(response, agenda_.now());
  what.kind = EventKind::group_answered;
  what.code = static_cast<std::uint16_t>(outcome);
  trace_.emit(what);
}

// A request that went to memory is over.
void AtsDevice::used(Request& request) {
  part(request, request.taken_up ? EventKind::taken_up : EventKind::device_look_up,
       request.departure);
  part(request, EventKind::transfer, agenda_.now());
}

}  // namespace viosim
