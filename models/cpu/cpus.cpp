// Who gets a processor.
// SPDX-License-Identifier: Apache-2.0
#include "models/cpu/cpus.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <utility>

namespace viosim {

Cpus::Cpus(Engine& engine, std::string path, std::uint32_t count)
    : engine_(engine),
      path_(std::move(path)),
      stats_(count),
      busy_(count, false),
      free_count_(count) {
  ensure(count > 0, "a kernel without processors");
}

std::uint32_t Cpus::take(Turn turn) {
  if (free_count_ > 0) {
    const auto lowest = std::find(busy_.begin(), busy_.end(), false);
    *lowest = true;
    --free_count_;
    return static_cast<std::uint32_t>(lowest - busy_.begin());
  }
  Signal chosen(engine_, path_);
  Waiter waiter{&chosen};
  if (turn == Turn::before_others) {
    waiters_.push_front(&waiter);
  } else {
    waiters_.push_back(&waiter);
  }
  const Instant since = engine_.now();
  chosen.wait();
  run_delay.record(engine_.now() - since);
  return waiter.cpu;
}

void Cpus::give_back(std::uint32_t cpu) {
  ensure(busy_[cpu], "a processor was given back twice");
  if (waiters_.empty()) {
    busy_[cpu] = false;
    ++free_count_;
    return;
  }
  Waiter& next = *waiters_.front();
  waiters_.pop_front();
  next.cpu = cpu;
  next.chosen->raise();
}

}  // namespace viosim
