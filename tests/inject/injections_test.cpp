// Which event an injection meets: by its place, PASID, time, number and chance.
// SPDX-License-Identifier: Apache-2.0
#include "sim/inject/injections.hpp"

#include "core/base/fields.hpp"
#include "sim/json/json.hpp"
#include "tests/support/catch.hpp"

using namespace viosim;

namespace {

struct List {
  std::vector<InjectionConfig> injections;
  static constexpr auto fields() { return Fields{field("injections", &List::injections, ".")}; }
};

// Injections without a system: the clock stands at zero but where a test runs it.
struct Bench {
  explicit Bench(const std::string& list, std::uint64_t seed = 1)
      : configs(read_document<List>(parse_json("{\"injections\": [" + list + "]}", "f"), "f")
                    .injections),
        injections(configs, seed, engine, tracer) {}

  Fate ask(Message message, std::uint32_t component = 0, Pasid pasid = no_pasid) {
    return injections.ask(message, component, pasid, {}).fate;
  }
  // Which of so many equal messages are lost: "..x.".
  std::string losses(int how_many) {
    std::string text;
    for (int i = 0; i < how_many; ++i) text += ask(Message::wait) == Fate::drop ? 'x' : '.';
    return text;
  }

  Engine engine;
  Tracer tracer;
  std::vector<InjectionConfig> configs;
  Injections injections;
};

}  // namespace

TEST_CASE("an injection meets its message and no other", "[inject]") {
  Bench bench(R"({"drop": "wait"})");
  CHECK(bench.ask(Message::wait) == Fate::drop);
  CHECK(bench.ask(Message::iotlb) == Fate::pass);
  CHECK(bench.injections.ask(Misdeed::omit_last, 0, no_pasid, {}).passes());
  CHECK(bench.injections.all()[0].matched == 1);
}

TEST_CASE("an injection fires at its place", "[inject]") {
  Bench bench(R"({"drop": "wait", "where": "h.b"})");
  bench.injections.restrict_to(0, {false, true});
  CHECK(bench.ask(Message::wait, 0) == Fate::pass);
  CHECK(bench.ask(Message::wait, 1) == Fate::drop);
  CHECK(bench.injections.all()[0].matched == 1);
}

TEST_CASE("an injection of a PASID leaves others, and what has none", "[inject]") {
  Bench bench(R"({"drop": "pasid-iotlb", "pasid": 7})");
  CHECK(bench.ask(Message::pasid_iotlb, 0, Pasid(7)) == Fate::drop);
  CHECK(bench.ask(Message::pasid_iotlb, 0, Pasid(8)) == Fate::pass);
  CHECK(bench.ask(Message::pasid_iotlb) == Fate::pass);
}

TEST_CASE("which of many messages an injection takes", "[inject]") {
  CHECK(Bench(R"({"drop": "wait"})").losses(5) == "xxxxx");
  CHECK(Bench(R"({"drop": "wait", "nth": 1})").losses(5) == "x....");
  CHECK(Bench(R"({"drop": "wait", "nth": 3})").losses(5) == "..x..");
  CHECK(Bench(R"({"drop": "wait", "nth": 2, "count": 2})").losses(5) == ".xx..");
  CHECK(Bench(R"({"drop": "wait", "count": 2})").losses(5) == "xx...");
  CHECK(Bench(R"({"drop": "wait", "probability": 1})").losses(5) == "xxxxx");
}

TEST_CASE("an injection is within its times, the last one excluded", "[inject]") {
  Bench bench(R"({"drop": "wait", "from": "10 ns", "to": "20 ns"})");
  std::string seen;
  bench.engine.spawn("asks", Lifetime::finishes, [&] {
    for (const Ps at : {Ps(9'999), Ps(10'000), Ps(19'999), Ps(20'000)}) {
      bench.engine.sleep_until(Instant(at));
      seen += bench.ask(Message::wait) == Fate::drop ? 'x' : '.';
    }
  });
  bench.engine.run();
  CHECK(seen == ".xx.");
}

TEST_CASE("chance comes from the seed, and each injection has its own", "[inject]") {
  const std::string half = R"({"drop": "wait", "probability": 0.5})";
  const std::string once = Bench(half).losses(200);
  CHECK(once == Bench(half).losses(200));
  CHECK(once != Bench(half, 2).losses(200));
  const auto lost = std::count(once.begin(), once.end(), 'x');
  CHECK(lost > 60);
  CHECK(lost < 140);
  // What another one draws, before it in the list or after, changes nothing.
  const std::string other = R"({"drop": "iotlb", "probability": 0.5})";
  Bench both(half + ", " + other);
  std::string among;
  for (int i = 0; i < 200; ++i) {
    both.ask(Message::iotlb);
    among += both.losses(1);
  }
  CHECK(among == once);
}

TEST_CASE("of several injections the first that fires decides, and all have seen it", "[inject]") {
  Bench bench(R"({"drop": "wait", "nth": 2}, {"delay": "wait", "by": "1 us"})");
  CHECK(bench.ask(Message::wait) == Fate::delay);
  CHECK(bench.ask(Message::wait) == Fate::drop);
  CHECK(bench.injections.all()[1].matched == 2);
  CHECK(bench.injections.all()[1].fired == 1);
}

TEST_CASE("rulings hold what the injection says", "[inject]") {
  Bench bench(R"({"delay": "wait", "by": "3 us"},
                 {"swap": "tear_down.flush_pasid_cache", "with": "tear_down.flush_device_tlb"},
                 {"allocate": "above-range"}, {"misbehave": "omit_last"},
                 {"skip": "unbind.drain"})");
  CHECK(bench.injections.ask(Message::wait, 0, no_pasid, {}).by == 3us);
  StepSet later;
  later.add(Step::flush_device_tlb);
  const Ruling swap = bench.injections.ask(
      InjectionPoint(Order::tear_down, Step::flush_pasid_cache), 0, no_pasid, later);
  CHECK(swap.fate == Fate::swap);
  CHECK(swap.with == Step::flush_device_tlb);
  CHECK(bench.injections.ask(InjectionPoint::allocation(), 0, no_pasid, {}).id ==
        OddId::above_range);
  CHECK(bench.injections.ask(Misdeed::omit_last, 0, no_pasid, {}).fate == Fate::misbehave);
  CHECK(bench.injections.ask(FlowStep::unbind_drain, 0, no_pasid, {}).fate == Fate::skip);
}

// A machine without caching mode leaves out what comes only in it.
TEST_CASE("steps change places only with one that is taken later", "[inject]") {
  Bench bench(R"({"swap": "tear_down.flush_pasid_cache", "with": "tear_down.flush_device_tlb"})");
  StepSet later;
  later.add(Step::flush_iotlb_of_entry);
  const InjectionPoint point(Order::tear_down, Step::flush_pasid_cache);
  CHECK(bench.injections.ask(point, 0, no_pasid, later).passes());
  CHECK(bench.injections.all()[0].matched == 0);
  CHECK(bench.injections.all()[0].fired == 0);
}

TEST_CASE("an act happens, and changes nothing that is sent", "[inject]") {
  Bench bench(R"({"kill": "h.vm", "on": "wait", "nth": 2})");
  int acts = 0;
  bench.injections.on_fire(0, [&] { ++acts; });
  CHECK(bench.losses(3) == "...");
  CHECK(acts == 1);
  CHECK(bench.injections.all()[0].fired == 1);
}
