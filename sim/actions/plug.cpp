// What is unplugged and plugged in.
// SPDX-License-Identifier: Apache-2.0
#include "sim/actions/plug.hpp"

namespace viosim {

std::vector<Act> UnplugParts::prepare(const Targets& targets, const Where& where) const {
  std::vector<Act> acts;
  for (PlugControl& part : targets.pluggable(unplug, where / "unplug")) {
    if (part.slice && how == Unplug::surprise) {
      (where / "how")
          .reject(
              "read \"surprise\" of a slice of an accelerator; expected \"orderly\": "
              "it is no hardware that could vanish");
    }
    acts.push_back(
        {part.component, [act = std::move(part.unplug), how = how] { return act(how); }});
  }
  return acts;
}

std::vector<Act> PlugParts::prepare(const Targets& targets, const Where& where) const {
  std::vector<Act> acts;
  for (PlugControl& part : targets.pluggable(plug, where / "plug"))
    acts.push_back({part.component, std::move(part.plug)});
  return acts;
}

}  // namespace viosim
