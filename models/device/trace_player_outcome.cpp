// What came of records: each request against what was recorded, and what was not played.
// SPDX-License-Identifier: Apache-2.0
#include "models/device/trace_player.hpp"

#include <fmt/format.h>

namespace viosim {

std::optional<RefusedRecord> first_refused(const RecordedStream& stream,
                                           const vtd::InvalidationQueueParams& queue) {
  const auto most = static_cast<std::uint8_t>(queue.max_address_mask);
  for (const RecordedOp& op : stream.ops) {
    if (op.kind != RecordedKind::descriptor) continue;
    const vtd::DescriptorBits bits{op.pa, op.iova, 0, 0};
    if (vtd::Descriptor::error(bits, most) == vtd::QueueError::none) continue;
    return RefusedRecord{
        op.line, fmt::format("a descriptor with an address mask of {}; expected at most {}, the "
                             "max_address_mask of the IOMMU that it is played on",
                             vtd::Descriptor::decode(bits).address_mask, most)};
  }
  return {};
}

void TracePlayer::finish(Function& function, const RecordedOp& op, Instant arrival, Instant end,
                         RecordedOutcome outcome, Hpa address, FaultCode fault) {
  function.latency.record(end - arrival);
  judge(op, outcome, address, fault);
  if (!to_.tracer.follows_requests()) return;
  const std::uint16_t code = outcome == RecordedOutcome::hit ? outcome_hit
                             : outcome == RecordedOutcome::miss
                                 ? outcome_miss
                                 : outcome_fault(static_cast<std::uint16_t>(fault));
  TraceEvent event;
  event.time = end.ps();
  event.duration = (end - arrival).count();
  event.address = op.iova;
  event.value = address.value();
  event.component = function.component;
  event.kind = static_cast<std::uint16_t>(EventKind::translate);
  event.code = code;
  to_.tracer.emit_request(event);
}

void TracePlayer::judge(const RecordedOp& op, RecordedOutcome outcome, Hpa address,
                        FaultCode fault) {
  if (!is_comparable(op)) return;
  ++agreement_.compared;
  const bool same_address = outcome == RecordedOutcome::fault || address.value() == op.pa;
  if (outcome == op.outcome && same_address) {
    ++agreement_.agreed;
  } else if (agreement_.first.size() < Agreement::kept) {
    agreement_.first.push_back({op, outcome, address, fault});
  }
}

std::optional<std::string> TracePlayer::unfinished() const {
  if (next_op_ == end_op_ && in_flight_ == 0 && !posted_) {
    ensure(agreement_.compared == agreement_.comparable,
           "a trace player is at its end and has not compared every request");
    return {};
  }
  std::string text = fmt::format("{} has played {} of {} records", path_, next_op_, end_op_);
  if (posted_) {
    text += fmt::format("; the descriptor of line {} was never executed{}",
                        stream_.ops[next_op_ - 1].line,
                        to_.unit.queue().errors().queue ? ": an error stopped the queue" : "");
  } else if (in_flight_ != 0) {
    text += fmt::format("; requests without an answer: {}", in_flight_);
  }
  return text;
}

}  // namespace viosim
