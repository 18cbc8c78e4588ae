// A request's way to its answer, as a pure step: the tables that lead to its address space, then
// that space's page tables.
// SPDX-License-Identifier: Apache-2.0
//
// Timing is not known here. Whoever drives a walk reads memory at `next_read` whenever it likes and
// hands the 64-byte line over; every read of a table is a step of its own, so tables that change
// between two reads are seen exactly as hardware would.
#pragma once

#include "models/host/physical_memory.hpp"
#include "models/iommu/architecture.hpp"
#include "models/iommu/page_walk.hpp"
#include "models/iommu/request.hpp"

#include <cstdint>

namespace viosim {

class Walk {
 public:
  // Starts with what the caches know: nothing, the device's entry, or the address space. `caches`:
  // stop at look_up where a cache of upper table entries may help.
  void begin(const Architecture& architecture, const Request& request, const DeviceEntry* config,
             const AddressSpace* space, bool caches);

  WalkStep step() const { return step_; }
  // At `read`: the line that holds this is wanted.
  Hpa next_read() const { return in_pages() ? pages_.next_read() : guest_or_config(); }
  void advance(const PhysicalMemory::Line& line);
  // Before the address space was read: a cache knows it.
  void know(const AddressSpace& space);
  // The same where in_pages() holds: the word at next_read().
  void advance_pages(std::uint64_t word) {
    pages_.advance(word);
    if (pages_.step() != WalkStep::read) moved();
  }
  // The other steps are the page walk's: look_up, update. Call one of its functions, then moved().
  PageWalk& pages() { return pages_; }
  const PageWalk& pages() const { return pages_; }
  void moved();

  // Whether the next step is of the page tables: what precedes those changes the caches on the way.
  bool in_pages() const { return phase_ == Phase::pages; }
  // For a driver that reads ahead, and has to go back when memory changes before its time: `pages`
  // is a copy made where in_pages() held.
  void go_back(const PageWalk& pages);

  const Request& request() const { return config_.request; }
  Translation translation() const;                      // when translated
  FaultCode fault() const { return config_.fault; }     // when faulted
  PageFault page_fault() const { return page_fault_; }  // the page walk's, if it was its
  bool fault_silenced() const { return config_.fault_silenced; }
  bool message() const { return message_; }  // an interrupt: translated as it is, not to be cached

  // What the last step learned, for the caches. Null when they knew it before.
  const DeviceEntry* learned_config() const {
    return config_.config_learned ? &config_.config : nullptr;
  }
  const AddressSpace* learned_space() const {
    return config_.space_learned ? &config_.space : nullptr;
  }
  // Null until the address space is known.
  const AddressSpace* space() const { return phase_ == Phase::pages ? &config_.space : nullptr; }
  Pasid pasid() const { return config_.pasid(); }

 private:
  enum class Phase : std::uint8_t { config, config_in_guest, pages };

  Hpa guest_or_config() const {
    return phase_ == Phase::config_in_guest ? pages_.next_read() : config_.next_read;
  }
  void take(ConfigStep step);
  void enter();
  void fail(FaultCode code);
  bool is_message() const;

  const Architecture* architecture_ = nullptr;
  PageWalk pages_;
  ConfigWalk config_;
  WalkStep step_ = WalkStep::read;
  Phase phase_ = Phase::config;
  PageFault page_fault_ = PageFault::none;
  bool caches_ = false;
  bool message_ = false;
};

}  // namespace viosim
