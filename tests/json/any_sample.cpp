// Generators of sample documents.
// SPDX-License-Identifier: Apache-2.0
#include "tests/json/any_sample.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace viosim::sample {

namespace {

// Any UTF-8: quotes, control characters and other scripts among it.
rc::Gen<std::string> any_text() {
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
                          "a", "Z", " ", "\"", "\\", "/", "~", "\n", "\t", "\x01", "\x7f", "\u00e9",
                          "\u4e2d", "\U0001f600", std::string("\0", 1))),
                      [](const std::vector<std::string>& parts) {
                        std::string text;
                        for (const std::string& part : parts) text += part;
                        return text;
                      });
}

// Any finite double, from its bits: subnormals, huge and tiny ones are as likely as others.
rc::Gen<double> any_real() {
  return rc::gen::suchThat(rc::gen::map(rc::gen::arbitrary<std::uint64_t>(),
                                        [](std::uint64_t bits) {
                                          double real = 0;
                                          static_assert(sizeof real == sizeof bits);
                                          std::memcpy(&real, &bits, sizeof real);
                                          return real;
                                        }),
                           [](double real) { return std::isfinite(real); });
}

rc::Gen<std::int64_t> any_count() {
  return rc::gen::oneOf(rc::gen::inRange<std::int64_t>(0, 10'000),
                        rc::gen::inRange<std::int64_t>(0, INT64_MAX), rc::gen::just(INT64_MAX));
}

// Any that a run can reach.
rc::Gen<Ps> any_time() {
  constexpr std::int64_t latest = Instant::latest().ps();
  return rc::gen::map(
      rc::gen::oneOf(rc::gen::inRange<std::int64_t>(0, 10'000),
                     rc::gen::inRange<std::int64_t>(0, latest), rc::gen::just(latest)),
      [](std::int64_t ps) { return Ps(ps); });
}

Cache any_cache() {
  const auto sets = static_cast<std::uint16_t>(1U << *rc::gen::inRange(0U, 13U));
  return {
      .sets = sets,
      .ways = *rc::gen::inRange<std::uint8_t>(
          0, static_cast<std::uint8_t>(std::min(sets, std::uint16_t{255}))),
      .hit_latency = *any_time(),
      .replacement = *rc::gen::element(Replacement::lru, Replacement::fifo, Replacement::random)};
}

Pattern any_pattern() {
  switch (*rc::gen::inRange(0, 3)) {
    case 0:
      return Sequential{Bytes(static_cast<std::uint64_t>(*any_count()))};
    case 1:
      return Zipf{std::abs(*any_real())};
    default:
      return Still{};
  }
}

Device any_device() {
  Device device;
  device.name = *any_text();
  device.bdf = Bdf(*rc::gen::arbitrary<std::uint16_t>());
  device.base = Iova(*rc::gen::arbitrary<std::uint64_t>());
  if (*rc::gen::arbitrary<bool>()) device.ats = any_cache();
  device.dma.rate =
      Rate(Ps(*rc::gen::element<std::int64_t>(1, 8, 200, 1'000'000, 1'000'000'000'000)));
  if (*rc::gen::arbitrary<bool>())
    device.dma.window = Bytes(page_4k.count() * *rc::gen::inRange<std::uint64_t>(1, 1U << 28U));
  device.dma.pattern = any_pattern();
  return device;
}

// JSON that the reader does not look into.
Value any_note() {
  Value::Object inner;
  add(inner, *any_text(), *any_real());
  Value::Array items;
  items.emplace_back(*rc::gen::arbitrary<std::int64_t>());
  items.emplace_back(*any_text());
  items.emplace_back(std::move(inner));
  items.emplace_back(*rc::gen::arbitrary<bool>());
  return *rc::gen::arbitrary<bool>() ? Value(std::move(items)) : Value();
}

}  // namespace

rc::Gen<Scenario> any_scenario() {
  return rc::gen::exec([] {
    Scenario scenario;
    scenario.seed = *rc::gen::arbitrary<std::uint64_t>();
    scenario.offset = *rc::gen::arbitrary<std::int64_t>();
    scenario.trace = *rc::gen::arbitrary<bool>();
    scenario.scale = *any_real();
    scenario.pasid = Pasid(*rc::gen::arbitrary<std::uint32_t>());
    scenario.iotlb = any_cache();
    scenario.background = any_pattern();
    scenario.devices.resize(*rc::gen::inRange<std::size_t>(0, 4));
    for (Device& device : scenario.devices) device = any_device();
    scenario.tags = *rc::gen::container<std::vector<std::string>>(any_text());
    scenario.matrix = *rc::gen::arbitrary<std::vector<std::vector<std::int8_t>>>();
    if (*rc::gen::arbitrary<bool>()) {
      scenario.limit = *rc::gen::arbitrary<std::int32_t>();
    } else {
      scenario.limit.reset();
    }
    scenario.note = any_note();
    return scenario;
  });
}

}  // namespace viosim::sample
