// What a device asks an IOMMU, and what it answers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "models/iommu/address_space.hpp"
#include "models/iommu/page_table.hpp"
#include "models/iommu/rights.hpp"

#include <cstdint>

namespace viosim {

// PCIe's address types (AT).
enum class AddressType : std::uint8_t {
  untranslated,
  translation,  // a device asks for a translation to keep (ATS)
  translated,   // the address comes from such a translation
  // Not one of PCIe's: a page request message (PRI), which has no data and passes only the checks of
  // the device's entry.
  page_request
};

// Requests with data. Those of type `translated` only if they are admitted, the others once they are
// translated.
constexpr bool reaches_memory(AddressType type) {
  return type == AddressType::untranslated || type == AddressType::translated;
}

struct Request {
  Iova iova;
  Pasid pasid = no_pasid;
  Bdf source{};
  Access access = Access::read;
  AddressType type = AddressType::untranslated;
  bool privileged = false;
};

// Why a request was refused, in the numbers of the IOMMU's architecture (Architecture::describe).
enum class FaultCode : std::uint16_t { none = 0 };

struct Translation {
  Hpa page;            // base of the page
  unsigned level = 1;  // leaf level: 1 is 4 KiB, 2 is 2 MiB, 3 is 1 GiB
  Rights rights;
  Hpa address(Iova iova) const { return page + iova.page_offset(leaf_size(level)); }
};

}  // namespace viosim
