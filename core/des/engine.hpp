// The engine: software as SimGrid actors, hardware on an integer agenda that runs inside SimGrid as
// one co-simulated model.
// SPDX-License-Identifier: Apache-2.0
//
// One instant has a fixed order: first software, one actor at a time in the order in which the
// actors were spawned; then agenda events (class, device, ticket); then the actions of the
// run-ahead component. Hardware advances only while no actor can run, and never past the next
// instant at which software acts. What software must see (an interrupt, a completion) is raised
// through a Signal: hardware stops right after that event and the waiting actor goes on at that
// very instant.
//
// SimGrid counts in doubles; one of its seconds is one of our picoseconds, so every instant up to
// 2^53 ps is exact. Its own timers would wake actors of one date newest first; so actors block in
// simcalls, and the engine decides which is answered when. An actor that blocks advances the hardware
// and answers the next actor in the very simcall that it blocks in; SimGrid's loop, and with it its
// clock, comes in when none is left to do so. So SimGrid must have no activities of its own.
//
// One Engine at a time: SimGrid keeps its clock and its hosts in globals. Each counts from its own
// beginning. Not thread-safe.
#pragma once

#include "core/base/time.hpp"
#include "core/des/agenda.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace viosim {

class Engine;

// Actors wait for signals that nothing can raise any more. A scenario that makes software wait for
// what never comes does that too.
class StuckError : public InternalError {
 public:
  using InternalError::InternalError;
};

// A counting signal that actors wait for. One raise() lets one actor through; who waited first goes
// first.
class Signal {
 public:
  // The name is what a report of a stuck run calls it.
  Signal(Engine& engine, std::string name) : engine_(&engine), name_(std::move(name)) {}
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  void raise();  // from a hardware event or from an actor
  void
  wait();  // from an actor: returns at the instant of the raise, or at once if one is left over
  // Lets an actor go on at once that waits for this, without a raise. False: it does not.
  bool dismiss(std::uint32_t actor);
  const std::string& name() const { return name_; }

 private:
  Engine* engine_;
  std::string name_;
  std::uint64_t left_over_ = 0;
  std::vector<std::uint32_t> waiters_;  // actor numbers, first come first
};

// Hardware that may run ahead of the agenda: many independent sources whose next actions do not
// affect each other for a while.
//
// The contract is that of conservative parallel simulation. The engine calls run_window(end) when
// no agenda event and no software lies before `end`. The component does as much of its own that
// lies strictly before `end` as it likes, in any internal order that gives the same results as the
// order of time, and at least its earliest action. It returns once it has scheduled an agenda
// event, and schedules none that lies before something it has already done. It raises no signal. It
// returns now and then in any case, so that the engine can answer an onlooker.
class RunAhead {
 public:
  virtual Instant next()
      const = 0;  // its earliest action; later than Instant::latest() when it has none
  virtual void run_window(Instant end) = 0;

 protected:
  ~RunAhead() = default;
};

enum class Lifetime : std::uint8_t {
  finishes,  // the run is not over before this actor's body has returned
  serves     // works for others for ever; stopped when the run is over
};

// What lies below the stacks of actors. A guard page turns an overflow into a crash at once. It also
// costs each stack two of the 65,530 mappings that Linux allows a process, so that it cannot be had
// with more than some 32,000 actors: SimGrid would end the program.
enum class Stacks : std::uint8_t { guarded, unguarded };

class Engine {
 public:
  explicit Engine(Stacks stacks = Stacks::guarded);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Agenda& agenda() { return agenda_; }
  // At most one component; it must outlive run().
  void set_run_ahead(RunAhead& component) { run_ahead_ = &component; }

  // Answered between two events, when it asks. It outlives run().
  void set_onlooker(Onlooker& onlooker) {
    onlooker_ = &onlooker;
    agenda_.set_onlooker(onlooker);
  }

  // Starts an actor at the current instant; before run(), at instant zero. From actors and from
  // hardware events.
  void spawn(std::string name, Lifetime lifetime, std::function<void()> body);

  // Runs until every `finishes` actor has returned and no hardware event is left. Rethrows the
  // first exception of an actor or of a hardware event. Throws StuckError when actors wait for
  // signals that nothing can raise any more, saying who waits for what.
  void run();

  // The current instant, for actors and for hardware.
  Instant now() const { return in_hardware_ ? agenda_.now() : reached_; }
  // For actors.
  void sleep_for(Ps duration) { sleep_until(now() + duration); }
  void sleep_until(Instant at);

  // The run is not over before every hold() was followed by a release(). For work that comes and
  // goes, done by actors that only serve. From actors and from hardware events.
  void hold() { ++unfinished_; }
  void release() { --unfinished_; }

  // For actors that look on in turns: whether, but for the caller, nothing is going to happen.
  bool nothing_to_come() const;

  // What the running actor keeps for itself; null at first, and for hardware.
  void set_actor_data(void* data);
  void* actor_data() const;
  // The running actor's number.
  std::uint32_t actor() const { return current_; }

  std::uint64_t software_steps() const { return software_steps_; }

 private:
  friend class Signal;
  class Fabric;
  struct Actor;
  struct Platform;

  // An actor that goes on at an instant. Earliest first, then by spawn order.
  struct Wakeup {
    Instant at;
    std::uint32_t actor;
    bool operator>(const Wakeup& other) const {
      return at != other.at ? at > other.at : actor > other.actor;
    }
  };

  Instant simgrid_now() const;
  bool advance_to_next_actor();
  std::uint32_t take_next();
  double next_event(double horizon);
  void advance_hardware(Instant end);
  void wake_one();
  void wake_at(Instant at, std::uint32_t actor);
  void block();
  void prefetch_next() const;
  void stop_all();
  std::string who_waits() const;

  Agenda agenda_;
  RunAhead* run_ahead_ = nullptr;
  Onlooker* onlooker_ = nullptr;
  bool in_hardware_ = false;
  bool in_window_ = false;
  bool over_ = false;
  bool due_ = false;  // an actor, when SimGrid's clock has moved
  bool ran_ = false;
  std::uint32_t current_ = 0;
  std::uint32_t unfinished_ = 0;
  std::uint64_t software_steps_ = 0;
  Instant reached_;              // by software; SimGrid's clock is there, or behind
  std::vector<Wakeup> wakeups_;  // a heap
  std::vector<std::unique_ptr<Actor>> actors_;
  std::exception_ptr failure_;
  std::unique_ptr<Platform> platform_;
  Ps began_;  // SimGrid's clock at the start of this engine
};

}  // namespace viosim
