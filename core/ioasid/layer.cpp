// A layer's way into its space.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/layer.hpp"

#include "ioasid/locked.hpp"

namespace ioasid {

void Layer::join_space() {
  const Locked locked(*this, "a layer's constructor");
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
