// Which guests boot, and how guests end.
// SPDX-License-Identifier: Apache-2.0
#include "sim/actions/guests.hpp"

namespace viosim {

std::vector<Act> BootGuests::prepare(const Targets& targets, const Where& where) const {
  std::vector<Act> acts;
  for (GuestControl& guest : targets.guests(boot, where / "boot")) {
    if (!guest.boot) {
      (where / "boot")
          .reject(
              "read the path of a guest that boots by itself; expected one with \"boots\": "
              "false");
      return {};
    }
    acts.push_back({guest.component, std::move(guest.boot)});
  }
  return acts;
}

std::vector<Act> ShutDownGuests::prepare(const Targets& targets, const Where& where) const {
  std::vector<Act> acts;
  for (GuestControl& guest : targets.guests(shut_down, where / "shut_down"))
    acts.push_back({guest.component, std::move(guest.shut_down)});
  return acts;
}

std::vector<Act> KillGuests::prepare(const Targets& targets, const Where& where) const {
  return targets.kills(kill, where / "kill");
}

}  // namespace viosim
