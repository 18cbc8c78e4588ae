// What happens first at one instant, after software: the classes of the agenda's key.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/agenda.hpp"

#include <cstdint>

namespace viosim {

// Table reads return before invalidations take effect, so an entry that was read at an instant is
// also invalidated at it; both come before new requests look anything up.
enum class EventClass : std::uint8_t {
  table_read = 0,    // a walker's read of memory returns
  invalidation = 1,  // a step of an invalidation queue
  recorded = 2,      // the next record of a played trace
  retry = 3,         // a request comes back after its fault was handled
  message = 4,       // between a function with a translation cache and the root
  arrival =
      5  // a generated request reaches its IOMMU; these run ahead of the agenda, see dma_fabric.hpp
};

constexpr EventRank rank(EventClass event_class, std::uint32_t device) {
  return {static_cast<std::uint8_t>(event_class), device};
}

}  // namespace viosim
