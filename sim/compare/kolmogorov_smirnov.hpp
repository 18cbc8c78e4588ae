// Whether two samples may come from one distribution: the two-sample Kolmogorov-Smirnov test.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/stats.hpp"

namespace viosim {

struct KsResult {
  double distance = 0;     // the largest difference of the two cumulative distributions
  double probability = 1;  // of a distance as large by chance (the p-value)
};

// On histograms the distance is taken between buckets: differences within a bucket, which is a 32nd of
// its value wide, are not seen, so the distance is at most too small and the p-value too large. The
// p-value is the asymptotic one, with Stephens' correction for small samples. 1 when one is empty.
KsResult kolmogorov_smirnov(const Histogram& a, const Histogram& b);

// The upper tail of Kolmogorov's distribution.
double kolmogorov_tail(double lambda);

}  // namespace viosim
