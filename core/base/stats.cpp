// The cold half of the histogram: percentiles, merging, restoring.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/stats.hpp"

#include <algorithm>
#include <cmath>

namespace viosim {

std::string_view name_of(Unit unit) {
  switch (unit) {
    case Unit::count:
      return "count";
    case Unit::bytes:
      return "bytes";
    case Unit::picoseconds:
      return "ps";
  }
  return "?";
}

Histogram::Bucket& Histogram::bucket_of(Place at) const {
  std::uint8_t& slot = octave_slot_[at.octave];
  if (slot == absent) {
    slot = static_cast<std::uint8_t>(buckets_.size() / sub_buckets);
    buckets_.resize(buckets_.size() + sub_buckets);
  }
  return buckets_[slot * sub_buckets + at.sub];
}

void Histogram::turn_to(std::uint64_t value) {
  std::swap(run_, run_before_);
  if (run_.value == value) return;
  end(run_);
  run_.value = value;
}

void Histogram::end(Run& run) const {
  if (run.length == 0) return;
  add_to_sum(run.value, run.length);
  min_ = std::min(min_, run.value);
  max_ = std::max(max_, run.value);
  Bucket& bucket = bucket_of(place(run.value));
  bucket.count += run.length;
  bucket.sum += run.length * run.value;
  run.length = 0;
}

void Histogram::add_to_sum(std::uint64_t value, std::uint64_t times) const {
  if (value == 0 || times <= (most_sum - sum_) / value) {
    sum_ += times * value;
    return;
  }
  throw ConfigError(
      {"", "",
       "the latencies of one kind add up to more than 2^63 ps (106 days), the most that their sum "
       "and mean hold exactly; expected fewer requests or shorter times"});
}

void Histogram::end_runs() const {
  end(run_);
  end(run_before_);
}

std::uint64_t Histogram::count() const {
  end_runs();
  std::uint64_t total = 0;
  for (const Bucket& bucket : buckets_) total += bucket.count;
  return total;
}

Ps Histogram::sum() const {
  end_runs();
  return Ps(static_cast<std::int64_t>(sum_));
}

Ps Histogram::min() const { return Ps(count() == 0 ? 0 : static_cast<std::int64_t>(min_)); }
Ps Histogram::max() const {
  end_runs();
  return Ps(static_cast<std::int64_t>(max_));
}

Ps Histogram::mean() const {
  const std::uint64_t samples = count();
  return samples == 0 ? Ps(0) : Ps(sum().count() / static_cast<std::int64_t>(samples));
}

Ps Histogram::percentile(double p) const {
  const std::uint64_t samples = count();
  if (samples == 0) return Ps(0);
  const double wanted = std::ceil(std::clamp(p, 0.0, 1.0) * static_cast<double>(samples));
  const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, samples);
  if (rank == 1) return min();
  if (rank == samples) return max();
  std::uint64_t seen = 0;
  std::uint64_t value = 0;
  for_each_bucket([&](std::size_t, const Bucket& bucket) {
    if (seen < rank) value = bucket.sum / bucket.count;
    seen += bucket.count;
  });
  return Ps(static_cast<std::int64_t>(value));
}

void Histogram::merge(const Histogram& other) {
  end_runs();
  other.end_runs();
  add_to_sum(other.sum_, 1);
  other.for_each_bucket([&](std::size_t number, const Bucket& bucket) {
    Bucket& mine = bucket_of({number / sub_buckets, number % sub_buckets});
    mine.count += bucket.count;
    mine.sum += bucket.sum;
  });
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

void Histogram::restore(std::size_t bucket_number, Bucket bucket, Ps min, Ps max) {
  ensure(bucket_number < octaves * sub_buckets,
         "a stored histogram names a bucket that does not exist");
  Bucket& mine = bucket_of({bucket_number / sub_buckets, bucket_number % sub_buckets});
  sum_ -= mine.sum;
  add_to_sum(bucket.sum, 1);
  mine = bucket;
  min_ = static_cast<std::uint64_t>(min.count());
  max_ = static_cast<std::uint64_t>(max.count());
}

bool Histogram::operator==(const Histogram& other) const {
  end_runs();
  other.end_runs();
  if (min_ != other.min_ || max_ != other.max_) return false;
  std::vector<std::pair<std::size_t, Bucket>> mine;
  std::vector<std::pair<std::size_t, Bucket>> theirs;
  for_each_bucket([&](std::size_t n, const Bucket& b) { mine.emplace_back(n, b); });
  other.for_each_bucket([&](std::size_t n, const Bucket& b) { theirs.emplace_back(n, b); });
  return mine == theirs;
}

}  // namespace viosim
