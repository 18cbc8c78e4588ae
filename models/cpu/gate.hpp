// What holds a kernel's threads where they are: a guest that is paused.
// SPDX-License-Identifier: Apache-2.0
//
// While it is closed no thread of the kernel goes on in its own code: what it was working on it works
// on for the rest of the time when the gate opens. A thread that is in the host finishes there what it
// does for its guest, and stops when it comes back.
#pragma once

#include "core/des/engine.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace viosim {

class Gate {
 public:
  Gate(Engine& engine, std::string name)
      : engine_(engine),
        opened_(engine, name + ": the guest goes on"),
        back_(engine, std::move(name) + ": its threads are back from the host") {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  bool closed() const { return closed_; }
  // From anybody but a thread of the kernel.
  void close();
  void open();
  // For how long it has been closed, in all.
  Ps closed_for() const { return closed_ ? total_ + (engine_.now() - since_) : total_; }
  // Threads that are in the host.
  std::uint32_t away() const { return away_; }
  // For one who waits for that: raised when the last of them is back, and it is closed.
  Signal& back() { return back_; }

  // For threads of the kernel. wait_with: blocks on the signal that it is given, once or until it opens.
  template <class Block>
  void wait_with(Block&& block) {
    ++waiting_;
    std::forward<Block>(block)(opened_);
    --waiting_;
  }
  void go_away() { ++away_; }
  void come_back() {
    if (--away_ == 0 && closed_) back_.raise();
  }

 private:
  Engine& engine_;
  Signal opened_;
  Signal back_;
  bool closed_ = false;
  Instant since_;
  Ps total_{0};
  std::uint32_t waiting_ = 0;
  std::uint32_t away_ = 0;
};

inline void Gate::close() {
  if (std::exchange(closed_, true)) return;
  since_ = engine_.now();
}

inline void Gate::open() {
  if (!closed_) return;
  total_ = closed_for();
  closed_ = false;
  for (std::uint32_t thread = 0; thread < waiting_; ++thread) opened_.raise();
}

}  // namespace viosim
