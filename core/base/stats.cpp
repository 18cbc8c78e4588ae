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

std::size_t Histogram::cell_of(Place at) const {
  std::uint8_t& slot = octave_slot_[at.octave];
  if (slot == absent) {
    slot = static_cast<std::uint8_t>(cells_.size() / sub_buckets);
    cells_.resize(cells_.size() + sub_buckets);
  }
  return slot * sub_buckets + at.sub;
}

Histogram::Bucket Histogram::bucket_at(std::size_t cell) const {
  const WideSum upper = cell < upper_sums_.size() ? upper_sums_[cell] : 0;
  return {cells_[cell].count, upper << 64U | cells_[cell].sum};
}

void Histogram::set(std::size_t cell, const Bucket& bucket) const {
  cells_[cell] = {bucket.count, static_cast<std::uint64_t>(bucket.sum)};
  const auto upper = static_cast<std::uint64_t>(bucket.sum >> 64U);
  if (upper == 0 && cell >= upper_sums_.size()) [[likely]]
    return;
  if (cell >= upper_sums_.size()) upper_sums_.resize(cells_.size());
  upper_sums_[cell] = upper;
}

void Histogram::add(std::size_t cell, const Bucket& more) const {
  const Bucket before = bucket_at(cell);
  set(cell, {before.count + more.count, before.sum + more.sum});
}

void Histogram::turn_to(std::uint64_t value) {
  std::swap(run_, run_before_);
  if (run_.value == value) return;
  end(run_);
  run_.value = value;
}

void Histogram::end(Run& run) const {
  if (run.length == 0) return;
  min_ = std::min(min_, run.value);
  max_ = std::max(max_, run.value);
  add(cell_of(place(run.value)), {run.length, WideSum{run.length} * run.value});
  run.length = 0;
}

void Histogram::end_runs() const {
  end(run_);
  end(run_before_);
}

std::uint64_t Histogram::count() const {
  end_runs();
  std::uint64_t total = 0;
  for (const Cell& cell : cells_) total += cell.count;
  return total;
}

WideSum Histogram::sum() const {
  WideSum total = 0;
  for_each_bucket([&](std::size_t, const Bucket& bucket) { total += bucket.sum; });
  return total;
}

Ps Histogram::min() const { return Ps(count() == 0 ? 0 : static_cast<std::int64_t>(min_)); }
Ps Histogram::max() const {
  end_runs();
  return Ps(static_cast<std::int64_t>(max_));
}

Ps Histogram::mean() const {
  const std::uint64_t samples = count();
  return samples == 0 ? Ps(0) : Ps(static_cast<std::int64_t>(sum() / samples));
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
    if (seen < rank) value = bucket.mean();
    seen += bucket.count;
  });
  return Ps(static_cast<std::int64_t>(value));
}

void Histogram::merge(const Histogram& other) {
  end_runs();
  other.end_runs();
  other.for_each_bucket([&](std::size_t number, const Bucket& bucket) {
    add(cell_of({number / sub_buckets, number % sub_buckets}), bucket);
  });
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

void Histogram::restore(std::size_t bucket_number, Bucket bucket, Ps min, Ps max) {
  ensure(bucket_number < octaves * sub_buckets,
         "a stored histogram names a bucket that does not exist");
  set(cell_of({bucket_number / sub_buckets, bucket_number % sub_buckets}), bucket);
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
