// A recorded descriptor is there twice: as its raw words, and as fields with names. Both have to say the same.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/descriptor.hpp"
#include "sim/recording/record.hpp"

namespace viosim::recording {

// `words` is what the raw words say. A name that contradicts them is refused; one that is missing is not.
void check_named_fields(const Record& record, const vtd::Descriptor& words);

}  // namespace viosim::recording
