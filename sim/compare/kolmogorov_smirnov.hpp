// Whether two samples may come from one distribution: the two-sample Kolmogorov-Smirnov test.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/stats.hpp"

namespace viosim {

// The largest difference of the two cumulative distributions, and how probable one as large is by chance
// (the p-value). Histograms tell both from the counts below each bucket, which is a 32nd of its value wide.
// Within a bucket whose means differ the distributions may be further apart, up to `distance_most`: so
// far if all values of one side lie below all of the other's.
struct KsResult {
  double distance = 0;
  double probability = 1;
  double distance_most = 0;      // never below `distance`
  double probability_least = 1;  // of that
  bool exact() const { return distance == distance_most; }
};

// The p-values are the asymptotic ones, with Stephens' correction for small samples. 1 when one is empty.
KsResult kolmogorov_smirnov(const Histogram& a, const Histogram& b);

// The upper tail of Kolmogorov's distribution.
double kolmogorov_tail(double lambda);

}  // namespace viosim
