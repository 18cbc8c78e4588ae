// Event action: a guest moves to another host while it runs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/actions/targets.hpp"

#include <string>
#include <vector>

namespace viosim {

struct MigrateGuest {
  static constexpr Alternative alternative{"migrate",
                                           "A guest moves to another host while it runs."};
  PathPattern migrate;
  PathPattern to;
  std::vector<std::string> assign;

  static constexpr auto fields() {
    using M = MigrateGuest;
    return Fields{
        required("migrate", &M::migrate,
                 "The guest, by its path: it keeps that of the host where it has booted."),
        required("to", &M::to, "The host that it moves to; a link leads there."),
        field("assign", &M::assign,
              "Accelerators of that host which take the place of those that it has, in their "
              "order: \"acc\", \"acc[0]\", \"acc[0-3]\", \"acc[*]\"; as many, and of the same "
              "kind.")};
  }
  bool operator==(const MigrateGuest&) const = default;

  std::vector<Act> prepare(const Targets& targets, const Where& where) const;
};

}  // namespace viosim
