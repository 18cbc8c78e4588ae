// What each injection and defect is meant to violate.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace viosim::matrix {

// Numbers of invariants, any of which may be violated first; none: it is harmless, waited for, or shown
// by a figure.
struct Intended {
  std::vector<unsigned> in_hosts;
  std::vector<unsigned> in_guests;  // what is done to a guest's messages and steps

  bool nothing() const { return in_hosts.empty() && in_guests.empty(); }
  // "I26", "I26, of guests I31", "-" where nothing is.
  std::string text() const;
};

// `what`: a row's, "drop `pasid-iotlb`".
Intended intended(std::string_view what);

// Why a row violates nothing, or nothing reaches it; empty: it does.
std::string_view why_nothing(std::string_view what);

}  // namespace viosim::matrix
