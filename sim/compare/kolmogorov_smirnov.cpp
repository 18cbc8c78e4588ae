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

namespace {

// Exactly: the whole part, and what it leaves as a fraction.
bool same_mean(const Histogram::Bucket& a, const Histogram::Bucket& b) {
  return a.sum / a.count == b.sum / b.count &&
         a.sum % a.count * b.count == b.sum % b.count * a.count;
}

}  // namespace

KsResult kolmogorov_smirnov(const Histogram& a, const Histogram& b) {
  const auto size_a = static_cast<double>(a.count());
  const auto size_b = static_cast<double>(b.count());
  if (size_a == 0 || size_b == 0) return {};
  std::map<std::size_t, std::pair<Histogram::Bucket, Histogram::Bucket>> buckets;
  a.for_each_bucket([&](std::size_t at, const auto& bucket) { buckets[at].first = bucket; });
  b.for_each_bucket([&](std::size_t at, const auto& bucket) { buckets[at].second = bucket; });
  double below_a = 0;
  double below_b = 0;
  KsResult result;
  for (const auto& [at, sides] : buckets) {
    const auto& [of_a, of_b] = sides;
    const double up_to_a = below_a + static_cast<double>(of_a.count) / size_a;
    const double up_to_b = below_b + static_cast<double>(of_b.count) / size_b;
    result.distance = std::max(result.distance, std::abs(up_to_a - up_to_b));
    const bool parted = of_a.count != 0 && of_b.count != 0 && !same_mean(of_a, of_b);
    if (parted)
      result.distance_most = std::max({result.distance_most, up_to_a - below_b, up_to_b - below_a});
    below_a = up_to_a;
    below_b = up_to_b;
  }
  result.distance_most = std::max(result.distance, result.distance_most);
  const double size = std::sqrt(size_a * size_b / (size_a + size_b));
  const auto tail = [&](double distance) {
    return kolmogorov_tail((size + 0.12 + 0.11 / size) * distance);
  };
  result.probability = tail(result.distance);
  result.probability_least = tail(result.distance_most);
  return result;
}

}  // namespace viosim
