// What the layers on a space have in common: they share its lock, and learn which ids it lost. For
// the library's own layers: what is protected here may change, and is not for others to derive
// from.
//
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/readers.hpp"
#include "ioasid/space.hpp"

#include <cstdint>
#include <exception>

namespace ioasid {

// Added. A layer has no lock of its own: its calls hold the space's. So there is no order of locks
// to keep, whoever calls whom from inside which callback: a thread is inside the space or it is
// not, and a call of the space or of any layer on it from inside throws UsageError. A layer must
// not outlive its space, nor be made or destroyed inside it: its constructor throws UsageError
// then, and its destructor, which must not throw, ends the program, as it does where it is a
// thread's first call of the library and memory for that is short.
//
// An id has one owner, as far as a layer knows. So there is none on a space with track_beside_live:
// its constructor throws UsageError.
class Layer {
 public:
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

 protected:
  class Locked;  // holds the space's lock (locked.hpp)

  explicit Layer(Space& space) : space_(space) {}
  virtual ~Layer() = default;  // virtual only because compilers warn of friends
  // The first thing a layer does when it can be told of lost ids, and the last one before it
  // cannot.
  void join_space();
  void leave_space();

  // The space's functions for a layer that holds the lock. What a helper throws is returned: the id
  // is gone all the same. The other layers are told of a free, this one knows.
  Ioasid alloc_locked(SetToken set, Range range, void* data);
  Error free_locked(Ioasid id, std::exception_ptr& thrown);
  Error set_data_locked(Ioasid id, void* data);
  // Sets of all layers on the space are numbered together, so that a number is one set's alone: the
  // next number, and that it is taken now. With the lock held.
  std::uint32_t next_set() const { return space_.last_set_ + 1; }
  void take_next_set() { ++space_.last_set_; }
  // Held while somebody else's code is called with the lock held.
  detail::Callback callback() const;

  // Tells the layers on a space apart, those that are gone too.
  std::uint32_t number() const { return number_; }

  Space& space_;

 private:
  friend class Space;
  // Somebody else, Space::free() or another layer, frees an id, perhaps one that this layer does
  // not know; or an allocator leaves with its ids, which were all that the layer has. Called with
  // the lock held, while find() still knows the ids.
  virtual void id_lost(Ioasid id) noexcept = 0;
  virtual void ids_lost() noexcept = 0;
  Layer* next_ = nullptr;  // of the same space
  std::uint32_t number_ = 0;
};

}  // namespace ioasid
