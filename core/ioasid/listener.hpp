// What the allocator says while it works: the kernel's log lines, as values.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/types.hpp"

#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace ioasid {

// What drivers/iommu/ioasid.c of Linux 6.1 says by pr_err, pr_warn, pr_info and WARN_ON.
enum class Message : std::uint8_t {
  err_range,          // the default allocator found no free id in the range
  err_alloc,          // an allocation failed
  err_track,          // a backend returned an id that is live already (or memory ran out)
  err_free_unknown,   // free of an id the active allocator does not know
  err_dup,            // an allocator was registered twice
  warn_default_busy,  // registration refused: the default allocator has ids
  warn_no_custom,     // unregistration although nothing is registered
  info_to_default,    // the default allocator is active again
  info_changed,       // another custom allocator became active
  warn_outstanding,   // an allocator left with ids alive: they are orphans now
  // Not the kernel's: said by the policies and layers of this library.
  err_out_of_range,   // enforce_range gave a backend's result back
  err_live_ids,       // refuse_unregister_with_live_ids refused
  warn_get_unknown,   // a reference was asked on an unknown id (kernels 5.11 to 5.17 warn)
  warn_free_invalid,  // the global id allocator was asked to free the invalid id
};
std::string_view name_of(Message message);  // "err:range"
std::ostream& operator<<(std::ostream& out, Message message);

// Added: the kernel writes to its log. Called inside the space's critical section: quick, and only
// find() and custom_active() may be called from it; every other call of the space or of a layer on
// it throws UsageError. (The global id allocator has no lock when it calls: anything may be called
// then.) A message function must not throw: it is noexcept, and an exception that leaves it, a
// UsageError too, ends the program by std::terminate(). It must live until who was given it, a
// space, References or a GlobalIdAllocator, is gone.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void message(Message message,
                       Ioasid id) noexcept = 0;  // id: what it is about, or invalid_ioasid
};

}  // namespace ioasid
