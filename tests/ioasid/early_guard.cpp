// A guard that is taken before the library's own static objects are made is respected. A program of
// its own, since it must be the first guard of its process. Ends with 0 if all is well.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/space.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

namespace {

// Another thread holds a guard from before main() until it may go.
class Early {
 public:
  Early()
      : thread_([this] {
          const ioasid::ReadGuard guard;
          held_ = true;
          while (!go_) std::this_thread::yield();
        }) {
    while (!held_) std::this_thread::yield();
  }
  ~Early() { leave(); }
  Early(const Early&) = delete;
  Early& operator=(const Early&) = delete;
  void leave() {
    go_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::atomic<bool> held_{false};
  std::atomic<bool> go_{false};
  std::thread thread_;
};
[[gnu::init_priority(101)]] Early early;

}  // namespace

int main() {
  ioasid::Space space;
  space.alloc(nullptr, {1, 1}, nullptr);
  std::atomic<bool> returned{false};
  std::thread freer([&] {
    space.free(1);
    returned = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const bool waited = !returned;
  early.leave();
  freer.join();
  if (!waited) std::puts("free() returned while a guard from before main() was held");
  return waited ? 0 : 1;
}
