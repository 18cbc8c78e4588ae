// A place where something is plugged in, or may be: what software is about to do there, and when.
// SPDX-License-Identifier: Apache-2.0
//
// A probe is due from the plug until the driver begins with it, the removal while an attention button's
// window runs. What is due is taken by who begins with it, or by who takes it back; nobody else begins then.
#pragma once

#include "core/base/fields.hpp"
#include "core/des/engine.hpp"
#include "models/trace_point.hpp"

#include <cstdint>
#include <functional>

namespace viosim {

struct SlotTimes {
  Ps probe_delay{0};
  Ps attention_window{0};

  static constexpr auto fields() {
    using T = SlotTimes;
    return Fields{
        field(
            "probe_delay", &T::probe_delay,
            "From the notification of a plug to the beginning of the driver's probe. An unplug "
            "meanwhile takes the plug back.",
            "off: a run shows what the protocol costs; a real machine takes 50 ms (10-500 ms) for "
            "ACPI and the probe"),
        field("attention_window", &T::attention_window,
              "From an unplug in order to its beginning. The same again meanwhile takes it back.",
              "off, as above; PCIe's attention button has 5 s")};
  }
  bool operator==(const SlotTimes&) const = default;
};

class HotplugSlot final : private EventHandler {
 public:
  enum class Due : std::uint8_t { nothing, probe, removal };

  // `number`: its place in the order of events. `trace`: of what is there; it outlives the slot.
  HotplugSlot(Engine& engine, std::uint32_t number, const TracePoint& trace)
      : engine_(engine), number_(number), trace_(trace) {}
  HotplugSlot(const HotplugSlot&) = delete;
  HotplugSlot& operator=(const HotplugSlot&) = delete;

  // Instead of what was. From anybody, as all of these.
  void set(Due what);
  bool is(Due what) const { return due_ == what; }
  // Calls this, unless what is due is taken before: at once where there is no delay, else from hardware.
  void after(Ps delay, std::function<void()> then);
  bool waits() const { return static_cast<bool>(then_); }
  // Nothing is due any more. False: something else was, or nothing.
  bool take(Due what);

  // Software is told to let go of what is there, or was; has done so; has not, once or more often.
  void leave() {
    set(Due::nothing);
    ++leaving_;
  }
  void left() { --leaving_; }
  bool leaving() const { return leaving_ > 0; }

 private:
  void fire(std::uint64_t wait) override;
  void tell(std::uint16_t what) const;

  Engine& engine_;
  std::uint32_t number_;
  const TracePoint& trace_;
  Due due_ = Due::nothing;
  std::uint64_t wait_ = 0;  // number of the last one
  Instant since_;           // when it began
  std::function<void()> then_;
  std::uint32_t leaving_ = 0;
};

}  // namespace viosim
