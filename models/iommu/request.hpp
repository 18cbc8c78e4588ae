// What a device asks an IOMMU, and what it answers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "models/iommu/page_table.hpp"

#include <cstdint>

namespace viosim {

// Requests without a PASID carry this. Not a PASID: those have 20 bits.
inline constexpr Pasid no_pasid{0xffffffff};

struct Request {
  Iova iova;
  Pasid pasid = no_pasid;
  Bdf source{};
  Access access = Access::read;
};

// VT-d fault reasons (VT-d 3.x, table "Fault Reason Encodings"): below 0x20 legacy mode, above
// scalable mode.
enum class FaultReason : std::uint8_t {
  none = 0,
  root_not_present = 0x01,
  context_not_present = 0x02,
  context_invalid = 0x03,
  beyond_width = 0x04,
  write_denied = 0x05,
  read_denied = 0x06,
  sm_root_not_present = 0x39,
  sm_context_not_present = 0x41,
  sm_pasid_disabled = 0x45,
  sm_pasid_too_large = 0x46,
  sm_directory_not_present = 0x51,
  sm_pasid_entry_not_present = 0x59,
  sm_pasid_entry_invalid = 0x5b,
  sm_first_level_not_present = 0x71,
  sm_second_level_denied = 0x79,
  sm_not_canonical = 0x80,
  sm_write_denied = 0x85,
  sm_read_denied = 0x86
};

struct Translation {
  Hpa page;            // base of the page
  unsigned level = 1;  // leaf level: 1 is 4 KiB, 2 is 2 MiB, 3 is 1 GiB
  Permissions permissions;
  Hpa address(Iova iova) const { return page + iova.page_offset(leaf_size(level)); }
};

}  // namespace viosim
