// Results of a run: counters and latency histograms, declared once with metric().
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/time.hpp"
#include "core/base/wide.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <tuple>
#include <vector>

namespace viosim {

enum class Unit : std::uint8_t { count, bytes, picoseconds };
std::string_view name_of(Unit unit);  // "count", "bytes", "ps"

template <class Owner, class T>
struct Metric {
  std::string_view name;
  T Owner::*member;
  Unit unit;
  std::string_view sentence;
};

template <class Owner, class T>
constexpr Metric<Owner, T> metric(std::string_view name, T Owner::*member, Unit unit,
                                  std::string_view sentence) {
  return {name, member, unit, sentence};
}

// A metric's value as results hold it.
constexpr std::uint64_t value_of(std::uint64_t count) { return count; }
constexpr std::uint64_t value_of(Ps time) { return static_cast<std::uint64_t>(time.count()); }

// A log-bucketed histogram of durations. Each octave [2^k, 2^(k+1)) ps has 32 buckets; a bucket
// keeps its count and its sum, so a percentile is the mean of the values that fell in its bucket:
// exact when they are all equal (the usual case in a simulator), within 1/32 otherwise. Memory:
// octaves are allocated on first use (512 bytes each). Two histograms merge exactly. Sums and means are
// exact for as many samples as can be counted, whatever they add up to.
class Histogram {
 public:
  static constexpr int sub_bits = 5;
  static constexpr std::size_t sub_buckets = std::size_t{1} << sub_bits;
  static constexpr std::size_t octaves = 64 - sub_bits + 1;

  struct Bucket {
    std::uint64_t count = 0;
    WideSum sum = 0;                                                                // ps
    std::uint64_t mean() const { return static_cast<std::uint64_t>(sum / count); }  // rounded down
    bool operator==(const Bucket&) const = default;
  };

  // Runs of equal values, the usual case of hits, cost one comparison each; a run goes on after another
  // value, as hits do after a miss.
  void record(Ps latency) { record(latency, 1); }
  void record(Ps latency, std::uint64_t times) {
    const auto value = static_cast<std::uint64_t>(latency.count());
    if (value != run_.value) [[unlikely]]
      turn_to(value);
    run_.length += times;
  }

  std::uint64_t count() const;
  WideSum sum() const;  // ps
  Ps min() const;       // zero when empty
  Ps max() const;       // zero when empty
  Ps mean() const;      // rounded down; zero when empty
  // The value below which a fraction p of the samples lies (nearest rank), p in [0, 1]; zero when
  // empty.
  Ps percentile(double p) const;
  void merge(const Histogram& other);
  bool operator==(const Histogram& other) const;

  // Calls visit(bucket_number, Bucket) for each non-empty bucket in ascending order of value.
  template <class Visit>
  void for_each_bucket(Visit&& visit) const {
    end_runs();
    for (std::size_t octave = 0; octave < octaves; ++octave) {
      if (octave_slot_[octave] == absent) continue;
      for (std::size_t sub = 0; sub < sub_buckets; ++sub) {
        const Bucket bucket = bucket_at(octave_slot_[octave] * sub_buckets + sub);
        if (bucket.count != 0) visit(octave * sub_buckets + sub, bucket);
      }
    }
  }
  // The smallest value of a bucket, by the number that for_each_bucket passes.
  static constexpr std::uint64_t lower_bound(std::size_t bucket_number) {
    const std::size_t octave = bucket_number / sub_buckets;
    const std::size_t sub = bucket_number % sub_buckets;
    return octave == 0 ? sub : (sub_buckets + sub) << (octave - 1);
  }
  // For readers of stored histograms.
  void restore(std::size_t bucket_number, Bucket bucket, Ps min, Ps max);

 private:
  static constexpr std::uint8_t absent = 0xff;
  struct Place {
    std::size_t octave;
    std::size_t sub;
  };
  static constexpr Place place(std::uint64_t value) {
    if (value < sub_buckets) return {0, value};
    const auto shift = static_cast<std::size_t>(std::bit_width(value)) - 1 - sub_bits;
    return {shift + 1, (value >> shift) - sub_buckets};
  }
  struct Run {
    std::uint64_t value = 0;
    std::uint64_t length = 0;
  };
  // What recording touches of a bucket.
  struct Cell {
    std::uint64_t count = 0;
    std::uint64_t sum = 0;  // its lower 64 bits
  };

  std::size_t cell_of(Place at) const;
  Bucket bucket_at(std::size_t cell) const;
  void set(std::size_t cell, const Bucket& bucket) const;
  void add(std::size_t cell, const Bucket& more) const;
  void turn_to(std::uint64_t value);
  void end(Run& run) const;
  void end_runs() const;

  // Readers end the runs, which changes how the samples are held and not what they are. Not
  // thread-safe, readers included.
  mutable Run run_;
  mutable Run run_before_;
  mutable std::uint64_t min_ = std::numeric_limits<std::uint64_t>::max();
  mutable std::uint64_t max_ = 0;
  mutable std::vector<Cell> cells_;
  mutable std::array<std::uint8_t, octaves> octave_slot_ = [] {
    std::array<std::uint8_t, octaves> slots{};
    slots.fill(absent);
    return slots;
  }();
  // Upper 64 bits of the sums in cells_, beyond 213 days of one bucket; shorter where none has any.
  mutable std::vector<std::uint64_t> upper_sums_;
};

}  // namespace viosim
