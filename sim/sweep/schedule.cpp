// Hands out runs in the order of their numbers, then replicates that a stop rule may ask for.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/schedule.hpp"

#include "sim/sweep/confidence.hpp"

#include <algorithm>
#include <cmath>

namespace viosim {

Schedule::Schedule(const Sweep& sweep, std::uint64_t points)
    : sweep_(sweep),
      first_(sweep.stop ? sweep.stop->minimum : sweep.replicates_at_most()),
      most_(sweep.replicates_at_most()),
      points_(points),
      open_points_(points),
      expected_(points * most_) {}

std::optional<std::uint64_t> Schedule::next_of(std::uint64_t number, std::uint32_t limit) {
  Point& point = points_[number];
  while (point.begun < limit) {
    if (point.states.size() <= point.begun) point.states.resize(point.begun + 1);
    const std::uint32_t replicate = point.begun++;
    if (point.states[replicate] != State::waiting) continue;  // done by an earlier sweep
    point.states[replicate] = State::started;
    return number * most_ + replicate;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Schedule::next() {
  for (; next_point_ < points_.size(); ++next_point_) {
    if (const auto run = next_of(next_point_, first_)) return run;
  }
  if (!sweep_.stop) return std::nullopt;
  // One more of each point that is not decided, in turn.
  for (std::uint64_t tried = 0; tried < points_.size(); ++tried) {
    const std::uint64_t number = speculating_;
    speculating_ = (speculating_ + 1) % points_.size();
    Point& point = points_[number];
    if (point.decided) continue;
    if (const auto run = next_of(number, most_)) return run;
  }
  return std::nullopt;
}

Schedule::State& Schedule::state_of(std::uint64_t run) {
  std::vector<State>& states = points_[run / most_].states;
  const auto replicate = static_cast<std::uint32_t>(run % most_);
  if (states.size() <= replicate) states.resize(replicate + 1);
  return states[replicate];
}

bool Schedule::is_finished(std::uint64_t run) const {
  const std::vector<State>& states = points_[run / most_].states;
  return run % most_ < states.size() && states[run % most_] == State::done;
}

void Schedule::start(std::uint64_t run) {
  if (state_of(run) == State::waiting) state_of(run) = State::started;
}

void Schedule::finish(std::uint64_t run, const RunOutcome& outcome) {
  state_of(run) = State::done;
  Point& point = points_[run / most_];
  const auto replicate = static_cast<std::uint32_t>(run % most_);
  if (point.watched.size() <= replicate) point.watched.resize(replicate + 1);
  if (sweep_.stop) point.watched[replicate] = outcome.watched;
  ++finished_;
  if (outcome.failed) ++failed_;
  if (!outcome.as_expected) ++not_as_expected_;
  while (!point.decided && point.done < point.states.size() &&
         point.states[point.done] == State::done) {
    ++point.done;
    decide(point);
  }
}

void Schedule::decide(Point& point) {
  const bool enough = point.done >= first_ && (!sweep_.stop || precise(point, point.done));
  if (!enough && point.done < most_) return;
  point.decided = true;
  point.settled = enough;
  point.counted = point.done;
  point.watched.clear();
  --open_points_;
  expected_ -= most_ - point.counted;
}

// Of a metric of several components, each is known well enough.
bool Schedule::precise(const Point& point, std::uint32_t replicates) const {
  const StopRule& rule = *sweep_.stop;
  std::vector<Samples> samples;
  for (std::uint32_t r = 0; r < replicates; ++r) {
    samples.resize(std::max(samples.size(), point.watched[r].size()));
    for (std::size_t i = 0; i < point.watched[r].size(); ++i) {
      if (!std::isnan(point.watched[r][i])) samples[i].add(point.watched[r][i]);
    }
  }
  for (const Samples& one : samples) {
    const auto half_width = one.half_width(rule.confidence);
    const double wanted = rule.half_width.percent() ? rule.half_width.value() * std::abs(one.mean())
                                                    : rule.half_width.value();
    if (one.count() < rule.minimum || !half_width || *half_width > wanted) return false;
  }
  return !samples.empty();
}

std::uint64_t Schedule::unsettled() const {
  return static_cast<std::uint64_t>(std::count_if(
      points_.begin(), points_.end(), [](const Point& point) { return !point.settled; }));
}

std::optional<std::uint32_t> Schedule::replicates(std::uint64_t point) const {
  if (!points_[point].decided) return std::nullopt;
  return points_[point].counted;
}

}  // namespace viosim
