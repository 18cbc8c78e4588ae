// A function that a host keeps, and of which guests have slices, is unplugged.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/guest/guest.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace viosim {

struct SliceOfGuest {
  Guest* guest = nullptr;
  std::size_t function = 0;  // of the guest
};

// As Host::unplug(); `slices`: all that there may be of it. First no guest gets one any more, then those that
// have one let go of it, in order or after it has vanished; then the host forgets the function. A guest
// that boots is waited for until it has. In order they may take HostParams::slices_limit; then the function is
// taken away from those that still have one. Slices come back by Guest::plug_function(), when the function has.
std::string_view unplug_with_slices(Host& host, FunctionDriver& function,
                                    std::vector<SliceOfGuest> slices, Unplug how);

}  // namespace viosim
