// What a program or a plugin shows of the copy of the library that it calls.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace copies {

struct Copy {
  void (*hold)();        // the calling thread takes a ReadGuard
  void (*let_go)();      // and gives it back
  bool (*sees_guard)();  // whether this copy knows of one that the calling thread holds
  bool (*refuses)();     // whether set_data() is refused to the calling thread
  void (*free_one)();    // alloc() and free(); the free() waits for guards that this copy knows
  std::string_view (*wrong)();  // what of a space of its own does not work; empty: nothing
};

// Of the object that defines it; loaded by this name.
inline constexpr const char* symbol = "ioasid_copy";

}  // namespace copies

extern "C" const copies::Copy* ioasid_copy();
