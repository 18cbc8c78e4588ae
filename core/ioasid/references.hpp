// Reference counts on ids, as Linux 5.11 to 5.17 had them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/listener.hpp"
#include "ioasid/lock.hpp"
#include "ioasid/space.hpp"
#include "ioasid/types.hpp"

#include <cstdint>
#include <unordered_map>

namespace ioasid {

// A layer on a Space for users that share ids. An id starts with one reference, which costs
// nothing; only further ones are kept here. Allocate and give up ids through this layer alone;
// find() and set_data() are the space's own. Thread-safe. Calls from inside a helper throw
// UsageError.
class References {
 public:
  explicit References(Space& space, Listener* listener = nullptr)
      : space_(space), listener_(listener) {}

  // Space::alloc; the id has one reference.
  Ioasid alloc(SetToken set, Range range, void* data);

  // ioasid_get: one reference more. -ENOENT and a warning if the id is unknown: a reference after
  // the last put() does not bring it back. Throws std::bad_alloc where memory is short; nothing has
  // changed then.
  Error get(Ioasid id);

  // ioasid_put: one reference less. True if it was the last and the id is gone; then it waits as
  // Space::free does. False if references remain, or the id is unknown (which the space logs).
  bool put(Ioasid id);

  std::uint32_t count(Ioasid id) const;  // 0: unknown

 private:
  bool drop(Ioasid id);

  Space& space_;
  Listener* listener_;
  mutable detail::BiasedLock lock_;
  std::unordered_map<Ioasid, std::uint32_t> further_;  // references beyond the first
};

}  // namespace ioasid
