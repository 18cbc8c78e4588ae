// The reference's software: operators that change tables, fault handlers, and who repairs the queue.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/reference/queue.hpp"

#include <deque>

namespace viosim::test::reference {

struct Faulted {
  Self* self;
  std::size_t device;
  Iova iova;
  bool* granted;
  std::uint64_t* ticket;
};

class Software {
 public:
  Software(World& world, Queue& queue) : world_(world), queue_(queue) {}

  void request_faulted(const Faulted& fault) {
    faults_.push_back(fault);
    world_.raise(world_.faulted);
  }

  void spawn() {
    std::uint32_t number = 0;
    for (std::size_t script = 0; script < world_.model.operators.size(); ++script, ++number) {
      world_.turns.spawn("operator", false,
                         [this, script, number](Self& self) { operate(script, number, self); });
    }
    for (std::uint32_t i = 0; i < world_.model.fault_handlers; ++i, ++number) {
      world_.turns.spawn("fault handler", true,
                         [this, number](Self& self) { handle_faults(number, self); });
    }
    world_.turns.spawn("repairer", true,
                       [this, number](Self& self) { repair_queue(number, self); });
    actors_ = number + 1;
  }
  std::uint32_t actors() const { return actors_; }

  void sleep(Self& self, std::uint32_t number, Ps time) {
    world_.turns.sleep_until(world_.now() + time);
    world_.turns.take_turn(self, {-1, number, 0});
  }

  void wait(SoftwareSignal& signal, Self& self, std::uint32_t number) {
    if (signal.left_over > 0) {
      --signal.left_over;
      return;
    }
    signal.waiters.push_back(&self);
    world_.turns.wait(self);
    world_.turns.take_turn(self, {-1, number, 0});
  }

 private:
  void repair_queue(std::uint32_t number, Self& self) {
    sleep(self, number, Ps(0));
    for (;;) {
      wait(world_.stopped, self, number);
      sleep(self, number, world_.model.fault_handling);
      world_.small.repair(queue_.head());
      queue_.restart();
    }
  }

  void operate(std::size_t script, std::uint32_t number, Self& self) {
    sleep(self, number, Ps(0));
    for (const SmallModel::Step& step : world_.model.operators[script]) {
      sleep(self, number, step.pause);
      world_.small.apply(step);
      queue_.write_tail(world_.small.submit(step, script));
      wait(world_.executed[script], self, number);
      sleep(self, number, step.rest);
      world_.small.undo(step);
    }
    world_.run.operators_done[script] = world_.now().ps();
  }

  void handle_faults(std::uint32_t number, Self& self) {
    sleep(self, number, Ps(0));
    for (;;) {
      wait(world_.faulted, self, number);
      const Faulted fault = faults_.front();
      faults_.pop_front();
      sleep(self, number, world_.model.fault_handling);
      *fault.granted = world_.small.resolve(fault.device, fault.iova);
      *fault.ticket = ++world_.sequence;
      world_.turns.wake(*fault.self);
    }
  }

  World& world_;
  Queue& queue_;
  std::deque<Faulted> faults_;
  std::uint32_t actors_ = 0;
};

}  // namespace viosim::test::reference
