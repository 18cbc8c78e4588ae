// Calls the library from inside the object that this is compiled into.
// SPDX-License-Identifier: Apache-2.0
#include "tests/ioasid/copies/copy.hpp"

#include "ioasid/sets.hpp"
#include "ioasid/space.hpp"

#include <memory>

namespace {

constexpr ioasid::Range whole{1, 0xfffff};
std::unique_ptr<ioasid::ReadGuard> guard;

void hold() { guard = std::make_unique<ioasid::ReadGuard>(); }
void let_go() { guard.reset(); }
bool sees_guard() { return ioasid::ReadGuard::held_by_this_thread(); }

bool refuses() {
  ioasid::Space space;
  const ioasid::Ioasid id = space.alloc(nullptr, whole, nullptr);
  try {
    space.set_data(id, &space);
  } catch (const ioasid::UsageError&) {
    return true;
  }
  return false;
}

void free_one() {
  ioasid::Space space;
  space.free(space.alloc(nullptr, whole, nullptr));
}

std::string_view wrong() {
  ioasid::Space space;
  ioasid::SetSpace sets(space);
  const ioasid::SetNumber set = sets.alloc_set({.quota = 1}).set;
  const ioasid::Ioasid id = sets.alloc(set, whole, &space);
  if (id != whole.min) return "not the lowest free id";
  if (sets.find(set, id).data != &space) return "an id that is not found";
  if (sets.alloc(set, whole, nullptr) != ioasid::invalid_ioasid) return "a quota that is none";
  if (sets.free(set, id) != ioasid::Error::ok) return "an id that is not freed";
  return space.size() == 0 ? "" : "an id that stays";
}

}  // namespace

const copies::Copy* ioasid_copy() {
  static constexpr copies::Copy copy{hold, let_go, sees_guard, refuses, free_one, wrong};
  return &copy;
}
