// How a guest's kernel keeps the PASIDs that its allocators give: behaviour and policies of the
// allocator library, by its names for them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "ioasid/space.hpp"

namespace viosim {

// The library itself has every policy off. Here those two are on without which a guest has an error
// that scenarios switch on by its name: D5 is a guest without keep_live_on_duplicate, H11 one
// without enforce_range.
struct PasidAllocatorParams {
  bool linux_6_1 = false;
  bool enforce_range = true;
  bool keep_live_on_duplicate = true;
  bool track_beside_live = false;
  bool refuse_unregister_with_live_ids = false;

  static constexpr auto fields() {
    using P = PasidAllocatorParams;
    return Fields{
        field("linux_6_1", &P::linux_6_1,
              "Registers and unregisters allocators as Linux 6.1, with its errors (D1, D2, D4): a "
              "shared allocator goes on asking a vIOMMU that has left, and goes by functions "
              "alone. What becomes of wrong numbers is said by the policies beside it: Linux 6.1 "
              "has none of them."),
        field("enforce_range", &P::enforce_range,
              "A PASID outside of what was asked for is given back, and the allocation fails.",
              "off in Linux 6.1, which does not look (H11)"),
        field("keep_live_on_duplicate", &P::keep_live_on_duplicate,
              "Where the host gives a PASID that lives the allocation fails, and the host is not "
              "told that the PASID is free.",
              "off in Linux 6.1, which tells it (D5)"),
        field("track_beside_live", &P::track_beside_live,
              "An error of 2019 (D7): where the host gives a PASID that lives, the guest hands it "
              "out and notes the next number."),
        field("refuse_unregister_with_live_ids", &P::refuse_unregister_with_live_ids,
              "An allocator whose departure would orphan PASIDs stays, and with it its vIOMMU.",
              "Linux only warns")};
  }
  bool operator==(const PasidAllocatorParams&) const = default;

  ioasid::SpaceOptions options() const {
    ioasid::SpaceOptions options;
    if (linux_6_1) options.behaviour = ioasid::Behaviour::linux_6_1;
    options.enforce_range = enforce_range;
    options.keep_live_on_duplicate = keep_live_on_duplicate;
    options.track_beside_live = track_beside_live;
    options.refuse_unregister_with_live_ids = refuse_unregister_with_live_ids;
    return options;
  }
};

}  // namespace viosim
