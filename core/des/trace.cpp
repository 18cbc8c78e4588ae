// Hands full blocks of events to the sink and starts the next one.
// SPDX-License-Identifier: Apache-2.0
#include "core/des/trace.hpp"

#include <utility>

namespace viosim {

void Tracer::start(TraceSink& sink) {
  sink_ = &sink;
  block_.resize(trace_block_events);
  aim();
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
  if (!on()) return;
  block_.resize(static_cast<std::size_t>(next_ - block_.data()));
  handed_over_ += block_.size();
  if (!block_.empty()) sink_->take(std::move(block_));
  next_ = end_ = nullptr;
}

}  // namespace viosim
