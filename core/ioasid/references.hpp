// Reference counts on ids, as Linux 5.11 to 5.17 had them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/layer.hpp"
#include "ioasid/listener.hpp"
#include "ioasid/space.hpp"
#include "ioasid/types.hpp"

#include <cstdint>
#include <exception>
#include <unordered_map>

namespace ioasid {

// A layer on a Space for users that share ids. An id starts with one reference, which costs
// nothing; only further ones are kept here. find() and set_data() are the space's own. On a space
// with track_beside_live the constructor throws UsageError. Thread-safe. Calls from inside a
// helper, a listener or a notifier of the space or of this layer throw UsageError. The listener
// must outlive the layer.
//
// Allocate and give up ids through this layer alone. However an id ends, all its references end
// with it: also when the space or another layer frees it, or its allocator leaves with it. The next
// id of that number begins with one. But a reference is to a number, and nobody's in particular, as
// in Linux: a put() by who had one to an id that is gone takes one of the number's next owner, and
// ends that id if it was the last. So does it with an id that the space or another layer allocated,
// which has one reference here, too.
class References final : private Layer {
 public:
  explicit References(Space& space, Listener* listener = nullptr)
      : Layer(space), listener_(listener) {
    join_space();
  }
  // The ids stay in the space, with no count: Space::free() ends them, or the departure of their
  // allocator. Another References counts one for each.
  ~References() override { leave_space(); }

  // ioasid_alloc: Space::alloc; the id has one reference.
  Ioasid alloc(SetToken set, Range range, void* data);

  // ioasid_get: one reference more. -ENOENT (the kernel only warns) and a warning if the id is
  // unknown: a reference after the last put() does not bring it back. Throws std::bad_alloc where
  // memory is short; nothing has changed then. put() and count() need none.
  Error get(Ioasid id);

  // ioasid_put: one reference less. True if it was the last and the id is gone; then it waits as
  // Space::free does, also before it throws what the backend threw. False if references remain, or
  // the id is unknown (which the space logs). Whoever calls it: see above.
  bool put(Ioasid id);

  std::uint64_t count(Ioasid id) const;  // added; 0: unknown

 private:
  bool drop(Ioasid id, std::exception_ptr& thrown);
  void id_lost(Ioasid id) noexcept override { further_.erase(id); }
  void ids_lost() noexcept override { further_.clear(); }

  Listener* listener_;
  std::unordered_map<Ioasid, std::uint64_t> further_;  // references beyond the first
};

}  // namespace ioasid
