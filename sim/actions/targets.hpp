// What actions of events may act on: the parts of a system, found by their paths.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/time.hpp"
#include "models/host/host.hpp"
#include "sim/scenario/component_path.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viosim {

class ComponentIndex;
class HostKernel;
class Invalidator;
class System;

// A device's DMA engine, for software.
struct DeviceControl {
  std::uint32_t component = 0;
  std::function<void()> stop;
  std::function<void()> start;
  std::function<void(Ps)> pace;
  std::function<void()> reset;  // empty: it cannot be reset
};

struct HostControl {
  std::uint32_t component = 0;
  HostKernel* kernel = nullptr;
};

struct IommuControl {
  std::uint32_t component = 0;
  Invalidator* invalidator = nullptr;
};

// What stood in the way, and nothing has happened; empty: it is done, or under way.
using NotDone = std::string_view;

struct GuestControl {
  std::uint32_t component = 0;
  std::function<NotDone()> boot;  // empty: it boots by itself
  std::function<NotDone()> shut_down;
  std::function<NotDone()> kill;
};

// Processes of one name.
struct ProcessControl {
  std::uint32_t component = 0;
  std::function<NotDone()> start;  // empty: they start by themselves
  std::function<NotDone()> kill;
};

// A vIOMMU of a guest, or an accelerator where it is used.
struct PlugControl {
  std::uint32_t component = 0;
  std::function<NotDone(Unplug)> unplug;
  std::function<NotDone()> plug;
  bool slice = false;  // of a function: it goes in order only
};

// A guest is to move to a host, where it gets these accelerators.
struct MoveOrder {
  const PathPattern& guest;
  const PathPattern& to;
  const std::vector<std::string>& assign;
};

// One thing that an event does to one component. `run` is for an actor, at the event's instant.
struct Act {
  std::uint32_t component = 0;
  std::function<NotDone()> run;
  static Act always(std::uint32_t component, std::function<void()> act) {
    return {component, [act = std::move(act)] {
              act();
              return NotDone();
            }};
  }
};

class Targets {
 public:
  Targets(System& system, const ComponentIndex& components)
      : system_(system), components_(components) {}

  // Everything that a pattern means, which must be of that sort; reports at `where`, and is empty then.
  std::vector<DeviceControl> devices(const PathPattern& pattern, const Where& where) const;
  std::vector<HostControl> hosts(const PathPattern& pattern, const Where& where) const;
  std::vector<IommuControl> iommus(const PathPattern& pattern, const Where& where) const;
  std::vector<GuestControl> guests(const PathPattern& pattern, const Where& where) const;
  // Devices and processes that an event can start, guests and processes that it can kill; ready to be done.
  std::vector<Act> starts(const PathPattern& pattern, const Where& where) const;
  std::vector<Act> kills(const PathPattern& pattern, const Where& where) const;
  std::vector<PlugControl> pluggable(const PathPattern& pattern, const Where& where) const;
  // `where`: the action's place.
  std::optional<Act> move(const MoveOrder& order, const Where& where) const;

 private:
  template <class Control, class Find>
  std::vector<Control> all(const PathPattern& pattern, const Where& where, std::string_view what,
                           Find find) const;

  System& system_;
  const ComponentIndex& components_;
};

}  // namespace viosim
