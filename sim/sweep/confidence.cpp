// Student's t by the incomplete beta function, and its inverse by bisection.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/confidence.hpp"

#include <algorithm>
#include <cmath>

namespace viosim {
namespace {

constexpr double tiny = 1e-300;

double away_from_zero(double value) { return std::abs(value) < tiny ? tiny : value; }

// The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method.
double beta_fraction(double a, double b, double x) {
  double c = 1;
  double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double result = d;
  for (int m = 1; m <= 500; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double factor = 1;
    for (const double term : {even, odd}) {
      d = 1 / away_from_zero(1 + term * d);
      c = away_from_zero(1 + term / c);
      factor = c * d;
      result *= factor;
    }
    if (std::abs(factor - 1) < 1e-15) break;
  }
  return result;
}

// The regularised incomplete beta function I_x(a, b).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

// The probability of more than t, either way.
double two_tails(double t, double degrees) {
  return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t));
}

}  // namespace

double student_t(double confidence, std::uint64_t degrees_of_freedom) {
  const auto degrees = static_cast<double>(degrees_of_freedom);
  const double outside = 1 - confidence;
  double low = 0;
  double high = 1;
  while (two_tails(high, degrees) > outside && high < 1e15) high *= 2;
  for (int i = 0; i < 200 && low < high; ++i) {
    const double middle = (low + high) / 2;
    if (middle == low || middle == high) break;
    (two_tails(middle, degrees) > outside ? low : high) = middle;
  }
  return (low + high) / 2;
}

void Samples::add(double value) {
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  ++count_;
  const double before = value - mean_;
  mean_ += before / static_cast<double>(count_);
  squares_ += before * (value - mean_);
}

double Samples::deviation() const {
  return count_ < 2 ? 0 : std::sqrt(squares_ / static_cast<double>(count_ - 1));
}

std::optional<double> Samples::half_width(double confidence) const {
  if (count_ < 2) return std::nullopt;
  const double error = deviation() / std::sqrt(static_cast<double>(count_));
  return error == 0 ? 0 : student_t(confidence, count_ - 1) * error;
}

}  // namespace viosim
