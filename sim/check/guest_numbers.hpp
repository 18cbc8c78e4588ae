// PASIDs of guests, and what stands behind them in their hosts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/check/scene.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace viosim::check {

// I22: numbers that a guest gets by virtual commands are its own in the host as long as its kernel has
// them; asked when its kernel shuts down, before its host takes back what is left, or at the run's end.
// I30: what its processors translate them into.
class GuestNumbers {
 public:
  explicit GuestNumbers(Scene& scene) : scene_(scene) {}
  void observe(const TraceEvent& event);
  void finish();  // the run is over

 private:
  struct InCpu {
    std::uint32_t number = 0;  // the guest's
    Link set;
  };
  struct Guest {
    std::map<std::uint32_t, bool> commands;  // outstanding, by vIOMMU: whether it allocates
    std::map<std::uint32_t, Link> given;     // by the host, and not taken back
    std::map<std::uint32_t, Link> taken;     // into the guest's kernel, last
    std::optional<std::uint32_t> freed;      // last, by the guest's kernel
    bool ended = false;                      // it was compared for the last time
    // Freed in its kernel when that shut down, of which the host may hear yet: what happened to them.
    std::map<std::uint32_t, std::vector<Link>> late;
  };

  void command(const TraceEvent& event);
  // A command that a vIOMMU took along when it vanished: the host does not get to know of it.
  static void not_told(Guest& guest);
  void set_gone(const TraceEvent& event);
  void moved(const TraceEvent& event);
  void freed(const TraceEvent& event);
  void translated(const TraceEvent& event);
  void closes(const TraceEvent& event);
  // `all`: of a guest in which nothing goes on, so that no number can be under way.
  void compare(std::uint32_t machine, Guest& guest, bool all);
  void complain(const Number& number, std::vector<Link> evidence, const char* what);
  bool is_guest(std::uint32_t machine) const { return scene_.host_of(machine) != machine; }
  bool settled(const TraceEvent& event) const;

  Scene& scene_;
  std::map<std::uint32_t, Guest> guests_;                     // by machine
  std::map<Number, std::map<std::uint32_t, InCpu>> in_cpus_;  // by numbers of hosts, then guest
  std::int64_t now_ = 0;
};

}  // namespace viosim::check
