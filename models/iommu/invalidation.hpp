// What software orders an IOMMU to forget, whatever the architecture's command says it in.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"

#include <cstdint>

namespace viosim {

struct Invalidation {
  enum class What : std::uint8_t {
    devices,      // device entries: the context cache
    processes,    // process entries: the PASID cache
    translations  // the IOTLB and the caches of upper table entries
  };
  enum class Scope : std::uint8_t {
    all,
    domain,        // devices: those whose entry has the domain; where it has none, all of them
    source,        // devices, processes: of one requester
    process,       // processes: of one PASID of one requester
    space,         // processes, translations: of one PASID in a domain
    domain_range,  // translations: of a domain, in a range of second-stage input addresses
    space_range,   // translations: of one PASID in a domain, in a range of first-stage addresses
    spaces_range   // translations: the same, of all PASIDs in a domain
  };
  What what = What::translations;
  Scope scope = Scope::all;
  DomainId domain;
  Pasid pasid{0};
  Bdf source{};
  std::uint16_t ignored_source_bits = 0;
  Iova address;  // ranges: 2^address_mask pages of 4 KiB, naturally aligned
  std::uint8_t address_mask = 0;
  bool leaf_only = false;  // caches of upper table entries need not forget
  // Ranges: of a leaf of the first stage that is cached in pieces, since the second's are smaller, all go.
  bool whole_leaves = false;
  // Ranges: of what was not there all is forgotten, wherever: one entry that is written may be about any of it.
  bool absent_too = false;
};

}  // namespace viosim
