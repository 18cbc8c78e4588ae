// What an Iommu remembers of a request that missed, and of the walk that it leads to.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/time.hpp"
#include "models/iommu/request.hpp"
#include "models/iommu/walk.hpp"
#include "models/iommu/walk_caches.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace viosim {

struct IommuPort;
class WalkClient;

// What a request's owner is told at the end of a walk.
struct WalkResult {
  FaultCode fault = FaultCode::none;
  bool message = false;     // an interrupt: not a translation
  bool silenced = false;    // FPD: the fault is not reported to software
  bool in_pages = false;    // the fault is the page tables': other contents would mend it
  Translation translation;  // when there is no fault
  bool faulted() const { return fault != FaultCode::none; }
};

// A miss on its way: all of it that outlives the wait for a walker.
struct WalkMiss {
  IommuPort* port = nullptr;
  WalkClient* client = nullptr;
  std::uint64_t cookie = 0;
  Iova iova;
  Instant arrival;
  Instant ready;             // the look-ups are done
  std::uint64_t ticket = 0;  // walks that meet at one instant keep the order in which they missed
  Access access = Access::read;
  // Not beside `access`: compilers load neighbours together, which stalls when they have just been
  // written apart.
  alignas(4) AddressType type = AddressType::untranslated;
  bool queued = false;  // has lined up for a walker
  bool asked = false;   // the IOTLB, which the look-up that missed may not have come to
};

// What a walk leaves in the walk caches, and which of their entries it used.
struct WalkTrail {
  struct LookUp {
    Instant at;
    std::uint32_t slot;
    Stage stage;
    std::uint8_t level;  // 0: nothing was found
  };
  static constexpr std::size_t look_ups_most = 8;
  static constexpr std::size_t levels = WalkCaches::highest + 1;

  // Where walks of the page came past, by stage and level; bit n of `seen` says that level n is
  // known.
  std::array<std::array<WalkStart, levels>, 2> path;
  std::array<std::uint8_t, 2> seen{};
  std::array<std::uint8_t, 2> seen_before{};  // when the walk began to run ahead
  std::uint8_t look_ups = 0;
  std::array<LookUp, look_ups_most> looked_up;  // ahead: not yet counted
  // By stage, of the look-up for the page: the slot that it found in the lowest cache; the level of
  // the entry with which the walk resumed, or 0; and WalkCaches::changes() at that time.
  std::array<std::uint32_t, 2> lowest_slot{};
  std::array<std::uint8_t, 2> found_level{};
  std::array<std::uint64_t, 2> changes{};
  Iova guest;  // the page's address in the second stage

  void begin() {
    look_ups = 0;
    seen = {};
    lowest_slot.fill(WalkCaches::none);
    found_level = {};
  }
};

struct alignas(64) WalkSlot {
  enum class State : std::uint8_t { free, stepping, ahead, answering };

  explicit WalkSlot(std::uint32_t its_number) : number(its_number) {}

  const std::uint32_t number;
  std::uint32_t calls = 0;         // events scheduled so far; only the last one counts
  std::uint16_t reads_ahead = 0;   // counted already, and taken back when the walk goes back
  std::uint8_t withhold_fill = 0;  // bit n: if the page turns out to be of level n
  bool withhold_path = false;
  State state = State::free;
  bool ahead_from_entry = false;  // running ahead: from the first step of the page tables
  Instant since;                  // the step being taken, or the first one ahead, began here
  WalkMiss miss;
  Instant started;  // waited for nothing more
  Instant walked;   // the walk is over
  std::vector<WalkMiss> merged;
  Walk walk;
  WalkTrail trail;
  WalkResult result;  // answering
  PageWalk ahead_of;  // running ahead, but not from the entry: the page walk at `since`
};

}  // namespace viosim
