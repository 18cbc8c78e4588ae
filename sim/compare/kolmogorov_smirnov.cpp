// Walks the buckets of both histograms in order of value.
// SPDX-License-Identifier: Apache-2.0
#include "sim/compare/kolmogorov_smirnov.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace viosim {

// Q(x) = 2 sum over k >= 1 of (-1)^(k-1) exp(-2 k^2 x^2). The terms fall quickly, but for small x,
// where Q is 1 to all digits that anybody wants.
double kolmogorov_tail(double lambda) {
  constexpr double certain_below = 0.2;
  if (lambda < certain_below) return 1;
  double sum = 0;
  double sign = 1;
  for (int k = 1; k <= 100; ++k) {
    const double term = std::exp(-2.0 * k * k * lambda * lambda);
    sum += sign * term;
    if (term < 1e-16) break;
    sign = -sign;
  }
  return std::clamp(2 * sum, 0.0, 1.0);
}

KsResult kolmogorov_smirnov(const Histogram& a, const Histogram& b) {
  const auto size_a = static_cast<double>(a.count());
  const auto size_b = static_cast<double>(b.count());
  if (size_a == 0 || size_b == 0) return {};
  std::map<std::size_t, std::pair<std::uint64_t, std::uint64_t>> buckets;
  a.for_each_bucket([&](std::size_t at, const auto& bucket) { buckets[at].first = bucket.count; });
  b.for_each_bucket([&](std::size_t at, const auto& bucket) { buckets[at].second = bucket.count; });
  std::uint64_t below_a = 0;
  std::uint64_t below_b = 0;
  KsResult result;
  for (const auto& [at, counts] : buckets) {
    below_a += counts.first;
    below_b += counts.second;
    const double apart =
        std::abs(static_cast<double>(below_a) / size_a - static_cast<double>(below_b) / size_b);
    result.distance = std::max(result.distance, apart);
  }
  const double size = std::sqrt(size_a * size_b / (size_a + size_b));
  result.probability = kolmogorov_tail((size + 0.12 + 0.11 / size) * result.distance);
  return result;
}

}  // namespace viosim
