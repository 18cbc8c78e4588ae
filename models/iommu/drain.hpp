// Waiting until all that is on its way now is through.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
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

// Drains that wait for slots of walks. Few at a time.
class WalkDrains {
 public:
  bool any() const { return !drains_.empty(); }
  void add(DrainClient& client, std::uint64_t cookie, std::vector<std::uint32_t> slots) {
    drains_.push_back({&client, cookie, std::move(slots)});
  }
  // The walk in this slot has been answered. Drains that end with it end in the order of add().
  void ended(std::uint32_t slot) {
    for (Drain& drain : drains_) {
      std::erase(drain.slots, slot);
      if (drain.slots.empty()) drain.client->drained(drain.cookie);
    }
    std::erase_if(drains_, [](const Drain& drain) { return drain.slots.empty(); });
  }

 private:
  struct Drain {
    DrainClient* client;
    std::uint64_t cookie;
    std::vector<std::uint32_t> slots;
  };
  std::vector<Drain> drains_;
};

}  // namespace viosim
