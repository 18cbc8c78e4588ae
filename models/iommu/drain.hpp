// Waiting until all that is on its way now is through.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/time.hpp"
#include "core/des/agenda.hpp"

#include <cstdint>
#include <vector>

namespace viosim {

class DrainClient {
 public:
  // `cookie` is the number given with the drain. Called from a hardware event, in the middle of it:
  // what follows from it is scheduled.
  virtual void drained(std::uint64_t cookie) = 0;

 protected:
  ~DrainClient() = default;
};

// What a drain waits for. Instructions are read.
struct DrainKinds {
  bool reads = true;
  bool writes = true;
};

// Drains under way: each waits for walks, by their slots, and until an instant, which is put off by
// what these walks lead to. Few at a time.
class DmaDrains final : public EventHandler {
 public:
  // `number`: the IOMMU's place in the order of events.
  DmaDrains(std::uint32_t number, Agenda& agenda) : number_(number), agenda_(agenda) {}

  struct Drain {
    DrainClient* client;
    std::uint64_t cookie;
    std::vector<std::uint32_t> slots;
    Instant until;
  };

  bool any() const { return !drains_.empty(); }
  void add(Drain drain);
  // The walk in this slot has been answered; what it led to is over at `until`. Drains that end with
  // it end in the order of add().
  void ended(std::uint32_t slot, Instant until);
  void fire(std::uint64_t what) override;

 private:
  void look_at_all();

  std::uint32_t number_;
  Agenda& agenda_;
  std::vector<Drain> drains_;
};

}  // namespace viosim
