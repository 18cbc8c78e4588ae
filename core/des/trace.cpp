// Hands full blocks of events to the sink and starts the next one.
// SPDX-License-Identifier: Apache-2.0
#include "core/des/trace.hpp"

#include <utility>

namespace viosim {

void Tracer::start(TraceSink& sink) {
  sink_ = &sink;
  block_.resize(trace_block_events);
  aim();
  look_who_listens();
}

void Tracer::start(TraceObserver& observer) {
  observer_ = &observer;
  look_who_listens();
}

void Tracer::look_who_listens() {
  on_ = recording() || observer_ != nullptr;
  observed_requests_ = observer_ != nullptr && observer_->wants_requests();
  follows_requests_ = recording() || observed_requests_;
}

void Tracer::show(const TraceEvent& event) {
  observer_->observe(event);
  look_who_listens();
}

void Tracer::aim() {
  next_ = block_.data();
  end_ = next_ + block_.size();
}

void Tracer::hand_over() {
  handed_over_ += block_.size();
  block_ = sink_->take(std::move(block_));
  block_.resize(trace_block_events);
  aim();
}

void Tracer::finish() {
  observer_ = nullptr;
  if (recording()) {
    block_.resize(static_cast<std::size_t>(next_ - block_.data()));
    handed_over_ += block_.size();
    if (!block_.empty()) sink_->take(std::move(block_));
    next_ = end_ = nullptr;
  }
  look_who_listens();
}

}  // namespace viosim
