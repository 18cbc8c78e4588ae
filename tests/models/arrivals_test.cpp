// What software waits for that has been sent to a device.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/arrivals.hpp"

#include "tests/support/catch.hpp"

#include <vector>

using namespace viosim;

namespace {

// A register: writes arrive 10 ns after they were sent.
class Register final : public EventHandler {
 public:
  static constexpr Ps way = 10ns;
  explicit Register(Engine& engine) : engine_(engine) {}
  void write(std::uint64_t value, std::uint32_t device) {
    engine_.agenda().schedule(engine_.now() + way, rank(EventClass::message, device), *this, value);
  }
  void fire(std::uint64_t value) override { values.push_back(value); }
  std::vector<std::uint64_t> values;

 private:
  Engine& engine_;
};

}  // namespace

TEST_CASE("what was sent at the same instant has arrived, too, and it takes no longer",
          "[models][kernel]") {
  Engine engine;
  Register device(engine);
  Cpus cpus(engine, "cpus", 4);
  Arrivals arrivals(engine, "arrivals");
  engine.spawn("writes", Lifetime::finishes, [&] {
    engine.sleep_until(Instant(100ns));
    device.write(1, 7);
    engine.sleep_for(1ns);
    device.write(2, 0);
  });
  const auto waits = [&](Ps more, std::size_t expected) {
    return [&, more, expected] {
      Thread thread(engine, cpus);
      engine.sleep_until(Instant(100ns + more));
      thread.start(cpus.take());
      arrivals.wait(thread, Register::way);
      CHECK(engine.now() == Instant(110ns + more));
      CHECK(device.values.size() == expected);
      thread.stop();
    };
  };
  engine.spawn("waits", Lifetime::finishes, waits(0ns, 1));
  engine.spawn("waits, too", Lifetime::finishes, waits(0ns, 1));
  engine.spawn("waits later", Lifetime::finishes, waits(1ns, 2));
  engine.run();
}
