// The kinds of event that a run's trace holds, and what their fields mean.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace viosim {

enum class EventKind : std::uint16_t {
  translate,
  invalidate,
  map,
  unmap,
  // The parts of a request's time in an IOMMU, when it is no hit: one begins where the one before
  // ended, the first at the request's arrival. Parts that took no time are left out.
  look_up,
  wait,
  walk,
  answer,
  // The parts of the life of a request of a function with a translation cache, the same way: the
  // first begins where it was issued, the last ends where its `translate` event is.
  device_look_up,
  translation,
  taken_up,
  page,
  transfer,
  action
};

// TraceEvent::code of a translation.
inline constexpr std::uint16_t outcome_hit = 0;
inline constexpr std::uint16_t outcome_miss = 1;
inline constexpr std::uint16_t outcome_no_page = 2;
constexpr std::uint16_t outcome_fault(std::uint16_t reason) {
  return static_cast<std::uint16_t>(0x100U | reason);
}

// One row of the run database's event_kind table. An empty meaning: the field is not used.
struct EventKindInfo {
  EventKind kind;
  std::string_view name;
  std::string_view sentence;
  std::string_view address;  // what TraceEvent::address holds
  std::string_view value;
  std::string_view code;
};

std::span<const EventKindInfo> event_kinds();

}  // namespace viosim
