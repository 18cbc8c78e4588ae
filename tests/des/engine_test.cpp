// The engine: exact dates, documented order, and who sees what at one instant.
// SPDX-License-Identifier: Apache-2.0
#include "core/des/engine.hpp"

#include "tests/support/catch.hpp"

#include <string>
#include <vector>

using namespace viosim;

namespace {

// A handler that calls back.
struct Callback : EventHandler {
  std::function<void(std::uint64_t)> call;
  void fire(std::uint64_t what) override { call(what); }
};

constexpr Instant at(std::int64_t ps) { return Instant(Ps(ps)); }

}  // namespace

TEST_CASE("software sleeps are exact to the picosecond up to 2^53", "[des]") {
  Engine engine;
  std::vector<std::int64_t> seen;
  engine.spawn("sleeper", Lifetime::finishes, [&] {
    engine.sleep_for(Ps(1));
    seen.push_back(engine.now().ps());
    engine.sleep_until(Instant::latest() - Ps(2));
    seen.push_back(engine.now().ps());
    engine.sleep_for(Ps(1));
    seen.push_back(engine.now().ps());
    engine.sleep_for(Ps(1));
    seen.push_back(engine.now().ps());
  });
  engine.run();
  const std::int64_t end = Instant::latest().ps();
  CHECK(seen == std::vector<std::int64_t>{1, end - 2, end - 1, end});
}

TEST_CASE("software that would sleep past 2^53 ps is refused with a clear error", "[des]") {
  Engine engine;
  engine.spawn("sleeper", Lifetime::finishes,
               [&] { engine.sleep_until(Instant::latest() + Ps(1)); });
  CHECK_THROWS_AS(engine.run(), TimeLimitError);
}

TEST_CASE("a hardware event beyond 2^53 ps is refused with a clear error", "[des]") {
  Engine engine;
  Callback hardware;
  hardware.call = [&](std::uint64_t) {
    engine.agenda().schedule(Instant::latest() + Ps(1), {0, 0}, hardware, 0);
  };
  engine.agenda().schedule(Instant::latest(), {0, 0}, hardware, 0);
  CHECK_THROWS_AS(engine.run(), TimeLimitError);
}

TEST_CASE("an actor wakes at exactly the instant of the hardware event that signals it", "[des]") {
  Engine engine;
  Callback hardware;
  Signal interrupt(engine, "interrupt");
  std::vector<std::string> order;
  hardware.call = [&](std::uint64_t what) {
    order.push_back("hw" + std::to_string(what) + "@" + std::to_string(engine.now().ps()));
    if (what == 1) interrupt.raise();
  };
  for (std::uint64_t what = 0; what < 3; ++what) {
    engine.agenda().schedule(at(1'000'000'007), {0, static_cast<std::uint32_t>(what)}, hardware,
                             what);
  }
  engine.spawn("driver", Lifetime::finishes, [&] {
    interrupt.wait();
    order.push_back("sw@" + std::to_string(engine.now().ps()));
  });
  engine.run();
  CHECK(order == std::vector<std::string>{"hw0@1000000007", "hw1@1000000007", "sw@1000000007",
                                          "hw2@1000000007"});
}

TEST_CASE("at one instant software runs before hardware, and actors in the order of their spawning",
          "[des]") {
  Engine engine;
  Callback hardware;
  std::vector<std::string> order;
  hardware.call = [&](std::uint64_t) { order.emplace_back("hardware"); };
  engine.agenda().schedule(at(500), {0, 0}, hardware, 0);
  // Put to sleep in another order than spawned.
  for (const int number : {0, 1, 2, 3}) {
    engine.spawn("actor", Lifetime::finishes, [&, number] {
      engine.sleep_for(Ps(4 - number));
      engine.sleep_until(at(500));
      order.push_back("actor" + std::to_string(number));
    });
  }
  engine.run();
  CHECK(order == std::vector<std::string>{"actor0", "actor1", "actor2", "actor3", "hardware"});
}

TEST_CASE("a run that only has hardware ends when its events do", "[des]") {
  Engine engine;
  Callback hardware;
  int left = 1000;
  hardware.call = [&](std::uint64_t) {
    if (--left > 0) engine.agenda().schedule(engine.now() + Ps(3), {0, 0}, hardware, 0);
  };
  engine.agenda().schedule(at(0), {0, 0}, hardware, 0);
  engine.run();
  CHECK(left == 0);
  CHECK(engine.now() == at(999 * 3));
}

TEST_CASE("a run does not last until an event that is set aside, unless software does", "[des]") {
  const bool sleeps = GENERATE(false, true);
  Engine engine;
  Callback hardware;
  int fired = 0;
  hardware.call = [&](std::uint64_t) { ++fired; };
  engine.agenda().schedule(at(5), {0, 0}, hardware, 0);
  engine.agenda().schedule(at(1'000'000), {0, 0}, hardware, 0);
  engine.agenda().set_aside();
  if (sleeps) {
    engine.spawn("sleeper", Lifetime::finishes,
                 [&] { engine.sleep_until(Instant(Ps(2'000'000))); });
  }
  engine.run();
  CHECK(fired == (sleeps ? 2 : 1));
  CHECK(engine.now() == at(sleeps ? 2'000'000 : 5));
}

TEST_CASE("a run answers an onlooker when asked, and only then", "[des]") {
  struct Watcher final : Onlooker {
    std::vector<std::int64_t> seen;
    void look(Instant reached) override { seen.push_back(reached.ps()); }
  };
  Engine engine;
  Watcher watcher;
  engine.set_onlooker(watcher);
  Callback hardware;
  int left = 100;
  hardware.call = [&](std::uint64_t) {
    if (left == 50) watcher.ask();
    if (--left > 0) engine.agenda().schedule(engine.now() + 1us, {0, 0}, hardware, 0);
  };
  engine.agenda().schedule(at(0), {0, 0}, hardware, 0);
  engine.spawn("asker", Lifetime::finishes, [&] {
    engine.sleep_until(Instant(2ms));
    watcher.ask();
    engine.sleep_until(Instant(3ms));
  });
  engine.run();
  CHECK(watcher.seen == std::vector<std::int64_t>{50'000'000, 3'000'000'000});
}

TEST_CASE("a serving actor does not keep the run alive", "[des]") {
  Engine engine;
  Signal work(engine, "work");
  int served = 0;
  engine.spawn("server", Lifetime::serves, [&] {
    for (;;) {
      work.wait();
      ++served;
    }
  });
  engine.spawn("client", Lifetime::finishes, [&] {
    work.raise();
    engine.sleep_for(5ns);
    work.raise();
  });
  engine.run();
  CHECK(served == 2);
}

TEST_CASE("a stuck run says who waits for what", "[des]") {
  Engine engine;
  Signal never_raised(engine, "completion of descriptor 7");
  engine.spawn("vcpu0", Lifetime::finishes, [&] {
    engine.sleep_for(12ns);
    never_raised.wait();
  });
  std::string message;
  try {
    engine.run();
  } catch (const InternalError& error) {
    message = error.what();
  }
  CHECK(message.find("stuck at 12 ns") != std::string::npos);
  CHECK(message.find("\"vcpu0\" waits for \"completion of descriptor 7\"") != std::string::npos);
}

TEST_CASE("an exception of an actor ends the run and reaches its caller", "[des]") {
  Engine engine;
  Signal idle(engine, "idle");
  engine.spawn("server", Lifetime::serves, [&] { idle.wait(); });
  engine.spawn("bad", Lifetime::finishes, [&] {
    engine.sleep_for(1ns);
    throw std::runtime_error("broken");
  });
  engine.spawn("slow", Lifetime::finishes, [&] { engine.sleep_for(1s); });
  CHECK_THROWS_WITH(engine.run(), "broken");
}

TEST_CASE("of what is due when an actor throws, only what comes before it happens", "[des]") {
  Engine engine;
  std::vector<std::string> seen;
  Callback hardware;
  hardware.call = [&](std::uint64_t) { seen.push_back("hardware"); };
  const auto due = at(1'000);
  const auto act = [&](const std::string& name, bool fails) {
    engine.spawn(name, Lifetime::finishes, [&engine, &seen, due, name, fails] {
      engine.sleep_until(due);
      seen.push_back(name);
      if (fails) throw std::runtime_error(name + " is broken");
    });
  };
  act("first", false);
  act("second", true);
  act("third", true);
  act("fourth", false);
  engine.agenda().schedule(due, {0, 0}, hardware, 0);
  CHECK_THROWS_WITH(engine.run(), "second is broken");
  CHECK(seen == std::vector<std::string>{"first", "second"});
  CHECK(engine.now() == due);
}

TEST_CASE(
    "actors that let go of what they hold when hardware has failed running ahead may raise signals",
    "[des]") {
  struct Broken final : RunAhead {
    Instant next() const override { return at(1'000); }
    void run_window(Instant /*end*/) override { throw std::runtime_error("broken"); }
  } hardware;
  struct Held {
    Signal& returned;
    ~Held() { returned.raise(); }
  };
  Engine engine;
  engine.set_run_ahead(hardware);
  Signal returned(engine, "returned");
  engine.spawn("holder", Lifetime::finishes, [&] {
    const Held held{returned};
    engine.sleep_for(1us);
  });
  CHECK_THROWS_WITH(engine.run(), "broken");
}

TEST_CASE("what a hardware event does is undone by no exception of an actor that it wakes",
          "[des]") {
  Engine engine;
  std::vector<std::string> seen;
  Signal rung(engine, "rung");
  Callback hardware;
  hardware.call = [&](std::uint64_t what) {
    seen.push_back("event " + std::to_string(what));
    if (what == 0) rung.raise();
  };
  engine.spawn("handler", Lifetime::finishes, [&] {
    rung.wait();
    throw std::runtime_error("broken");
  });
  engine.agenda().schedule(at(1'000), {0, 0}, hardware, 0);
  engine.agenda().schedule(at(1'000), {0, 1}, hardware, 1);
  CHECK_THROWS_WITH(engine.run(), "broken");
  CHECK(seen == std::vector<std::string>{"event 0"});
  CHECK(engine.now() == at(1'000));
}

TEST_CASE("thirty thousand actors run, each waking at its own picosecond, and more without guards",
          "[des]") {
  const auto [stacks, actors] = GENERATE(
      table<Stacks, std::int64_t>({{Stacks::guarded, 30'000}, {Stacks::unguarded, 70'000}}));
  Engine engine(stacks);
  std::vector<std::int64_t> woke(static_cast<std::size_t>(actors));
  for (std::int64_t i = 0; i < actors; ++i) {
    engine.spawn("a", Lifetime::finishes, [&engine, &woke, i] {
      engine.sleep_for(Ps(1'000 + i));
      woke[static_cast<std::size_t>(i)] = engine.now().ps();
    });
  }
  engine.run();
  for (std::int64_t i = 0; i < actors; ++i) REQUIRE(woke[static_cast<std::size_t>(i)] == 1'000 + i);
}

TEST_CASE("an actor that hardware starts acts at that instant, before later hardware", "[des]") {
  Engine engine;
  Callback hardware;
  std::vector<std::string> order;
  hardware.call = [&](std::uint64_t what) {
    order.push_back("hw" + std::to_string(what) + "@" + std::to_string(engine.now().ps()));
    if (what == 0) {
      engine.spawn("started", Lifetime::finishes,
                   [&] { order.push_back("sw@" + std::to_string(engine.now().ps())); });
    }
  };
  engine.agenda().schedule(at(7), {0, 0}, hardware, 0);
  engine.agenda().schedule(at(7), {0, 1}, hardware, 1);
  engine.agenda().schedule(at(9), {0, 0}, hardware, 2);
  engine.run();
  CHECK(order == std::vector<std::string>{"hw0@7", "sw@7", "hw1@7", "hw2@9"});
}

TEST_CASE("a run lasts as long as something is held, and says so when it cannot end", "[des]") {
  Engine engine;
  Signal work(engine, "work");
  engine.spawn("server", Lifetime::serves, [&] {
    engine.hold();
    work.wait();
  });
  CHECK_THROWS_WITH(engine.run(), Catch::Contains("\"server\" waits for \"work\""));
}

TEST_CASE("a sleep that nothing interrupts ends where it should, and the next ones see its time",
          "[des]") {
  Engine engine;
  Callback hardware;
  std::vector<std::string> order;
  const auto note = [&](const std::string& what) {
    order.push_back(what + "@" + std::to_string(engine.now().ps()));
  };
  hardware.call = [&](std::uint64_t what) { note("hw" + std::to_string(what)); };
  Signal go(engine, "go");
  engine.spawn("a", Lifetime::finishes, [&] {
    engine.sleep_for(Ps(3));  // b acts before
    note("a");
    engine.sleep_for(Ps(4));  // nobody acts before
    note("a");
    engine.agenda().schedule(at(9), {0, 0}, hardware, 0);
    engine.sleep_for(Ps(2));  // until the instant of the hardware, before it
    note("a");
    engine.sleep_for(Ps(1));  // the hardware acts before
    note("a");
    engine.sleep_for(Ps(5));
    go.raise();
    note("a");
    engine.sleep_for(Ps(0));  // b is woken at this instant, and comes after a
    note("a");
  });
  engine.spawn("b", Lifetime::finishes, [&] {
    engine.sleep_for(Ps(1));
    note("b");
    go.wait();
    note("b");
    engine.sleep_for(Ps(1));
    note("b");
  });
  engine.run();
  CHECK(order == std::vector<std::string>{"b@1", "a@3", "a@7", "a@9", "hw0@9", "a@10", "a@15",
                                          "a@15", "b@15", "b@16"});
}

TEST_CASE("a further engine of a process counts from its own beginning", "[des]") {
  for (int i = 0; i < 3; ++i) {
    Engine engine;
    std::vector<std::int64_t> seen;
    engine.spawn("sleeper", Lifetime::finishes, [&] {
      engine.sleep_for(Ps(1));
      seen.push_back(engine.now().ps());
      engine.sleep_until(Instant::latest() - Ps(10));
      seen.push_back(engine.now().ps());
    });
    engine.spawn("other", Lifetime::finishes, [&] {
      engine.sleep_for(Ps(7));
      seen.push_back(engine.now().ps());
    });
    Callback hardware;
    hardware.call = [&](std::uint64_t) { seen.push_back(engine.now().ps()); };
    engine.agenda().schedule(Instant::latest() - Ps(5), {0, 0}, hardware, 0);
    engine.run();
    const std::int64_t end = Instant::latest().ps();
    CHECK(seen == std::vector<std::int64_t>{1, 7, end - 10, end - 5});
  }
}
