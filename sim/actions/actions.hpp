// Every action that an event can have.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/actions/flush.hpp"
#include "sim/actions/guests.hpp"
#include "sim/actions/migrate.hpp"
#include "sim/actions/move_pages.hpp"
#include "sim/actions/pace.hpp"
#include "sim/actions/plug.hpp"
#include "sim/actions/reset.hpp"
#include "sim/actions/start.hpp"
#include "sim/actions/stop.hpp"

namespace viosim {

using Action =
    OneOfKeys<StopDevices, StartDevices, ResetDevices, PaceDevices, MovePages, FlushIommus,
              BootGuests, ShutDownGuests, KillGuests, MigrateGuest, UnplugParts, PlugParts>;

}  // namespace viosim
