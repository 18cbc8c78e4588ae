// What a hypervisor remembers of a guest's PASID entries, and what it does when one may have changed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/tables.hpp"
#include "models/kernel/errno.hpp"

#include <compare>
#include <cstdint>
#include <optional>

namespace viosim {

// By the requester and PASID of the guest.
struct ShadowKey {
  Bdf source{};
  Pasid pasid{0};
  auto operator<=>(const ShadowKey&) const = default;
};

struct Shadow {
  vtd::PasidEntry guest;  // as it was when it was bound
  bool fresh = true;  // no flush of the PASID has come since: the one of the bind itself is next
};

enum class ShadowAction : std::uint8_t {
  nothing,
  bind,
  attach_second_stage,  // requests without a PASID use guest physical addresses: they do in the host
  unsupported,
  unbind,
  flush,
  rebind
};

// `shadow`: null where none is. `now`: the guest's entry.
ShadowAction decide(const Shadow* shadow, const vtd::PasidEntry& now, Pasid pasid, Pasid rid_pasid);

}  // namespace viosim
