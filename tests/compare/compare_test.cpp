// Two runs side by side: where they part, and how far.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "core/base/rng.hpp"
#include "sim/compare/run_compare.hpp"
#include "sim/record/sqlite.hpp"
#include "tests/record/event_mix.hpp"
#include "tests/support/catch.hpp"
#include "tests/trace/made_run.hpp"

#include <cmath>

using namespace viosim;
using namespace viosim::test;
using Catch::Matchers::Contains;

namespace {

std::vector<TraceEvent> some_events(std::size_t count) {
  return make_events({.components = 4}, count);
}

// A run of these events in blocks of 1000, its components numbered in this order.
void write_run(const std::filesystem::path& file, const std::vector<TraceEvent>& events,
               const std::vector<std::uint32_t>& order = {0, 1, 2, 3}) {
  MadeRun run(file);
  std::vector<std::uint32_t> numbers(order.size());
  for (const std::uint32_t i : order)
    numbers[i] = run.component("host0.acc[" + std::to_string(i) + "]");
  for (std::size_t at = 0; at < events.size(); at += 1000) {
    std::vector<TraceEvent> block;
    for (std::size_t i = at; i < std::min(at + 1000, events.size()); ++i) {
      block.push_back(events[i]);
      block.back().component = numbers[events[i].component];
    }
    run.block(std::move(block));
  }
  run.finish();
}

class Pair {
 public:
  TraceDifference compare(const std::vector<TraceEvent>& a, const std::vector<TraceEvent>& b,
                          TraceRule rule = TraceRule::exact) {
    write_run(scratch_ / "a.db", a);
    write_run(scratch_ / "b.db", b);
    RunReader of_a = RunReader::open(scratch_ / "a.db");
    RunReader of_b = RunReader::open(scratch_ / "b.db");
    return compare_traces(of_a, of_b, rule);
  }
  const Scratch& scratch() const { return scratch_; }

 private:
  Scratch scratch_;
};

Histogram histogram_of(const std::vector<std::int64_t>& values) {
  Histogram histogram;
  for (const std::int64_t value : values) histogram.record(Ps(value));
  return histogram;
}

}  // namespace

TEST_CASE("equal traces have no divergence, and one changed field is found wherever it is",
          "[compare]") {
  Pair pair;
  const std::vector<TraceEvent> events = some_events(3500);
  CHECK_FALSE(pair.compare(events, events).first);
  for (const std::size_t at : {0U, 1U, 999U, 1000U, 2345U, 3499U}) {
    std::vector<TraceEvent> changed = events;
    changed[at].value ^= 1U;
    const TraceDifference difference = pair.compare(events, changed);
    REQUIRE(difference.first == at);
    CHECK(difference.before.size() == std::min<std::size_t>(at, 3));
    if (at > 0) CHECK(difference.before.back() == events[at - 1]);
    CHECK(difference.a.front() == events[at]);
    CHECK(difference.b.front() == changed[at]);
    CHECK(difference.a.size() == std::min<std::size_t>(4, events.size() - at));
    CHECK_FALSE(difference.same_but_for_time);
  }
}

TEST_CASE("a trace that goes on where the other ends differs there", "[compare]") {
  Pair pair;
  const std::vector<TraceEvent> events = some_events(2000);
  for (const std::size_t length : {0U, 999U, 1000U, 1999U}) {
    const TraceDifference difference = pair.compare(
        events, {events.begin(), events.begin() + static_cast<std::ptrdiff_t>(length)});
    CHECK(difference.first == length);
    CHECK(difference.b.empty());
    CHECK(difference.a.front() == events[length]);
  }
}

TEST_CASE("events that only moved are the same but for time", "[compare]") {
  Pair pair;
  const std::vector<TraceEvent> events = some_events(2500);
  std::vector<TraceEvent> later = events;
  for (std::size_t i = 1200; i < later.size(); ++i) later[i].time += 1000;
  std::swap(later[1300], later[1301]);
  const TraceDifference exact = pair.compare(events, later);
  CHECK(exact.first == 1200);
  CHECK(exact.same_but_for_time);
  CHECK(pair.compare(events, later, TraceRule::untimed).first == 1300);
  const TraceDifference off = pair.compare(events, later, TraceRule::off);
  CHECK_FALSE(off.first);
  CHECK_FALSE(off.compared);
  CHECK(off.events_a == 2500);
  CHECK(off.events_b == 2500);
}

TEST_CASE("a damaged block is told, also where both say that it is the same", "[compare]") {
  const Scratch scratch;
  const std::vector<TraceEvent> events = some_events(3000);
  write_run(scratch / "a.db", events);
  write_run(scratch / "b.db", events);
  const int block = GENERATE(0, 1, 2);
  const char* const damaged = GENERATE("a.db", "b.db");
  Connection((scratch / damaged).string(), Connection::Mode::read)
      .run("UPDATE trace_block SET data = zeroblob(length(data)) WHERE number = " +
           std::to_string(block));
  RunReader a = RunReader::open(scratch / "a.db");
  RunReader b = RunReader::open(scratch / "b.db");
  CHECK_THROWS_WITH(compare_runs(a, b, {}), Contains(damaged) &&
                                                Contains("trace block " + std::to_string(block)) &&
                                                Contains("is damaged"));
}

TEST_CASE("only timing has moved when events have, and nothing else", "[compare]") {
  const Scratch scratch;
  const auto only_timing = [&](const std::vector<TraceEvent>& events, std::int64_t metric,
                               TraceRule rule) {
    const auto write = [&](const char* name, const std::vector<TraceEvent>& of,
                           std::int64_t value) {
      MadeRun run(scratch / name);
      for (int i = 0; i < 4; ++i) run.component("host0.acc[" + std::to_string(i) + "]");
      run.database().add_metric(0, "hits", Unit::count, value);
      if (!of.empty()) run.block(of);
      run.finish();
    };
    write("a.db", events.empty() ? events : some_events(100), 1);
    write("b.db", events, metric);
    RunReader a = RunReader::open(scratch / "a.db");
    RunReader b = RunReader::open(scratch / "b.db");
    Tolerances tolerances;
    tolerances.trace = rule;
    const RunDifference difference = compare_runs(a, b, tolerances);
    const Value json = difference_json(difference, a, b);
    const Value* const told = find(*json.if_object(), "only_timing");
    CHECK(*told == (difference.only_timing() ? Value(*difference.only_timing()) : Value()));
    return difference.only_timing();
  };
  std::vector<TraceEvent> moved = some_events(100);
  moved[50].time += 7;
  std::vector<TraceEvent> other = some_events(100);
  other[50].value ^= 1U;
  CHECK(only_timing(moved, 1, TraceRule::exact) == true);
  CHECK(only_timing(other, 1, TraceRule::exact) == false);
  CHECK(only_timing(some_events(100), 2, TraceRule::exact) == false);
  CHECK(only_timing(moved, 2, TraceRule::off) == std::nullopt);
  CHECK(only_timing({}, 2, TraceRule::exact) == std::nullopt);
}

TEST_CASE("violations are compared with all that is recorded of them", "[compare]") {
  const Scratch scratch;
  const auto write = [&](const char* name, const std::vector<ViolationRow>& violations) {
    MadeRun run(scratch / name);
    run.component("host0.dmar0");
    run.component("host0.acc");
    for (const ViolationRow& one : violations) run.database().add_violation(one);
    run.finish();
  };
  const auto compare = [&](const ViolationRow& of_b, TraceRule rule) {
    ViolationRow of_a{"I11", 5'000, 0, "host0.dmar0", 3, 1, 1, "app", "", "late by 1 ns", {}};
    of_a.events.push_back({4'000, 1, static_cast<std::uint16_t>(EventKind::bind), 3, 1, "bound"});
    write("a.db", {of_a});
    write("b.db", {of_b});
    RunReader a = RunReader::open(scratch / "a.db");
    RunReader b = RunReader::open(scratch / "b.db");
    Tolerances tolerances;
    tolerances.trace = rule;
    const RunDifference difference = compare_runs(a, b, tolerances);
    CHECK(difference.equal() == difference.violations.empty());
    if (rule == TraceRule::exact && !difference.equal())
      CHECK_THAT(difference_text(difference, a, b, "A", "B"),
                 Contains("violation 1 of I11 differs"));
    return difference.equal();
  };
  ViolationRow same{"I11", 5'000, 0, "host0.dmar0", 3, 1, 1, "app", "", "late by 1 ns", {}};
  same.events.push_back({4'000, 1, static_cast<std::uint16_t>(EventKind::bind), 3, 1, "bound"});
  CHECK(compare(same, TraceRule::exact));
  const auto changed = [&](const auto& change) {
    ViolationRow row = same;
    change(row);
    return row;
  };
  const std::vector<ViolationRow> others = {
      changed([](ViolationRow& row) { row.component = 1; }),
      changed([](ViolationRow& row) { row.actor = "host0.acc"; }),
      changed([](ViolationRow& row) { row.pasid = 4; }),
      changed([](ViolationRow& row) { row.epoch = 2; }),
      changed([](ViolationRow& row) { row.current_epoch = 2; }),
      changed([](ViolationRow& row) { row.owner = "other"; }),
      changed([](ViolationRow& row) { row.previous_owner = "app"; }),
      changed([](ViolationRow& row) { row.events.clear(); }),
      changed([](ViolationRow& row) { row.events[0].component = 0; }),
      changed([](ViolationRow& row) { row.events[0].kind = 0; }),
      changed([](ViolationRow& row) { row.events[0].pasid = 4; }),
      changed([](ViolationRow& row) { row.events[0].epoch = 2; })};
  const std::vector<ViolationRow> at_another_time = {
      changed([](ViolationRow& row) { row.time += 1; }),
      changed([](ViolationRow& row) { row.message = "late by 2 ns"; }),
      changed([](ViolationRow& row) { row.events[0].time += 1; }),
      changed([](ViolationRow& row) { row.events[0].text = "bound later"; })};
  for (const ViolationRow& row : others) {
    CHECK_FALSE(compare(row, TraceRule::exact));
    CHECK_FALSE(compare(row, TraceRule::untimed));
    CHECK(compare(row, TraceRule::off));
  }
  for (const ViolationRow& row : at_another_time) {
    CHECK_FALSE(compare(row, TraceRule::exact));
    CHECK(compare(row, TraceRule::untimed));
  }
}

TEST_CASE("components are the same when their names are, whatever their numbers", "[compare]") {
  const Scratch scratch;
  const std::vector<TraceEvent> events = some_events(1500);
  write_run(scratch / "a.db", events);
  write_run(scratch / "b.db", events, {2, 0, 3, 1});
  RunReader a = RunReader::open(scratch / "a.db");
  RunReader b = RunReader::open(scratch / "b.db");
  REQUIRE(a.components() != b.components());
  CHECK_FALSE(compare_traces(a, b, TraceRule::exact).first);
}

TEST_CASE("metrics, latencies and expectations that differ are named", "[compare]") {
  const Scratch scratch;
  const auto write = [&](const char* name, std::int64_t hits, std::int64_t latency, bool met) {
    MadeRun run(scratch / name);
    const std::uint32_t component = run.component("host0.dmar0.iotlb");
    run.database().add_metric(component, "hits", Unit::count, hits);
    run.database().add_metric(component, "misses", Unit::count, 3);
    run.database().add_histogram(component, "translate",
                                 histogram_of(std::vector<std::int64_t>(100, latency)));
    run.database().add_expectation({"host0.x above 1", met ? "2" : "0", met});
    run.finish();
  };
  write("a.db", 100, 489'000, true);
  write("b.db", 101, 490'000, false);
  RunReader a = RunReader::open(scratch / "a.db");
  RunReader b = RunReader::open(scratch / "b.db");
  const RunDifference difference = compare_runs(a, b, {});
  REQUIRE(difference.metrics.size() == 1);
  CHECK(difference.metrics[0].name == "hits");
  REQUIRE(difference.latencies.size() == 1);
  CHECK(difference.latencies[0].a.percentiles[0] == 489ns);
  CHECK(difference.latencies[0].b.percentiles[0] == 490ns);
  REQUIRE(difference.expectations.size() == 1);
  const std::string text = difference_text(difference, a, b, "A", "B");
  CHECK_THAT(text, Contains("host0.dmar0.iotlb.hits") && Contains("+1 %") && Contains("490 ns"));
  CHECK_THAT(text, Contains("2 (met) against 0 (not met)"));
  CHECK_THAT(text, Contains("decides nothing"));  // both are in one bucket

  Tolerances tolerances;
  tolerances.latencies.push_back({*PathPattern::parse("host0.dmar0.iotlb"), "translate", 0.01});
  CHECK(compare_runs(a, b, tolerances).latencies.empty());
  tolerances.latencies[0].within = 0.001;
  CHECK(compare_runs(a, b, tolerances).latencies.size() == 1);
  tolerances.metrics.push_back({*PathPattern::parse("host0.dmar0.iotlb"), "", 0.01});
  CHECK(compare_runs(a, b, tolerances).metrics.empty());
  CHECK(compare_runs(a, a, {}).equal());
}

TEST_CASE("what does not fit into a table is said to be in the JSON", "[compare]") {
  const Scratch scratch;
  const auto write = [&](const char* name, std::int64_t latency) {
    MadeRun run(scratch / name);
    for (int i = 0; i < 30; ++i) {
      const std::uint32_t component = run.component("host0.acc[" + std::to_string(i) + "]");
      run.database().add_histogram(component, "translate", histogram_of({latency}));
    }
    run.finish();
  };
  write("a.db", 100'000);
  write("b.db", 200'000);
  RunReader a = RunReader::open(scratch / "a.db");
  RunReader b = RunReader::open(scratch / "b.db");
  const RunDifference difference = compare_runs(a, b, {});
  const std::string text = difference_text(difference, a, b, "A", "B");
  CHECK_THAT(text, Contains("more, with --json") && !Contains("database"));
  CHECK_THAT(text, !Contains("decides nothing"));  // in different ones
  const Value json = difference_json(difference, a, b);
  CHECK(find(*json.if_object(), "latencies")->if_array()->size() == 30);
}

TEST_CASE("Kolmogorov's distribution has the values of its tables", "[compare]") {
  CHECK(kolmogorov_tail(1.2238) == Approx(0.10).margin(1e-4));
  CHECK(kolmogorov_tail(1.3581) == Approx(0.05).margin(1e-4));
  CHECK(kolmogorov_tail(1.6276) == Approx(0.01).margin(1e-4));
  CHECK(kolmogorov_tail(0) == 1);
  CHECK(kolmogorov_tail(0.21) == Approx(1).margin(1e-4));
  CHECK(kolmogorov_tail(30) == 0);
}

TEST_CASE("the test tells samples of two distributions apart, and not those of one", "[compare]") {
  Rng rng(5, "samples");
  const auto sample = [&](std::uint64_t least, std::size_t count) {
    Histogram histogram;
    for (std::size_t i = 0; i < count; ++i)
      histogram.record(Ps(static_cast<std::int64_t>(least + rng.below(1'000'000))));
    return histogram;
  };
  int rejected = 0;
  for (int i = 0; i < 200; ++i)
    rejected += kolmogorov_smirnov(sample(0, 400), sample(0, 400)).probability < 0.05 ? 1 : 0;
  CHECK(rejected < 20);
  const KsResult apart = kolmogorov_smirnov(sample(0, 400), sample(200'000, 400));
  CHECK(apart.distance == Approx(0.2).margin(0.08));
  CHECK(apart.probability < 0.001);
  const Histogram whole = histogram_of({1'000, 2'000, 3'000});
  CHECK(kolmogorov_smirnov(whole, whole).probability == 1);
  CHECK(kolmogorov_smirnov(whole, histogram_of({8'000, 9'000, 10'000})).distance == 1);
  CHECK(kolmogorov_smirnov(whole, {}).probability == 1);
}

TEST_CASE("a shift within a bucket widens what the test says, and nothing else does", "[compare]") {
  std::vector<std::int64_t> before(1000, 489'000);
  std::vector<std::int64_t> after(1000, 490'000);
  before.push_back(2'000'000);
  after.push_back(2'000'000);
  const KsResult moved = kolmogorov_smirnov(histogram_of(before), histogram_of(after));
  CHECK(moved.distance == 0);
  CHECK(moved.probability == 1);
  CHECK(moved.distance_most == Approx(1000.0 / 1001));
  CHECK(moved.probability_least < 1e-100);
  CHECK_FALSE(moved.exact());
  const KsResult same = kolmogorov_smirnov(histogram_of(before), histogram_of(before));
  CHECK(same.exact());
  // Half as many of the same values: other counts, the same means.
  const KsResult fewer =
      kolmogorov_smirnov(histogram_of({1'000, 1'000, 5'000, 5'000}), histogram_of({1'000, 5'000}));
  CHECK(fewer.exact());
  CHECK(fewer.distance == 0);
}

TEST_CASE("a database of format 1, written by an older viosim, is read whole",
          "[compare][record]") {
  RunReader old = RunReader::open(std::filesystem::path(VIOSIM_SOURCE_DIR) / "tests" / "record" /
                                  "old" / "format-1.db");
  CHECK(old.format_version() == 1);
  CHECK(old.manifest().program_version == "0.1.0");
  CHECK(old.complete());
  CHECK(old.expectations().empty());
  std::int64_t events = 0;
  std::int64_t translations = 0;
  old.for_each_event([&](const TraceEvent& event) {
    ++events;
    translations += event.kind == static_cast<std::uint16_t>(EventKind::translate) ? 1 : 0;
  });
  CHECK(events == 100'128);
  CHECK(translations == 100'000);
  RunReader again = RunReader::open(old.file());
  CHECK(compare_runs(old, again, {}).equal());
  CHECK_FALSE(old.has_expectations());
}
