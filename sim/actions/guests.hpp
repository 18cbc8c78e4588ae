// Event actions: guests boot, shut down, and are killed; so are processes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/actions/targets.hpp"

#include <vector>

namespace viosim {

struct BootGuests {
  static constexpr Alternative alternative{"boot", "Guests boot."};
  PathPattern boot;

  static constexpr auto fields() {
    return Fields{
        required("boot", &BootGuests::boot, "Guests that boot: of those with \"boots\": false.")};
  }
  bool operator==(const BootGuests&) const = default;

  std::vector<Act> prepare(const Targets& targets, const Where& where) const;
};

struct ShutDownGuests {
  static constexpr Alternative alternative{"shut_down", "Guests shut down."};
  PathPattern shut_down;

  static constexpr auto fields() {
    return Fields{required(
        "shut_down", &ShutDownGuests::shut_down,
        "Guests that stop their processes' devices, unregister their allocators and power off; of "
        "one that does not run nothing is asked.")};
  }
  bool operator==(const ShutDownGuests&) const = default;

  std::vector<Act> prepare(const Targets& targets, const Where& where) const;
};

struct KillGuests {
  static constexpr Alternative alternative{"kill",
                                           "Hypervisors of guests are killed, or processes."};
  PathPattern kill;

  static constexpr auto fields() {
    return Fields{required("kill", &KillGuests::kill,
                           "Guests that end at once; their host takes back what they had. Or "
                           "processes: those of this name that run exit, and their devices are "
                           "stopped and closed after that.")};
  }
  bool operator==(const KillGuests&) const = default;

  std::vector<Act> prepare(const Targets& targets, const Where& where) const;
};

}  // namespace viosim
