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
  // The same: it knows that there is none, and what such requests are told.
  void know_absent(FaultCode code, bool silenced);
  // The same where in_pages() holds: the word at next_read().
  void advance_pages(std::uint64_t word) {
    pages_.advance(word);
    moved();
  }
  // The other steps are the page walk's: look_up, update. Call one of its functions, then moved().
  PageWalk& pages() { return pages_; }
  const PageWalk& pages() const { return pages_; }
  void moved() {
    step_ = pages_.step();
    if (pages_.step() == WalkStep::translated || pages_.step() == WalkStep::faulted) pages_end();
  }

  // Whether the next step is of the page tables: what precedes those changes the caches on the way.
  bool in_pages() const { return phase_ == Phase::pages; }
  // For a driver that reads ahead, and has to go back when memory changes before its time: to where
  // in_pages() began to hold, or to `pages`, a copy made since.
  void go_back_to_entry();
  void go_back(const PageWalk& pages);

  const Request& request() const { return config_.request; }
  Translation translation() const {  // when translated
    return {pages_.page(), pages_.page_level(), pages_.rights()};
  }
  FaultCode fault() const { return config_.fault; }     // when faulted
  PageFault page_fault() const { return page_fault_; }  // the page walk's, if it was its
  bool fault_silenced() const { return config_.fault_silenced; }
  Missing missing() const { return config_.missing; }
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
  const DeviceEntry& config() const { return config_.config; }  // known by then
  Pasid pasid() const { return config_.pasid(); }

 private:
  enum class Phase : std::uint8_t { config, config_in_guest, pages };

  Hpa guest_or_config() const {
    return phase_ == Phase::config_in_guest ? pages_.next_read() : config_.next_read;
  }
  void take(ConfigStep step);
  void enter();
  void enter_pages();
  void pages_end();
  bool translates() const;
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

// In the header, so that a request just made is not copied through memory.
inline void Walk::begin(const Architecture& architecture, const Request& request,
                        const DeviceEntry* config, const AddressSpace* space, bool caches) {
  architecture_ = &architecture;
  if (space == nullptr) config_.space = {};
  if (config == nullptr) config_.config = {};
  config_.request = request;
  config_.fault = FaultCode::none;
  config_.phase = 0;
  config_.config_learned = false;
  config_.space_learned = false;
  config_.fault_silenced = false;
  config_.missing = Missing::nothing;
  phase_ = Phase::config;
  page_fault_ = PageFault::none;
  caches_ = caches;
  message_ = false;
  if (config != nullptr) {
    config_.config = *config;
    config_.fault_silenced = config->space.fault_disable;
  }
  // Whether the device may ask for translations, or skip them, is for its entry to say.
  const bool skips = request.type == AddressType::untranslated ||
                     (request.type == AddressType::translation && config != nullptr &&
                      config->translation_requests);
  if (space != nullptr && skips) {
    config_.space = *space;
    config_.fault_silenced = config_.fault_silenced || space->fault_disable;
    if (request.pasid == no_pasid && config != nullptr && config->by_process(no_pasid))
      config_.request.privileged = config->default_privileged;
    enter();
  } else if (config != nullptr) {
    take(architecture.with_config(config_));
  } else {
    take(architecture.begin(config_));
  }
}

}  // namespace viosim
