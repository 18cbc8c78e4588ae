// A window of samples, and durations as people say them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/pace.hpp"

#include <fmt/format.h>

#include <cmath>

namespace viosim {
namespace {

constexpr Pace::Seconds window{10};
constexpr Pace::Seconds enough{1.4};  // of a window, to go by

std::uint64_t rounded(double number, std::uint64_t step) {
  return static_cast<std::uint64_t>(std::lround(number / static_cast<double>(step))) * step;
}

}  // namespace

void Pace::add(Seconds at, double share, std::uint64_t count) {
  samples_.push_back({at, share, count});
  while (samples_.back().at - samples_.front().at > window && samples_.size() > 2)
    samples_.pop_front();
}

double Pace::per_second() const {
  if (samples_.empty()) return 0;
  // One sample says what happened since the start.
  const Sample first = samples_.size() == 1 ? Sample{Seconds(0), 0, 0} : samples_.front();
  const Sample& last = samples_.back();
  const double seconds = (last.at - first.at).count();
  return seconds > 0 ? static_cast<double>(last.count - first.count) / seconds : 0;
}

std::optional<Pace::Seconds> Pace::left() const {
  if (samples_.size() < 2) return std::nullopt;
  const Sample& first = samples_.front();
  const Sample& last = samples_.back();
  const Seconds passed = last.at - first.at;
  const double done = last.share - first.share;
  if (passed < enough || done <= 0) return std::nullopt;
  return passed * ((1 - last.share) / done);
}

std::string rough_duration(Pace::Seconds duration) {
  const double seconds = duration.count();
  constexpr double minute = 60;
  constexpr double hour = 60 * minute;
  constexpr double day = 24 * hour;
  if (seconds < 1) return "1 s";
  if (seconds < 10) return fmt::format("{} s", rounded(seconds, 1));
  if (seconds < 57.5) return fmt::format("{} s", rounded(seconds, 5));
  if (seconds < 59.5 * minute) return fmt::format("{} min", rounded(seconds / minute, 1));
  if (seconds < 9.5 * hour) {
    const std::uint64_t minutes = rounded(seconds / minute, 10);
    return minutes % 60 == 0 ? fmt::format("{} h", minutes / 60)
                             : fmt::format("{} h {} min", minutes / 60, minutes % 60);
  }
  if (seconds < 47.5 * hour) return fmt::format("{} h", rounded(seconds / hour, 1));
  if (seconds < 999.5 * day) return fmt::format("{} days", rounded(seconds / day, 1));
  return "years";
}

}  // namespace viosim
