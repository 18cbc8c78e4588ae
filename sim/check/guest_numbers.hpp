// PASIDs of guests, and what stands behind them in their hosts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <utility>

namespace viosim::check {

// I22: numbers that a guest gets by virtual commands are its own in the host as long as its kernel has
// them. I30: what its processors translate them into.
class GuestNumbers {
 public:
  explicit GuestNumbers(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);
  void finish();  // the run is over

 private:
  struct Guest {
    std::map<std::uint32_t, bool> commands;          // outstanding, by vIOMMU: whether it allocates
    std::map<std::uint32_t, TraceEvent> given;       // by the host, and not taken back
    std::map<std::uint32_t, TraceEvent> taken;       // into the guest's kernel, last
    bool ended = false;                              // its host has taken everything back
    std::map<std::uint32_t, std::uint32_t> in_cpus;  // the host's numbers: the guest's
  };

  void command(const TraceEvent& event);
  void moved(const TraceEvent& event);
  void freed(const TraceEvent& event);
  void translated(const TraceEvent& event);
  void compare(std::uint32_t machine, const Guest& guest);
  bool is_guest(std::uint32_t machine) const { return scene_.host_of(machine) != machine; }
  bool settled(const TraceEvent& event) const;

  Scene& scene_;
  std::map<std::uint32_t, Guest> guests_;  // by machine
  std::int64_t now_ = 0;
};

}  // namespace viosim::check
