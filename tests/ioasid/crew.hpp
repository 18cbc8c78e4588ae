// Threads that start together and stop together.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

namespace crew {

// How long a concurrent test lasts; sanitizers need no longer, they only do less in it.
inline constexpr std::chrono::milliseconds duration{400};

// Runs each task over and over in a thread of its own until the time is up. task(round).
inline void work(const std::vector<std::function<void(unsigned)>>& tasks,
                 std::chrono::milliseconds time = duration) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (const auto& task : tasks)
    threads.emplace_back([&stop, &task] {
      for (unsigned round = 0; !stop.load(std::memory_order_relaxed); ++round) task(round);
    });
  std::this_thread::sleep_for(time);
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace crew
