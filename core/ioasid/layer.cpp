// A layer's way into its space.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/layer.hpp"

#include "ioasid/locked.hpp"

namespace ioasid {

void Layer::join_space() {
  if (space_.options_.track_beside_live)
    throw UsageError(
        "ioasid: a layer on a space with track_beside_live: it would take an id's two owners for "
        "one");
  const Locked locked(*this, "a layer's constructor");
  number_ = space_.last_layer_++;
  next_ = space_.layers_;
  space_.layers_ = this;
}

void Layer::leave_space() {
  const Locked locked(*this, "a layer's destructor");
  Layer** link = &space_.layers_;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
}

detail::Callback Layer::callback() const {
  return detail::Callback(space_.options_.lock == nullptr);
}

}  // namespace ioasid
