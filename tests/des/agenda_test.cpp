// The agenda against a sorted set: same events, same order, whatever the density.
// SPDX-License-Identifier: Apache-2.0
#include "core/des/agenda.hpp"

#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

using namespace viosim;

namespace {

// Instant, class, device, sequence: the documented key.
using Key = std::tuple<std::int64_t, std::uint8_t, std::uint32_t, std::uint64_t>;

// Schedules into the agenda and into a set, and checks each event that fires against the set's first.
class Pair : public EventHandler {
 public:
  explicit Pair(int seed) : rng(static_cast<std::uint64_t>(seed), "agenda") {}

  void schedule(std::int64_t at, std::uint8_t event_class, std::uint32_t device) {
    const std::uint64_t sequence = keys_.size();
    keys_.emplace_back(at, event_class, device, sequence);
    expected.insert(keys_.back());
    agenda.schedule(Instant(Ps(at)), {event_class, device}, *this, sequence);
  }
  void schedule_some(std::uint64_t spread) {
    const auto at = agenda.now().ps() + static_cast<std::int64_t>(rng.below(spread + 1));
    const auto event_class = static_cast<std::uint8_t>(rng.below(4));
    const auto device = static_cast<std::uint32_t>(rng.below(8));
    schedule(at, event_class, device);
  }
  void fire(std::uint64_t sequence) override {
    ++fired;
    if (expected.empty() || *expected.begin() != keys_[sequence]) ++wrong;
    expected.erase(keys_[sequence]);
    if (std::get<0>(keys_[sequence]) != agenda.now().ps()) ++wrong;
    if (on_fire) on_fire();
  }

  Agenda agenda;
  Rng rng;
  std::set<Key> expected;
  std::uint64_t fired = 0;
  std::uint64_t wrong = 0;
  std::function<void()> on_fire;

 private:
  std::vector<Key> keys_;
};

const Instant end_of_time = Instant::latest() + Ps(1);

}  // namespace

TEST_CASE("events fire in the order of their key, ties included", "[des][agenda]") {
  Pair pair(GENERATE(range(1, 21)));
  // Spreads from "everything at one instant" to far beyond the wheel.
  const std::uint64_t spread = GENERATE(0ULL, 3ULL, 1'000ULL, 5'000'000ULL, 900'000'000'000ULL);
  for (int i = 0; i < 500; ++i) pair.schedule_some(spread);
  std::uint64_t left = 2'000;
  pair.on_fire = [&] {
    if (left > 0 && left-- > 0) pair.schedule_some(spread);
  };
  while (pair.agenda.run_before(end_of_time)) {
  }
  CHECK(pair.fired == 2'500);
  CHECK(pair.wrong == 0);
  CHECK(pair.agenda.empty());
}

TEST_CASE("the order holds while the density of events changes by orders of magnitude",
          "[des][agenda]") {
  Pair pair(GENERATE(1, 2));
  const std::vector<std::uint64_t> spreads = {100,           1'000'000, 50,
                                              1'000'000'000, 20'000,    400'000'000'000};
  for (int i = 0; i < 3'000; ++i) pair.schedule_some(1'000);
  pair.on_fire = [&] {
    if (pair.fired < 240'000) pair.schedule_some(spreads[pair.fired / 40'000]);
  };
  pair.agenda.run_before(end_of_time);
  CHECK(pair.fired == 240'000 + 3'000 - 1);
  CHECK(pair.wrong == 0);
}

TEST_CASE("events that lie a picosecond apart stay apart", "[des][agenda]") {
  Pair pair(1);
  const std::int64_t base =
      GENERATE(std::int64_t{0}, std::int64_t{1'000'000'000'000}, (std::int64_t{1} << 53) - 10);
  for (std::int64_t i = 9; i >= 0; --i) pair.schedule(base + i, 0, 0);
  std::vector<std::int64_t> seen;
  pair.on_fire = [&] { seen.push_back(pair.agenda.now().ps() - base); };
  pair.agenda.run_before(end_of_time);
  CHECK(seen == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("the agenda stops strictly before its limit, and goes on from there", "[des][agenda]") {
  Pair pair(GENERATE(range(1, 11)));
  for (int i = 0; i < 300; ++i) pair.schedule_some(10'000'000);
  std::int64_t limit = 0;
  bool beyond = false;
  pair.on_fire = [&] { beyond = beyond || pair.agenda.now().ps() >= limit; };
  while (!pair.agenda.empty()) {
    limit += static_cast<std::int64_t>(pair.rng.below(400'000));
    pair.agenda.run_before(Instant(Ps(limit)));
    const std::int64_t next =
        pair.expected.empty() ? end_of_time.ps() : std::get<0>(*pair.expected.begin());
    REQUIRE(pair.agenda.next().ps() == next);
    REQUIRE(next >= limit);
    // Software acts at the limit and schedules from there.
    pair.agenda.software_acts_at(Instant(Ps(limit)));
    if (pair.rng.below(2) == 0 && pair.fired < 2'000) pair.schedule_some(1'000'000);
  }
  CHECK_FALSE(beyond);
  CHECK(pair.wrong == 0);
}

TEST_CASE("a handler stops the agenda after itself, or after an instant", "[des][agenda]") {
  Pair pair(1);
  for (std::int64_t i = 0; i < 10; ++i) pair.schedule(i, 0, 0);
  pair.on_fire = [&] {
    if (pair.fired == 3) pair.agenda.stop_here();
    if (pair.fired == 5) pair.agenda.stop_after(Instant(Ps(6)));
  };
  CHECK(pair.agenda.run_before(end_of_time));
  CHECK(pair.fired == 3);
  CHECK_FALSE(pair.agenda.run_before(end_of_time));
  CHECK(pair.fired == 7);
  CHECK_FALSE(pair.agenda.run_before(end_of_time));
  CHECK(pair.fired == 10);
}

TEST_CASE(
    "among many devices at one instant the class decides, then the device, then who came first",
    "[des][agenda]") {
  Pair pair(1);
  for (std::uint32_t device = 1000; device-- > 0;) {
    for (const auto event_class : std::array<std::uint8_t, 3>{3, 0, 15}) {
      pair.schedule(77, event_class, device);
      pair.schedule(77, event_class, device);
    }
  }
  pair.agenda.run_before(end_of_time);
  CHECK(pair.fired == 6'000);
  CHECK(pair.wrong == 0);
}

TEST_CASE("a ticket drawn earlier keeps its place among events of one instant", "[des][agenda]") {
  struct Order : EventHandler {
    void fire(std::uint64_t what) override { fired.push_back(what); }
    std::vector<std::uint64_t> fired;
  } order;
  Agenda agenda;
  const Instant at(Ps(5));
  const EventRank rank{1, 1};
  const std::uint64_t first = agenda.draw_ticket();
  const std::uint64_t second = agenda.draw_ticket();
  agenda.schedule(at, rank, order, 3);
  agenda.schedule(at, rank, second, order, 2);
  agenda.schedule(at, rank, first, order, 1);
  while (agenda.run_before(end_of_time)) {
  }
  CHECK(order.fired == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("whether an event would have run by now follows the key", "[des][agenda]") {
  Agenda agenda;
  const EventRank rank{2, 7};
  const std::uint64_t earlier = agenda.draw_ticket();
  const std::uint64_t own = agenda.draw_ticket();
  const std::uint64_t later = agenda.draw_ticket();
  struct Ask : EventHandler {
    void fire(std::uint64_t) override { ask(); }
    std::function<void()> ask;
  } asker;
  const Instant at(Ps(1'000));
  std::vector<bool> passed;
  asker.ask = [&] {
    passed = {agenda.passed(at - Ps(1), {9, 9}, later),
              agenda.passed(at, {1, 9}, later),
              agenda.passed(at, {2, 6}, later),
              agenda.passed(at, rank, earlier),
              agenda.passed(at, rank, own),
              agenda.passed(at, rank, later),
              agenda.passed(at, {2, 8}, earlier),
              agenda.passed(at, {3, 0}, earlier),
              agenda.passed(at + Ps(1), {0, 0}, earlier)};
  };
  agenda.schedule(at, rank, own, asker, 0);
  CHECK_FALSE(agenda.passed(at, rank, own));
  while (agenda.run_before(end_of_time)) {
  }
  CHECK(passed == std::vector<bool>{true, true, true, true, true, false, false, false, false});
  // Software at that instant acts before its events: the one at 1,100 ps has not run by then.
  agenda.software_acts_at(at + Ps(100));
  CHECK(agenda.passed(at, {9, 9}, later));
  CHECK_FALSE(agenda.passed(at + Ps(100), {0, 0}, earlier));
}

TEST_CASE(
    "an event that is set aside keeps no run going, and runs where it is when others follow it",
    "[des][agenda]") {
  // In the open bucket, in the wheel, and beyond it.
  const std::int64_t deadline =
      GENERATE(std::int64_t{102}, std::int64_t{50'000}, std::int64_t{900'000'000'000});
  Pair pair(1);
  pair.schedule(100, 0, 0);
  pair.schedule(deadline, 0, 0);
  pair.agenda.set_aside();
  CHECK_FALSE(pair.agenda.empty());
  pair.agenda.run_before(end_of_time);
  CHECK(pair.agenda.empty());
  CHECK(pair.fired == 1);
  CHECK(pair.agenda.now() == Instant(Ps(100)));
  CHECK(pair.agenda.next() == Instant(Ps(deadline)));

  SECTION("software goes on") {
    pair.agenda.run_before(Instant(Ps(deadline + 1)));
    CHECK(pair.fired == 2);
  }
  SECTION("another event follows it") {
    pair.schedule(deadline + 7, 0, 0);
    pair.on_fire = [&] {
      if (pair.fired == 2) pair.agenda.take_back();
    };
    pair.agenda.run_before(end_of_time);
    CHECK(pair.fired == 3);
  }
  SECTION("it matters again") {
    pair.agenda.take_back();
    CHECK_FALSE(pair.agenda.empty());
    pair.agenda.run_before(end_of_time);
    CHECK(pair.fired == 2);
  }
  CHECK(pair.wrong == 0);
}

TEST_CASE("the past and what lies beyond 2^53 ps are refused", "[des][agenda]") {
  Pair pair(1);
  pair.agenda.software_acts_at(Instant(1us));
  CHECK_THROWS_AS(pair.agenda.schedule(Instant(999ns), {0, 0}, pair, 0), InternalError);
  CHECK_THROWS_AS(pair.agenda.software_acts_at(Instant(999ns)), InternalError);
  CHECK_NOTHROW(pair.schedule(Instant::latest().ps(), 0, 0));
  std::string message;
  try {
    pair.agenda.schedule(Instant::latest() + Ps(1), {0, 0}, pair, 0);
  } catch (const TimeLimitError& error) {
    message = error.what();
  }
  CHECK(message.find("2^53 ps") != std::string::npos);
}
