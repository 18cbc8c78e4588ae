// What the progress line says: how much is done, how fast it goes, and when it will be over.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/progress.hpp"

#include "sim/run/numbers.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <string>
#include <vector>

using namespace viosim;

namespace {

using Seconds = Pace::Seconds;

// Twice a second for some seconds, at a constant speed.
Pace steady(double seconds, double share_per_second, std::uint64_t requests_per_half_second) {
  Pace pace;
  for (std::uint64_t i = 1; static_cast<double>(i) / 2 <= seconds; ++i) {
    const double at = static_cast<double>(i) / 2;
    pace.add(Seconds(at), at * share_per_second, i * requests_per_half_second);
  }
  return pace;
}

double share_of(std::optional<Ps> duration, Ps reached, const std::vector<Workload>& workloads,
                bool fills_duration = false) {
  return run_state(Instant(reached), duration, fills_duration, workloads).share;
}

}  // namespace

TEST_CASE("a steady run takes as long for the rest as for what is done", "[progress]") {
  const Pace pace = steady(5, 0.1, 1000);
  REQUIRE(pace.left().has_value());
  CHECK(pace.left()->count() == Approx(5));
  CHECK(pace.per_second() == Approx(2000));
}

TEST_CASE("nothing is foretold from little, or from standing still", "[progress]") {
  CHECK_FALSE(Pace().left());
  CHECK_FALSE(steady(1, 0.1, 1000).left());
  CHECK(steady(2, 0.1, 1000).left());
  CHECK_FALSE(steady(20, 0, 1000).left());
}

TEST_CASE("a run that becomes slower is judged by its last seconds", "[progress]") {
  Pace pace = steady(10, 0.05, 1000);
  for (int i = 1; i <= 40; ++i) pace.add(Seconds(10 + i / 2.0), 0.5 + 0.001 * i, 20'000);
  REQUIRE(pace.left().has_value());
  CHECK(pace.left()->count() == Approx((1 - 0.54) / 0.002));
  CHECK(pace.per_second() == Approx(0));
}

TEST_CASE("durations are no more exact than an estimate is", "[progress]") {
  CHECK(rough_duration(Seconds(0)) == "1 s");
  CHECK(rough_duration(Seconds(7.4)) == "7 s");
  CHECK(rough_duration(Seconds(38)) == "40 s");
  CHECK(rough_duration(Seconds(57)) == "55 s");
  CHECK(rough_duration(Seconds(58)) == "1 min");
  CHECK(rough_duration(Seconds(59.4 * 60)) == "59 min");
  CHECK(rough_duration(Seconds(59.6 * 60)) == "1 h");
  CHECK(rough_duration(Seconds(130 * 60)) == "2 h 10 min");
  CHECK(rough_duration(Seconds(30 * 3600)) == "30 h");
  CHECK(rough_duration(Seconds(72 * 3600)) == "3 days");
  CHECK(rough_duration(Seconds(1e12)) == "years");
}

TEST_CASE("the line says what matters most first", "[progress]") {
  const RunState state{Instant(12'345us), 20ms, 12'345'678, 0.617};
  CHECK(progress_text(state, steady(5, 0.1, 1'600'000)) ==
        "61 %, about 5 s left: 12.345 ms of 20 ms simulated, 12,345,678 requests, 3.2 M/s");
  const RunState begin{Instant(1ns), {}, 1, 0.0001};
  CHECK(progress_text(begin, Pace()) == "<1 %: 1 ns simulated, 1 request, 0.0 /s");
  const RunState end{Instant(1s), {}, 5, 1};
  CHECK(progress_text(end, Pace()).starts_with("99 %: "));
}

TEST_CASE("the share of a run without duration is that of its requests", "[progress]") {
  CHECK(share_of({}, 1ms, {{25, 75}, {50, 50}}) == Approx(0.375));
  CHECK(share_of({}, 1ms, {}) == 0);
}

TEST_CASE("the share of a run that its duration ends is that of its time", "[progress]") {
  CHECK(share_of(10ms, 2ms, {{1000, std::nullopt}}) == Approx(0.2));
  CHECK(share_of(10ms, 11ms, {{1000, std::nullopt}}) == 1);
  CHECK(share_of(10ms, 2ms, {}) == Approx(0.2));
}

TEST_CASE("a device that will be done before the duration is expected to send all it has",
          "[progress]") {
  // 100 of 200 after a fifth of the time: all 200 will be sent, in two fifths of it.
  CHECK(share_of(10ms, 2ms, {{100, 100}}) == Approx(0.5));
  // 100 of 2000: the duration ends it at 500.
  CHECK(share_of(10ms, 2ms, {{100, 1900}}) == Approx(0.2));
  CHECK(share_of(10ms, 2ms, {{100, 100}, {100, std::nullopt}}) == Approx(200.0 / 700));
}

TEST_CASE("with migrations until the end the share is that of time", "[progress]") {
  CHECK(share_of(10ms, 2ms, {{100, 0}}, true) == Approx(0.2));
}

TEST_CASE("a device that has not begun has all its requests before it", "[progress]") {
  CHECK(share_of(10ms, 2ms, {{0, 300}, {100, 0}}) == Approx(0.25));
}

TEST_CASE("nothing is shown unless asked for, and all is taken away at the end", "[progress]") {
  std::vector<std::string> shown;
  Progress progress([&](std::string_view text) { shown.emplace_back(text); });
  progress.tell("reading", 0.5);
  progress.finally("writing");
  CHECK(shown.empty());
  progress.ask();
  progress.tell("reading", 0.5);
  progress.tell("reading", 0.6);
  progress.watch([](Instant reached) { return RunState{reached, {}, 7, 0.25}; });
  progress.ask();
  progress.answer(Instant(3ns));
  progress.finally("writing");
  progress.end();
  progress.end();
  REQUIRE(shown.size() == 4);
  CHECK(shown[0] == "50 %: reading");
  CHECK(shown[1].starts_with("25 %: 3 ns simulated, 7 requests, "));
  CHECK(shown[2] == "writing");
  CHECK(shown[3].empty());
}

TEST_CASE("a ticker ticks until it is gone", "[progress][threads]") {
  std::atomic<int> ticks = 0;
  {
    const Ticker ticker(std::chrono::milliseconds(1), [&] { ++ticks; });
    while (ticks < 3) std::this_thread::yield();
  }
  const int after = ticks;
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(ticks == after);
}

TEST_CASE("numbers are written as people read them", "[progress]") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(12'345'678) == "12,345,678");
  CHECK(counted(0, "map") == "0 maps");
  CHECK(counted(1, "map") == "1 map");
  CHECK(counted(2000, "map") == "2,000 maps");
  CHECK(rate_text(0.5) == "0.5 /s");
  CHECK(rate_text(3.21e6) == "3.2 M/s");
}
