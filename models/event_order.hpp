// What happens first at one instant, after software: the classes of the agenda's key.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/agenda.hpp"

#include <cstdint>

namespace viosim {

// Timers of software come first, as software does that sleeps until an instant. Table reads return
// before invalidations take effect, so an entry that was read at an instant is also invalidated at
// it; both come before new requests look anything up.
enum class EventClass : std::uint8_t {
  timer,         // software has something to do
  table_read,    // a walker's read of memory returns
  invalidation,  // a step of an invalidation queue
  recorded,      // the next record of a played trace
  retry,         // a request comes back after its fault was handled
  message,       // between a function with a translation cache and the root
  arrival        // a generated request reaches its IOMMU; these run ahead of the agenda, see
                 // dma_fabric.hpp
};

constexpr EventRank rank(EventClass event_class, std::uint32_t device) {
  return {static_cast<std::uint8_t>(event_class), device};
}

}  // namespace viosim
