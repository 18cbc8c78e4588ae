// Event actions: vIOMMUs and accelerators come and go.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/actions/targets.hpp"

#include <vector>

namespace viosim {

struct UnplugParts {
  static constexpr Alternative alternative{"unplug", "vIOMMUs and accelerators are unplugged."};
  PathPattern unplug;
  Unplug how = Unplug::orderly;

  static constexpr auto fields() {
    using U = UnplugParts;
    return Fields{
        required("unplug", &U::unplug,
                 "vIOMMUs of guests, or accelerators: where a guest or the host uses them, such as "
                 "\"host0.vm.acc[0]\". What is not there is not unplugged."),
        field("how", &U::how, "How they go.")};
  }
  bool operator==(const UnplugParts&) const = default;

  std::vector<Act> prepare(const Targets& targets, const Where& where) const;
};

struct PlugParts {
  static constexpr Alternative alternative{"plug",
                                           "vIOMMUs and accelerators are plugged in again."};
  PathPattern plug;

  static constexpr auto fields() {
    return Fields{required("plug", &PlugParts::plug,
                           "vIOMMUs or accelerators that were unplugged, and come back.")};
  }
  bool operator==(const PlugParts&) const = default;

  std::vector<Act> prepare(const Targets& targets, const Where& where) const;
};

}  // namespace viosim
