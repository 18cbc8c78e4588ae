// How a guest's kernel keeps the PASIDs that its allocators give.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "ioasid/space.hpp"

namespace viosim {

struct PasidAllocatorParams {
  bool linux_6_1 = false;
  bool check_range = true;
  bool free_live_duplicates = false;
  bool track_beside = false;

  static constexpr auto fields() {
    using P = PasidAllocatorParams;
    return Fields{
        field(
            "linux_6_1", &P::linux_6_1,
            "As Linux 6.1's allocator does it, with its errors: a shared allocator goes on asking "
            "a vIOMMU that has left, and goes by functions alone."),
        field("check_range", &P::check_range,
              "A PASID outside of what was asked for is given back.", "Linux 6.1 does not look"),
        field("free_live_duplicates", &P::free_live_duplicates,
              "An error of Linux 6.1: where the host gives a PASID that lives, the guest tells the "
              "host that it is free."),
        field("track_beside", &P::track_beside,
              "An error of 2019: where the host gives a PASID that lives, the guest hands it out "
              "and notes the next number.")};
  }
  bool operator==(const PasidAllocatorParams&) const = default;

  ioasid::SpaceOptions options() const {
    ioasid::SpaceOptions options;
    if (linux_6_1) options.behaviour = ioasid::Behaviour::linux_6_1;
    options.enforce_range = check_range;
    options.keep_live_on_duplicate = !free_live_duplicates;
    options.track_beside_live = track_beside;
    return options;
  }
};

}  // namespace viosim
