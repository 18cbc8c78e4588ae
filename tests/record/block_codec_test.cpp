// Trace blocks: any events survive, bytes are repeatable, damage is harmless.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "sim/record/block_decoder.hpp"
#include "sim/record/block_encoder.hpp"
#include "tests/record/event_mix.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <limits>

using namespace viosim;

namespace {

std::vector<std::byte> encode(const std::vector<TraceEvent>& events) {
  BlockEncoder encoder;
  const auto bytes = encoder.encode(events);
  return {bytes.begin(), bytes.end()};
}

std::vector<TraceEvent> decode(std::span<const std::byte> bytes) {
  BlockDecoder decoder;
  std::vector<TraceEvent> events;
  decoder.decode(bytes, events);
  return events;
}

// Numbers as traces have them (few, near each other) and as they do not (the ends of the range).
template <class T>
rc::Gen<T> number() {
  using Limits = std::numeric_limits<T>;
  return rc::gen::oneOf(rc::gen::arbitrary<T>(), rc::gen::inRange<T>(0, 4),
                        rc::gen::map(rc::gen::inRange<T>(0, 100),
                                     [](T value) { return static_cast<T>(value * 1000); }),
                        rc::gen::element<T>(Limits::min(), Limits::max(), 0, 1,
                                            static_cast<T>(Limits::max() / 2 + 1)));
}

rc::Gen<TraceEvent> event() {
  return rc::gen::build<TraceEvent>(rc::gen::set(&TraceEvent::time, number<std::int64_t>()),
                                    rc::gen::set(&TraceEvent::duration, number<std::int64_t>()),
                                    rc::gen::set(&TraceEvent::address, number<std::uint64_t>()),
                                    rc::gen::set(&TraceEvent::value, number<std::uint64_t>()),
                                    rc::gen::set(&TraceEvent::component, number<std::uint32_t>()),
                                    rc::gen::set(&TraceEvent::pasid, number<std::uint32_t>()),
                                    rc::gen::set(&TraceEvent::epoch, number<std::uint32_t>()),
                                    rc::gen::set(&TraceEvent::kind, number<std::uint16_t>()),
                                    rc::gen::set(&TraceEvent::code, number<std::uint16_t>()));
}

// A full block in which each field follows a habit of its own: constant, few values, counting,
// multiples, anything.
std::uint64_t by_habit(std::uint64_t habit, std::uint64_t i, Rng& rng) {
  switch (habit) {
    case 0:
      return 42;
    case 1:
      return rng.below(3) * 0x1234'5678'9abcU;
    case 2:
      return i * 4096;
    case 3:
      return 1'000 * rng.below(1'000'000);
    case 4:
      return rng.below(50) == 0 ? rng.next() : i;
    default:
      return rng.next();
  }
}

std::vector<TraceEvent> habitual_events(std::uint64_t seed) {
  Rng rng(seed, "habits");
  std::array<std::uint64_t, 9> habits{};
  for (auto& habit : habits) habit = rng.below(6);
  std::vector<TraceEvent> events(1 + rng.below(trace_block_events));
  std::uint64_t i = 0;
  for (TraceEvent& event : events) {
    const auto field = [&](std::size_t number) { return by_habit(habits[number], i, rng); };
    event.time = static_cast<std::int64_t>(field(0));
    event.duration = static_cast<std::int64_t>(field(1));
    event.address = field(2);
    event.value = field(3);
    event.component = static_cast<std::uint32_t>(field(4));
    event.pasid = static_cast<std::uint32_t>(field(5));
    event.epoch = static_cast<std::uint32_t>(field(6));
    event.kind = static_cast<std::uint16_t>(field(7));
    event.code = static_cast<std::uint16_t>(field(8));
    ++i;
  }
  return events;
}

}  // namespace

TEST_CASE("any events come back as they were", "[record][codec]") {
  CHECK(rc::check("decode(encode(events)) == events", [] {
    const auto events = *rc::gen::nonEmpty(rc::gen::container<std::vector<TraceEvent>>(event()));
    RC_ASSERT(decode(encode(events)) == events);
  }));
}

TEST_CASE("long blocks of every habit come back as they were", "[record][codec]") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    const auto events = habitual_events(seed);
    REQUIRE(decode(encode(events)) == events);
  }
}

TEST_CASE("a block of events that differ in everything comes back", "[record][codec]") {
  Rng rng(5, "noise");
  std::vector<TraceEvent> events(trace_block_events);
  for (TraceEvent& event : events) {
    const auto r = [&] { return rng.next(); };
    event.time = static_cast<std::int64_t>(r());
    event.duration = static_cast<std::int64_t>(r());
    event.address = r();
    event.value = r();
    event.component = static_cast<std::uint32_t>(r());
    event.kind = static_cast<std::uint16_t>(r());
  }
  CHECK(decode(encode(events)) == events);
}

TEST_CASE("one event makes a block", "[record][codec]") {
  const std::vector<TraceEvent> events{{.time = -1, .value = ~std::uint64_t{0}}};
  CHECK(decode(encode(events)) == events);
}

TEST_CASE("a block's bytes depend on its events alone", "[record][codec]") {
  const auto first = make_events({.seed = 1}, 20'000);
  const auto second = make_events({.components = 7, .queueing = true, .seed = 2}, 50'000);
  BlockEncoder used;
  used.encode(second);
  const auto bytes = used.encode(first);
  const auto fresh = encode(first);
  CHECK(std::equal(bytes.begin(), bytes.end(), fresh.begin(), fresh.end()));
}

TEST_CASE("an event of a translation run takes at most 8 bytes", "[record][codec]") {
  const auto components = GENERATE(16U, 64U, 1024U);
  const auto events = make_events({.components = components}, trace_block_events);
  CHECK(encode(events).size() <= 8 * events.size());
}

TEST_CASE("damaged bytes are decoded to events or refused, never worse", "[record][codec]") {
  Rng rng(11, "damage");
  BlockDecoder decoder;
  std::vector<TraceEvent> events;
  const auto whole = encode(make_events({}, 3'000));
  int refused = 0;
  for (int round = 0; round < 2'000; ++round) {
    auto bytes = whole;
    // The lengths and the lists are at the beginning: damage that more often than the rest.
    const std::size_t range = round % 2 == 0 ? bytes.size() : 100;
    for (std::uint64_t flips = 1 + rng.below(3); flips > 0; --flips)
      bytes[rng.below(range)] ^= static_cast<std::byte>(1 + rng.below(255));
    if (round % 3 == 0) bytes.resize(rng.below(bytes.size()));
    try {
      decoder.decode(bytes, events);
    } catch (const BadBytes&) {
      ++refused;
    }
  }
  CHECK(refused > 500);  // the rest hit planes that hold any numbers
}
