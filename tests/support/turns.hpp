// Plain SimGrid actors that take turns at an instant in a documented order, without an event queue.
// SPDX-License-Identifier: Apache-2.0
//
// SimGrid wakes the actors of a date in an order of its own. So whoever is about to touch what
// others touch asks for its turn, and waits. Once nobody moves any more, the one with the lowest
// key goes on; it moves until it sleeps, waits, or asks for another turn. What it woke moves with
// it, and may ask for turns at this very instant.
#pragma once

#include "core/base/error.hpp"
#include "core/base/sanitizers.hpp"
#include "core/base/time.hpp"
#include "core/des/simgrid_compat.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace viosim::test {

class Turns {
 public:
  // Lower goes first. Software has class -1.
  using Key = std::tuple<int, std::uint32_t, std::uint64_t>;

  // An actor's own place to wait at.
  struct Self {
    simgrid::s4u::SemaphorePtr go = simgrid::s4u::Semaphore::create(0);
  };

  Turns() : engine_(&count_, arguments_) {
    namespace sg4 = simgrid::s4u;
    sg4::Engine::set_config("contexts/nthreads:1");
    sg4::Engine::set_config(sanitized ? "contexts/stack-size:512" : "contexts/stack-size:64");
    began_ = sg4::Engine::get_clock();
    auto* zone = compat::root_zone(engine_);
    host_ = compat::add_host(zone, "host");
    zone->seal();
  }

  void run() { engine_.run(); }

  // A daemon does not keep the run alive.
  void spawn(const std::string& name, bool daemon, std::function<void(Self&)> body) {
    ++moving_;
    auto actor = compat::add_actor(engine_, name, host_, [this, body = std::move(body)] {
      Self self;
      body(self);
      stop_moving();
    });
    if (daemon) actor->daemonize();
  }

  Instant now() const {
    return Instant(Ps(static_cast<std::int64_t>(simgrid::s4u::Engine::get_clock() - began_)));
  }

  void sleep_until(Instant at) {
    if (at == now()) return;
    ensure(at > now(), "an actor of the reference would sleep until an instant that has passed");
    stop_moving();
    simgrid::s4u::this_actor::sleep_for(static_cast<double>((at - now()).count()));
    ensure(at == now(), "SimGrid woke an actor at another instant");
    ++moving_;
    if (opened_ != at) {
      // The first one awake: those that wake with it get the time to say that they move.
      opened_ = at;
      turns_given_ = false;
      simgrid::s4u::this_actor::yield();
    } else {
      ensure(!turns_given_, "SimGrid woke the actors of one instant in two rounds");
    }
  }

  void take_turn(Self& self, Key key) {
    waiting_.emplace(key, &self);
    if (moving_ == 1 && waiting_.begin()->second == &self) {
      waiting_.erase(waiting_.begin());
      turns_given_ = true;
      return;
    }
    wait(self);
  }

  void wait(Self& self) {
    stop_moving();
    self.go->acquire();
  }
  // Others may run before this returns.
  void wake(Self& other) {
    ++moving_;
    other.go->release();
  }

 private:
  void stop_moving() {
    if (--moving_ > 0 || waiting_.empty()) return;
    Self* next = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    turns_given_ = true;
    wake(*next);
  }

  char program_[8] = "turns";
  char quiet_[32] = "--log=xbt_cfg.thresh:warning";
  char precision_[48] = {};
  char* arguments_[4] = {program_, quiet_, set_precision(), nullptr};
  int count_ = 3;
  simgrid::s4u::Engine engine_;
  simgrid::s4u::Host* host_ = nullptr;
  double began_ = 0;
  std::uint32_t moving_ = 0;  // actors that neither sleep nor wait
  std::multimap<Key, Self*> waiting_;
  Instant opened_;
  bool turns_given_ = false;

  char* set_precision() {
    const std::string text = fmt::format("--cfg={}:1e-9", compat::precision_option);
    text.copy(precision_, sizeof precision_ - 1);
    return precision_;
  }
};

}  // namespace viosim::test
