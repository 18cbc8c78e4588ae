// Simulated processors, threads, locks and workers: who runs when, and where the time went.
// SPDX-License-Identifier: Apache-2.0
#include "models/cpu/cpus.hpp"
#include "models/cpu/locks.hpp"
#include "models/cpu/thread.hpp"
#include "models/cpu/workers.hpp"
#include "tests/support/catch.hpp"

#include <cstdint>
#include <string>
#include <vector>

using namespace viosim;

namespace {

// A kernel with nothing but processors, and a log of who did what when.
struct Machine {
  explicit Machine(std::uint32_t count)
      : cpus(engine, "host0.cpus", count), workers(engine, cpus, "host0", 0) {}

  void job(Instant at, std::function<void(Thread&)> work) { workers.post_at(at, std::move(work)); }
  void note(const std::string& what) {
    log.push_back(what + "@" + std::to_string(engine.now().ps() / 1000));
  }

  Engine engine;
  Cpus cpus;
  Workers workers;
  std::vector<std::string> log;
};

using Log = std::vector<std::string>;
constexpr Instant at(std::int64_t ns) { return Instant(Ps(ns * 1000)); }

}  // namespace

TEST_CASE("two threads on one processor run one after the other, first come first served",
          "[cpu]") {
  Machine machine(1);
  for (const char* name : {"a", "b", "c"}) {
    machine.job(at(5), [&machine, name](Thread& thread) {
      thread.run(10ns);
      machine.note(name);
    });
  }
  machine.engine.run();
  CHECK(machine.log == Log{"a@15", "b@25", "c@35"});
  CHECK(machine.cpus.stats(0).working == 30ns);
  CHECK(machine.cpus.run_delay.count() == 2);
  CHECK(machine.cpus.run_delay.max() == 20ns);
  CHECK(machine.cpus.free() == 1);
}

TEST_CASE("an interrupt thread comes before threads that wait for a processor", "[cpu]") {
  Machine machine(1);
  const auto work = [&machine](const char* name) {
    return [&machine, name](Thread& thread) {
      thread.run(10ns);
      machine.note(name);
    };
  };
  machine.job(at(0), [&, work](Thread& thread) {
    thread.run(5ns);
    machine.workers.post(work("handler"), Cpus::Turn::before_others);
    thread.run(5ns);
    machine.note("first");
  });
  machine.job(at(1), work("second"));
  machine.engine.run();
  CHECK(machine.log == Log{"first@10", "handler@20", "second@30"});
}

TEST_CASE("a thread that blocks gives its processor to another one, and queues for it again",
          "[cpu]") {
  Machine machine(1);
  Signal done(machine.engine, "the disk");
  machine.job(at(0), [&](Thread& thread) {
    thread.run(5ns);
    thread.wait(done);
    machine.note("waited");
  });
  machine.job(at(1), [&](Thread& thread) {
    thread.run(10ns);
    done.raise();
    thread.run(10ns);
    machine.note("other");
  });
  machine.engine.run();
  CHECK(machine.log == Log{"other@25", "waited@25"});
}

TEST_CASE(
    "a spinlock passes in the order of asking, after its handover, who waits keeps the processor",
    "[cpu]") {
  Machine machine(3);
  SpinLock lock(machine.engine, "queue lock", 1ns);
  for (const int i : {0, 1, 2}) {
    machine.job(at(i), [&, i](Thread& thread) {
      const Guard guard(lock, thread);
      thread.run(10ns);
      machine.note(std::to_string(i));
    });
  }
  machine.engine.run();
  CHECK(machine.log == Log{"0@10", "1@21", "2@32"});
  CHECK(lock.stats.taken == 3);
  CHECK(lock.stats.contended == 2);
  CHECK(lock.stats.waited == 10ns + 20ns);  // 1 until 11, 2 until 22
  CHECK(lock.stats.longest_wait == 20ns);
  CHECK(lock.stats.held == 30ns);
  CHECK(machine.cpus.stats(1).spinning == 10ns);
  CHECK(machine.cpus.stats(1).working == 10ns);
  CHECK(!lock.held());
}

TEST_CASE("nobody overtakes who is about to get a lock", "[cpu]") {
  Machine machine(4);
  SpinLock lock(machine.engine, "queue lock", 5ns);
  const auto take = [&](const char* name) {
    return [&, name](Thread& thread) {
      const Guard guard(lock, thread);
      machine.note(name);
      thread.run(10ns);
    };
  };
  machine.job(at(0), take("a"));
  machine.job(at(1), take("b"));
  machine.job(at(12), take("c"));  // free since 10, but on its way to b
  machine.engine.run();
  CHECK(machine.log == Log{"a@0", "b@15", "c@30"});
}

TEST_CASE("who waits for a mutex gives the processor away, and pays for waking up", "[cpu]") {
  Machine machine(2);
  Mutex mutex(machine.engine, "pasid mutex", 3ns);
  const auto take = [&](const char* name) {
    return [&, name](Thread& thread) {
      const Guard guard(mutex, thread);
      thread.run(10ns);
      machine.note(name);
    };
  };
  machine.job(at(0), take("a"));
  machine.job(at(1), take("b"));
  machine.job(at(2), [&](Thread& thread) {  // on the processor that b left
    thread.run(5ns);
    machine.note("c");
  });
  machine.engine.run();
  CHECK(machine.log == Log{"c@7", "a@10", "b@23"});
  CHECK(mutex.stats.waited == 12ns);
}

TEST_CASE("a thread in the host occupies its vCPU, whatever it waits for", "[cpu]") {
  Machine guest(1);
  Mutex host_mutex(guest.engine, "host mutex", 2ns);
  Cpus host_cpus(guest.engine, "host0.cpus", 1);
  Workers host_workers(guest.engine, host_cpus, "host0", 1);
  host_workers.post_at(at(0), [&](Thread& thread) {
    const Guard guard(host_mutex, thread);
    thread.run(50ns);
  });
  guest.job(at(1), [&](Thread& thread) {
    thread.run(4ns);
    thread.away([&] {
      thread.run(5ns);
      const Guard guard(host_mutex, thread);
      thread.run(10ns);
    });
    guest.note("back");
  });
  guest.job(at(2), [&](Thread& thread) {
    thread.run(1ns);
    guest.note("other");
  });
  guest.engine.run();
  CHECK(guest.log == Log{"back@62", "other@63"});
  CHECK(guest.cpus.stats(0).working == 5ns);
  CHECK(guest.cpus.stats(0).away == 57ns);
}

TEST_CASE("a vCPU that waits for long halts, and has to be kicked, each other waiter adds to it",
          "[cpu]") {
  Machine machine(4);
  SpinLockParams params;
  params.handover = 5ns;
  params.per_waiter = 2ns;
  params.halts = true;
  params.halts_after = 30ns;
  params.kick = 100ns;
  SpinLock lock(machine.engine, "lock", params);
  for (const char* name : {"a", "b", "c"}) {
    machine.job(at(0), [&machine, &lock, name](Thread& thread) {
      const Guard guard(lock, thread);
      machine.note(name);
      thread.run(20ns);
    });
  }
  machine.engine.run();
  // b: 20 + 5 + 2 for c; c has waited 47 by then: 47 + 100.
  CHECK(machine.log == Log{"a@0", "b@27", "c@147"});
  CHECK(lock.stats.halted == 1);
  CHECK(machine.cpus.stats(1).spinning == 27ns);
  CHECK(machine.cpus.stats(2).spinning == 30ns);
}

TEST_CASE("in the host a thread may block while its guest's spinlock is held, and others spin",
          "[cpu]") {
  Machine guest(2);
  SpinLock lock(guest.engine, "queue lock", 1ns);
  Signal answer(guest.engine, "the host's answer");
  guest.job(at(0), [&](Thread& thread) {
    const Guard guard(lock, thread);
    thread.away([&] {
      CHECK(!thread.atomic());
      thread.wait(answer);
    });
    CHECK(thread.atomic());
    guest.note("back");
  });
  guest.job(at(2), [&](Thread& thread) {
    const Guard guard(lock, thread);
    guest.note("other");
  });
  Cpus host_cpus(guest.engine, "host0.cpus", 1);
  Workers host_workers(guest.engine, host_cpus, "host0", 1);
  host_workers.post_at(at(20), [&](Thread&) { answer.raise(); });
  guest.engine.run();
  CHECK(guest.log == Log{"back@20", "other@21"});
  CHECK(guest.cpus.stats(1).spinning == 19ns);
}

TEST_CASE("software that blocks inside a spinlock is refused", "[cpu]") {
  Machine machine(1);
  SpinLock lock(machine.engine, "lock", 0ns);
  Signal never(machine.engine, "what never comes");
  machine.job(at(0), [&](Thread& thread) {
    lock.lock(thread);
    thread.wait(never);
  });
  CHECK_THROWS_WITH(machine.engine.run(), Catch::Contains("blocks while it holds a spinlock"));
}

TEST_CASE("a run does not end while a job waits, and says for what it waits when nothing comes",
          "[cpu]") {
  Machine machine(1);
  Signal never(machine.engine, "what never comes");
  machine.job(at(0), [&](Thread& thread) { thread.wait(never); });
  CHECK_THROWS_WITH(machine.engine.run(), Catch::Contains("what never comes"));
}

TEST_CASE("as many threads exist as ever had work at the same time", "[cpu]") {
  Machine machine(4);
  std::uint32_t done = 0;
  for (int i = 0; i < 1000; ++i) {
    machine.job(at(100 * (i / 2)), [&](Thread& thread) {
      thread.run(50ns);
      ++done;
    });
  }
  machine.engine.run();
  CHECK(done == 1000);
  CHECK(machine.workers.threads() == 2);
  CHECK(machine.workers.at_work() == 0);
}

TEST_CASE(
    "threads of a kernel that is no more end with what they do, what they do in the host ends "
    "first",
    "[cpu]") {
  Machine machine(4);
  Signal never(machine.engine, "what never comes");
  SpinLock lock(machine.engine, "lock", 0ns);
  Mutex mutex(machine.engine, "mutex", 1ns);
  Cpus host_cpus(machine.engine, "host0.cpus", 1);
  Workers host(machine.engine, host_cpus, "host0", 1);
  machine.job(at(0), [&](Thread& thread) {
    const Guard guard(mutex, thread);
    thread.wait(never);
    machine.note("waited");
  });
  machine.job(at(0), [&](Thread& thread) {
    const Guard guard(mutex, thread);
    machine.note("got the mutex");
  });
  machine.job(at(0), [&](Thread& thread) {
    const Guard guard(lock, thread);
    thread.run(20ns);
    machine.note("ran");
  });
  machine.job(at(0), [&](Thread& thread) {
    thread.away([&] {
      thread.sleep(30ns);
      machine.note("left the host");
    });
    thread.run(1ns);
    machine.note("back");
  });
  machine.job(at(15), [&](Thread&) { machine.note("began"); });
  host.post_at(at(10), [&](Thread&) { machine.workers.end(); });
  machine.engine.run();
  CHECK(machine.log == Log{"left the host@30"});
  CHECK(machine.cpus.free() == 4);
  CHECK(!lock.held());
  CHECK(!mutex.held());
  CHECK(machine.workers.at_work() == 0);
}

TEST_CASE("the thread that runs is known, and hardware is none", "[cpu]") {
  Machine machine(1);
  machine.job(at(0), [&](Thread& thread) {
    CHECK(Thread::current(machine.engine) == &thread);
    thread.run(1ns);
    CHECK(Thread::current(machine.engine) == &thread);
  });
  machine.engine.run();
}

TEST_CASE("a paused kernel's threads work on for the rest when they may", "[cpu][gate]") {
  Machine machine(2);
  machine.job(at(0), [&](Thread& thread) {
    thread.run(100ns);
    machine.note("worked");
    thread.sleep(10ns);
    machine.note("slept");
  });
  machine.engine.spawn("pauses", Lifetime::finishes, [&] {
    for (int i = 0; i < 2; ++i) {
      machine.engine.sleep_for(30ns);
      machine.cpus.gate.close();
      machine.engine.sleep_for(20ns);
      machine.cpus.gate.open();
    }
  });
  machine.job(at(110), [&](Thread& thread) {
    thread.away([&] { thread.run(40ns); });  // is not held
    machine.note("back");
  });
  machine.engine.spawn("pauses again", Lifetime::finishes, [&] {
    machine.engine.sleep_until(at(111));
    machine.cpus.gate.close();
    CHECK(machine.cpus.gate.away() == 1);
    machine.engine.sleep_until(at(200));
    CHECK(machine.cpus.gate.away() == 0);
    machine.cpus.gate.open();
  });
  machine.engine.run();
  CHECK(machine.log == Log{"back@200", "worked@229", "slept@239"});
  CHECK(machine.cpus.gate.closed_for() == 129ns);
}

TEST_CASE("who waits for a lock does not get on while its kernel is paused", "[cpu][gate]") {
  Machine machine(3);
  SpinLock lock(machine.engine, "lock", 5ns);
  for (const char* const name : {"a", "b"}) {
    machine.job(at(0), [&, name](Thread& thread) {
      const Guard guard(lock, thread);
      thread.run(20ns);
      machine.note(name);
    });
  }
  machine.engine.spawn("pauses", Lifetime::finishes, [&] {
    machine.engine.sleep_until(at(22));  // the lock is on its way to the second one
    machine.cpus.gate.close();
    machine.engine.sleep_until(at(50));
    CHECK(lock.held());
    machine.cpus.gate.open();
  });
  machine.engine.run();
  CHECK(machine.log == Log{"a@20", "b@70"});
}

TEST_CASE("threads of a paused kernel that ends are gone at once", "[cpu][gate]") {
  Machine machine(1);
  machine.job(at(0), [&](Thread& thread) {
    thread.run(10ns);
    machine.note("never");
  });
  machine.engine.spawn("ends it", Lifetime::finishes, [&] {
    machine.engine.sleep_until(at(5));
    machine.cpus.gate.close();
    machine.engine.sleep_until(at(20));
    machine.workers.end();
    machine.engine.sleep_until(at(30));
    CHECK(machine.workers.at_work() == 0);
  });
  machine.engine.run();
  CHECK(machine.log.empty());
}
