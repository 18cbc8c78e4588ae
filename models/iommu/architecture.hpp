// What an IOMMU architecture is, to the caches and walkers that all architectures share: how the
// address space of a request is found in its tables, and what its faults are called.
// SPDX-License-Identifier: Apache-2.0
//
// To add one: a class that implements Architecture over the tables in memory; and beside it the
// unit that software sees, with registers and queues, which tells the Iommu what to forget
// (Invalidation). vtd/ and riscv/ are two.
#pragma once

#include "models/iommu/address_space.hpp"
#include "models/iommu/page_walk.hpp"
#include "models/iommu/request.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace viosim {

enum class ConfigStep : std::uint8_t {
  read,        // the 64-byte line at `next_read` is wanted
  read_guest,  // the same, and `next_read` is guest physical: through the second stage of `config`
  found,       // `space` is known
  faulted
};

// 8-byte words of memory, little-endian.
using Words = std::span<const std::uint64_t>;

// What a request did not get past because it was not there.
enum class Missing : std::uint8_t { nothing, device_entry, process_entry };

// A request on its way through the tables that lead to its address space.
struct ConfigWalk {
  Request request;
  DeviceEntry config;
  AddressSpace space;
  Hpa next_read;
  FaultCode fault = FaultCode::none;
  std::uint8_t phase = 0;       // the architecture's own
  bool config_learned = false;  // the last step did: for the caches
  bool space_learned = false;
  bool fault_silenced = false;  // FPD: blocked, not reported
  // Faulted: an entry was not there, which may be cached in caching mode. Architectures that do not
  // say so have no such entries cached.
  Missing missing = Missing::nothing;

  // The PASID whose entry is wanted: the request's, or the device's for requests without one.
  Pasid pasid() const { return request.pasid == no_pasid ? config.default_pasid : request.pasid; }
};

class Architecture {
 public:
  // Writes to [first, last] without a PASID are messages (interrupts) and are not translated. Reads
  // there, and translations of requests with a PASID that end there, are refused with `fault`.
  struct MessageWindow {
    std::uint64_t first = 1;
    std::uint64_t last = 0;
    FaultCode fault = FaultCode::none;
    bool holds(std::uint64_t address) const { return address >= first && address <= last; }
    bool meets(std::uint64_t from, std::uint64_t bytes) const {
      return from <= last && from + bytes - 1 >= first;
    }
  };

  virtual ~Architecture() = default;
  const MessageWindow& message_window() const { return messages_; }

  // Whether pages that a first stage does not have may be cached as absent in caching mode, as those
  // of a second stage are.
  virtual bool caches_absent_first_pages() const = 0;
  // Whether requests are also looked up in the cache of process entries (VT-d: PASID cache).
  virtual bool has_process_tables() const = 0;

  // Nothing is known about the device yet.
  virtual ConfigStep begin(ConfigWalk& walk) const = 0;
  // `walk.config` is known.
  virtual ConfigStep with_config(ConfigWalk& walk) const = 0;
  // `words`: what `next_read` points at, up to the end of its 64-byte line.
  virtual ConfigStep advance(ConfigWalk& walk, Words words) const = 0;
  // `walk.space` does not allow requests of this kind (AddressSpace::allows).
  virtual FaultCode refused(const ConfigWalk& walk) const = 0;

  virtual FaultCode code(PageFault fault, const ConfigWalk& walk) const = 0;
  // A device that asks for a translation is told of such a fault as an answer without rights, which
  // software never learns of; otherwise it is refused, and the fault reported.
  virtual bool answers_translation(PageFault fault) const = 0;
  // A few words for people: "first-level entry not present"; empty: it has no such code.
  virtual std::string_view describe(FaultCode code) const = 0;

 protected:
  Architecture() = default;
  explicit Architecture(const MessageWindow& messages) : messages_(messages) {}

 private:
  MessageWindow messages_;  // none, unless the architecture says so
};

}  // namespace viosim
