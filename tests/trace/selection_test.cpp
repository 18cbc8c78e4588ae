// Which events a filter lets through.
// SPDX-License-Identifier: Apache-2.0
#include "sim/trace/selection.hpp"

#include "core/base/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/trace/made_run.hpp"

using namespace viosim;
using namespace viosim::test;
using Catch::Matchers::Contains;

namespace {

// Three blocks, of microseconds 0, 1 and 2, with an event every 100 ns.
class Fixture {
 public:
  Fixture() : file_(scratch_ / "run.db") {
    MadeRun run(file_);
    run.component("host0.acc[0]");
    run.component("host0.acc[1]");
    run.component("host0.dmar0.iotlb");
    run.component("host0.vm[0].v0");
    run.component("host0.vm[1].v0");
    for (std::int64_t block = 0; block < 3; ++block) {
      std::vector<TraceEvent> events;
      for (std::int64_t i = 0; i < 10; ++i) {
        const std::int64_t end = block * 1'000'000 + i * 100'000;
        events.push_back(event_of(i % 2 == 0 ? EventKind::translate : EventKind::invalidate,
                                  static_cast<std::uint32_t>(i % 5), {end, end}, 0, 0,
                                  static_cast<std::uint32_t>(i % 3)));
      }
      run.block(std::move(events));
    }
    run.finish();
  }
  std::uint64_t count(const TraceFilter& filter) {
    RunReader reader = RunReader::open(file_);
    return for_each_selected(reader, Selection(reader, filter), [](const TraceEvent&) {});
  }
  const std::filesystem::path& file() const { return file_; }

 private:
  Scratch scratch_;
  std::filesystem::path file_;
};

}  // namespace

TEST_CASE("an empty filter selects all events", "[trace]") {
  Fixture fixture;
  CHECK(fixture.count({}) == 30);
  CHECK(fixture.count({.limit = 7}) == 7);
  CHECK(fixture.count({.limit = 0}) == 0);
}

TEST_CASE("a component stands for all below it", "[trace]") {
  Fixture fixture;
  CHECK(fixture.count({.components = {"host0.acc[0]"}}) == 6);
  CHECK(fixture.count({.components = {"host0.acc[*]"}}) == 12);
  CHECK(fixture.count({.components = {"host0.dmar0"}}) == 6);
  CHECK(fixture.count({.components = {"host0"}}) == 30);
}

TEST_CASE("a guest may be named without its host", "[trace]") {
  Fixture fixture;
  CHECK(fixture.count({.guests = {"host0.vm[1]"}}) == 6);
  CHECK(fixture.count({.guests = {"vm[1]"}}) == 6);
  CHECK(fixture.count({.guests = {"vm[*]"}}) == 12);
  CHECK(fixture.count({.components = {"host0.vm[0]"}, .guests = {"vm[1]"}}) == 0);
  CHECK_THROWS_WITH(fixture.count({.guests = {"acc[0]"}}), Contains("a guest of this run"));
}

TEST_CASE("kinds and PASIDs narrow the selection", "[trace]") {
  Fixture fixture;
  CHECK(fixture.count({.kinds = {"translate"}}) == 15);
  CHECK(fixture.count({.kinds = {"translate", "invalidate"}}) == 30);
  CHECK(fixture.count({.pasids = {2}}) == 9);
  CHECK(fixture.count({.kinds = {"translate"}, .pasids = {1}}) == 3);
}

TEST_CASE("a window holds the events that ended in it, both ends included", "[trace]") {
  Fixture fixture;
  CHECK(fixture.count({.from = 1us, .until = 1us + 100ns}) == 2);
  CHECK(fixture.count({.from = Ps(1'000'001), .until = Ps(1'099'999)}) == 0);
  CHECK(fixture.count({.until = 300ns}) == 4);
  CHECK_THROWS_WITH(fixture.count({.from = 2us, .until = 1us}), Contains("--until"));
}

TEST_CASE("blocks outside of the window are not read", "[trace]") {
  Fixture fixture;
  const RunReader reader = RunReader::open(fixture.file());
  const auto blocks = [&](Ps from, Ps until) {
    return Selection(reader, {.from = from, .until = until}).blocks(reader);
  };
  CHECK(blocks(0ns, 5us) == std::vector<std::size_t>{0, 1, 2});
  CHECK(blocks(900ns, 1us) == std::vector<std::size_t>{0, 1});
  CHECK(blocks(Ps(900'001), Ps(999'999)).empty());
  CHECK(blocks(1900ns, 1900ns) == std::vector<std::size_t>{1});
}

TEST_CASE("a name that means nothing in the run is an error with the nearest one", "[trace]") {
  Fixture fixture;
  CHECK_THROWS_WITH(fixture.count({.kinds = {"tranlate"}}),
                    Contains("did you mean \"translate\"?"));
  CHECK_THROWS_WITH(fixture.count({.components = {"host0.acc[2]"}}), Contains("host0.acc["));
  CHECK_THROWS_AS(fixture.count({.components = {"host0..x"}}), ConfigError);
}
