// What the numbers in a run's trace events stand for, as its own tables say.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/event_fields.hpp"
#include "sim/record/run_reader.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace viosim {

class EventNames {
 public:
  explicit EventNames(const RunReader& reader);
  EventNames(const EventNames&) = delete;
  EventNames& operator=(const EventNames&) = delete;

  // Of a number that the tables do not have: the number itself, "?7".
  const std::string& component(std::uint32_t number) const;
  const KindMeaning& kind(std::uint16_t number) const;

 private:
  std::vector<std::string> components_;
  std::vector<KindMeaning> kinds_;  // by number
  // Numbers without a name; filled when one is asked for. Not thread-safe.
  mutable std::deque<std::pair<std::uint32_t, std::string>> unknown_components_;
  mutable std::deque<std::pair<std::uint16_t, KindMeaning>> unknown_kinds_;
};

// On one line, for messages: "host0.dmar0 walk at 1.25 us for 80 ns, PASID 1, IOVA 0x1000 ...".
std::string event_text(const TraceEvent& event, const EventNames& names);

}  // namespace viosim
