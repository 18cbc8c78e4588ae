// What an invalidation descriptor says, in words.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/descriptor.hpp"

#include <cstdint>
#include <string>

namespace viosim::vtd {

std::string name_of(DescriptorType type);  // "pasid-iotlb"; of a number that is no type: "type 12"
// "pasid-iotlb of domain 1, PASID 3, 4 pages from 0x7f0000001000". Of the first two words.
std::string text_of(const Descriptor& descriptor);
// The same of its first two words; where they are no descriptor: "descriptor 0x0000000000000000 0x000000000000000f".
std::string text_of(std::uint64_t low, std::uint64_t high);

}  // namespace viosim::vtd
