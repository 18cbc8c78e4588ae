// What each injection and defect is meant to violate.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace viosim::matrix {

// Numbers of invariants, any of which may be violated first; none: it is harmless, waited for, or shown
// by a figure. `what`: a row's, "drop `pasid-iotlb`".
std::vector<unsigned> intended(std::string_view what);

// Why a row violates nothing, or nothing reaches it; empty: it does.
std::string_view why_nothing(std::string_view what);

// "I26 I8", "-" of none.
std::string names_of(const std::vector<unsigned>& invariants);

}  // namespace viosim::matrix
