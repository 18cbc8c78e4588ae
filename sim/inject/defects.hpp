// Bugs that real kernels and hypervisors had, by name: what a scenario switches on with "defects".
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace viosim {

enum class Defect : std::uint8_t {
  d1,
  d2,
  d4,
  d5,
  d6,
  d7,
  e1,
  e2,
  h11,
  no_owner_check,
  early_wait,
  eject_busy,
  shared_domain
};

constexpr auto choices(Defect) {
  return std::array{
      Choice{Defect::d1, "D1",
             "A vIOMMU that leaves a shared allocator goes on being asked: all later allocations "
             "use its registers."},
      Choice{Defect::d2, "D2",
             "An allocator that is registered a second time is not refused, but for the first one "
             "of a group. As D1: one switch for the ways in which Linux 6.1's allocator goes wrong "
             "about who is registered."},
      Choice{Defect::d4, "D4",
             "An allocator that was never registered takes another one with the same functions "
             "with it when it leaves. As D1."},
      Choice{Defect::d5, "D5",
             "When the host gives a PASID that lives the guest tells the host that it is free."},
      Choice{Defect::d6, "D6",
             "A process' PASID that is the highest a second device can use is refused."},
      Choice{Defect::d7, "D7",
             "When the host gives a PASID that lives the guest hands it out, and notes the next "
             "number."},
      Choice{Defect::e1, "E1",
             "A PASID that still has private data is not freed in the host, and the guest forgets "
             "it."},
      Choice{
          Defect::e2, "E2",
          "Of a PASID that is freed in the host only the low 16 bits arrive, so that another one "
          "is freed."},
      Choice{
          Defect::h11, "H11",
          "A guest takes whatever PASID the host gives, whether its function can use it or not."},
      Choice{Defect::no_owner_check, "no-owner-check",
             "VFIO binds any PASID for a guest, whoever has it."},
      Choice{Defect::early_wait, "early-wait",
             "A hypervisor completes its guest's wait descriptors before it has asked the host."},
      Choice{Defect::eject_busy, "eject-busy",
             "A hypervisor ejects a vIOMMU while its virtual command is outstanding."},
      Choice{Defect::shared_domain, "shared-domain",
             "A host's entries of guests have domain 1, which all first-level entries have."}};
}

// Where it is known from.
std::string_view source_of(Defect defect);

}  // namespace viosim
