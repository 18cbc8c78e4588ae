// Somebody who looks in on a long run while it goes on, to tell how far it is.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/time.hpp"

#include <atomic>

namespace viosim {

// Nobody is called on a clock: who wants to know asks, from any thread, and the run answers between
// two of its steps. So the steps depend on nothing but the run, and cost one look at a flag.
class Onlooker {
 public:
  Onlooker() = default;
  Onlooker(const Onlooker&) = delete;
  Onlooker& operator=(const Onlooker&) = delete;

  void ask() { asked_.store(true, std::memory_order_relaxed); }
  bool asked() const { return asked_.load(std::memory_order_relaxed); }
  // For the run, when asked: everything before `reached` is over.
  void answer(Instant reached) {
    answered();
    look(reached);
  }

 protected:
  ~Onlooker() = default;
  void answered() { asked_.store(false, std::memory_order_relaxed); }

 private:
  // Reads, and changes nothing that is simulated.
  virtual void look(Instant reached) = 0;

  std::atomic<bool> asked_ = false;
};

}  // namespace viosim
