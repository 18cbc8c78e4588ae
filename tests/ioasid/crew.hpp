// Threads that start together and stop together, and one that is in the way of all.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/readers.hpp"

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

// While one lives, another thread is inside a find(): as one that was interrupted there.
class Reader {
 public:
  Reader()
      : thread_([this] {
          const ioasid::detail::ReadSection reading;
          inside_ = true;
          while (!leave_) std::this_thread::yield();
        }) {
    while (!inside_) std::this_thread::yield();
  }
  ~Reader() {
    leave_ = true;
    thread_.join();
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

 private:
  std::atomic<bool> inside_{false};
  std::atomic<bool> leave_{false};
  std::thread thread_;  // last: it uses the others
};

}  // namespace crew
