// Who moves where.
// SPDX-License-Identifier: Apache-2.0
#include "sim/actions/migrate.hpp"

namespace viosim {

std::vector<Act> MigrateGuest::prepare(const Targets& targets, const Where& where) const {
  const std::optional<Act> act = targets.move({migrate, to, assign}, where);
  return act ? std::vector<Act>{*act} : std::vector<Act>{};
}

}  // namespace viosim
