// Who gets a processor.
// SPDX-License-Identifier: Apache-2.0
#include "models/cpu/cpus.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <utility>

namespace viosim {

Cpus::Cpus(Engine& engine, std::string path, std::uint32_t count)
    : gate(engine, path),
      engine_(engine),
      path_(std::move(path)),
      stats_(count),
      busy_(count, false),
      free_count_(count) {
  ensure(count > 0, "a kernel without processors");
}

std::uint32_t Cpus::take_free() {
  const auto lowest = std::find(busy_.begin(), busy_.end(), false);
  *lowest = true;
  --free_count_;
  return static_cast<std::uint32_t>(lowest - busy_.begin());
}

void Cpus::queue(const Waiter& waiter, Turn turn) {
  if (turn == Turn::before_others) {
    waiters_.push_front(waiter);
  } else {
    waiters_.push_back(waiter);
  }
}

std::uint32_t Cpus::take(Turn turn) {
  if (free_count_ > 0) return take_free();
  Signal chosen(engine_, path_);
  std::uint32_t cpu = 0;
  queue({.chosen = &chosen, .cpu = &cpu, .since = engine_.now()}, turn);
  chosen.wait();
  return cpu;
}

void Cpus::request(CpuClient& client, std::uint64_t cookie, Turn turn) {
  if (free_count_ > 0) return client.cpu_given(take_free(), cookie);
  queue({.client = &client, .cookie = cookie, .since = engine_.now()}, turn);
}

void Cpus::give_back(std::uint32_t cpu) {
  ensure(busy_[cpu], "a processor was given back twice");
  if (waiters_.empty()) {
    busy_[cpu] = false;
    ++free_count_;
    return;
  }
  const Waiter next = waiters_.front();
  waiters_.pop_front();
  run_delay.record(engine_.now() - next.since);
  if (next.client != nullptr) return next.client->cpu_given(cpu, next.cookie);
  *next.cpu = cpu;
  next.chosen->raise();
}

}  // namespace viosim
