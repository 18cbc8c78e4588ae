// How well the mean of a few samples is known: Student's t distribution.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace viosim {

// The t that a variable with Student's distribution exceeds, either way, with probability
// 1 - confidence.
double student_t(double confidence, std::uint64_t degrees_of_freedom);

// Mean and variance of samples as they come (Welford 1962).
class Samples {
 public:
  void add(double value);
  std::uint64_t count() const { return count_; }
  double mean() const { return mean_; }
  double min() const { return min_; }
  double max() const { return max_; }
  double deviation() const;  // of the samples; zero for fewer than two
  // Half of the confidence interval of the mean; none for fewer than two samples.
  std::optional<double> half_width(double confidence) const;

 private:
  std::uint64_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;  // of distances to the mean, summed
  double min_ = 0;
  double max_ = 0;
};

}  // namespace viosim
