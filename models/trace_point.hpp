// How a model that is no device writes events: with its component, and the life of the PASID.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/time.hpp"
#include "core/des/trace.hpp"
#include "models/pasid_lives.hpp"
#include "models/trace_events.hpp"

#include <cstdint>

namespace viosim {

// Silent until somebody says where events go. on() is one branch, and what an event is made of is
// only looked up behind it.
class TracePoint {
 public:
  struct What {
    EventKind kind{};
    Instant time;
    Pasid pasid = no_pasid;
    std::uint64_t address = 0;
    std::uint64_t value = 0;
    std::uint16_t code = 0;
    Ps duration{0};
  };

  // `lives`: of the kernel whose PASIDs the events are about; none: their epoch is 0.
  void trace_to(Tracer& tracer, std::uint32_t component, const PasidLives* lives = nullptr) {
    tracer_ = &tracer;
    component_ = component;
    lives_ = lives;
  }
  bool on() const { return tracer_ != nullptr && tracer_->on(); }
  std::uint32_t component() const { return component_; }
  std::uint32_t epoch_of(Pasid pasid) const {
    return lives_ == nullptr || pasid == no_pasid ? 0 : lives_->of(pasid);
  }
  void emit(const What& what) const { emit(what, epoch_of(what.pasid)); }  // only when on()
  void emit(const What& what, std::uint32_t epoch) const {
    TraceEvent event;
    event.time = what.time.ps();
    event.duration = what.duration.count();
    event.address = what.address;
    event.value = what.value;
    event.component = component_;
    event.pasid = what.pasid == no_pasid ? 0 : what.pasid.value();
    event.epoch = epoch;
    event.kind = static_cast<std::uint16_t>(what.kind);
    event.code = what.code;
    tracer_->emit(event);
  }

 private:
  Tracer* tracer_ = nullptr;
  const PasidLives* lives_ = nullptr;
  std::uint32_t component_ = 0;
};

}  // namespace viosim
