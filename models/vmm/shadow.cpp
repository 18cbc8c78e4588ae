// The table of decisions: what was bound against what the guest says now.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/shadow.hpp"

namespace viosim {
namespace {

ShadowAction begin(const vtd::PasidEntry& now, Pasid pasid, Pasid rid_pasid) {
  using Type = vtd::PasidEntry::Type;
  if (now.type == Type::first_level) return ShadowAction::bind;
  const bool through = now.type == Type::pass_through && pasid == rid_pasid;
  return through ? ShadowAction::attach_second_stage : ShadowAction::unsupported;
}

}  // namespace

// A guest's second level would have to be shadowed page by page; only pass-through is what the
// host's second stage is.
ShadowAction decide(const Shadow* shadow, const vtd::PasidEntry& now, Pasid pasid,
                    Pasid rid_pasid) {
  if (shadow == nullptr) return now.present ? begin(now, pasid, rid_pasid) : ShadowAction::nothing;
  if (!now.present) return ShadowAction::unbind;
  if (shadow->guest == now) return ShadowAction::flush;
  return ShadowAction::rebind;
}

}  // namespace viosim
