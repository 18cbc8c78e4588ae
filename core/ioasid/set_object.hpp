// One set of a SetSpace.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/sets.hpp"

#include <cstdint>
#include <map>
#include <set>

namespace ioasid {

struct SetSpace::Set {
  SetNumber number = no_set;
  const void* token = nullptr;  // nullptr: not an mm set
  std::uint32_t quota = 0;
  bool leaving = false;  // freed while it had ids
  std::set<Ioasid> ids;
  std::map<Ioasid, Ioasid> by_spid;
  NotifierChain chain;
};

}  // namespace ioasid
