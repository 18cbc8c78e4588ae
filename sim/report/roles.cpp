// Names of kinds, and what they are taken for.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/roles.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace viosim::report {
namespace {

constexpr std::array<std::pair<std::string_view, Role>, 16> named = {
    {{"translate", Role::translate},
     {"allocate", Role::allocate},
     {"free", Role::free},
     {"submit", Role::submit},
     {"invalidate", Role::invalidate},
     {"command", Role::command},
     {"command_done", Role::command_done},
     {"page_request", Role::page_request},
     {"group_answered", Role::group_answered},
     {"lock_wait", Role::lock_wait},
     {"action", Role::mark},
     {"plug", Role::mark},
     {"unplug", Role::mark},
     {"reset", Role::mark},
     {"fault", Role::mark},
     {"vanish", Role::mark}}};

constexpr std::string_view part_prefix = "number of the ";

Role role_of(const EventKindRow& kind) {
  for (const auto& [name, role] : named)
    if (name == kind.name) return role;
  // As `viosim trace` finds them; a number of a command or of a scenario's event is no part.
  return kind.value.starts_with(part_prefix) && kind.address == "IOVA" ? Role::part : Role::none;
}

std::string whole_of(const EventKindRow& kind) {
  return role_of(kind) == Role::part ? kind.value.substr(part_prefix.size()) : std::string();
}

}  // namespace

Roles::Roles(const std::vector<EventKindRow>& kinds) {
  for (const EventKindRow& kind : kinds) {
    const std::size_t size = std::max<std::size_t>(roles_.size(), std::size_t{kind.kind} + 1);
    roles_.resize(size);
    names_.resize(size);
    wholes_.resize(size);
    roles_[kind.kind] = role_of(kind);
    names_[kind.kind] = kind.name;
    wholes_[kind.kind] = whole_of(kind);
  }
}

}  // namespace viosim::report
