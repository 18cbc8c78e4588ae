// The summary of full blocks against a sorted set, while they come and go.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/full_blocks.hpp"

#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <vector>

namespace {

using ioasid::detail::FullBlocks;

void set(FullBlocks& full, std::uint32_t block) {
  full.reserve();
  full.set(block);
}

}  // namespace

TEST_CASE("the summary of full blocks agrees with a sorted set while it grows and shrinks") {
  const auto stride = GENERATE(1u, 3u, 64u, 10'946u);
  FullBlocks full;
  std::set<std::uint32_t> model;
  viosim::Rng random(9, "blocks");
  for (int step = 0; step < 40'000; ++step) {
    const bool grow = step / 4000 % 2 == 0;
    const auto block = static_cast<std::uint32_t>(random.below(5000)) * stride;
    if (random.below(10) < (grow ? 9u : 1u)) {
      if (model.insert(block).second) set(full, block);
    } else if (const auto at = model.lower_bound(block); at != model.end()) {
      full.clear(*at);
      model.erase(at);
    }
    std::uint32_t next = block;
    while (model.contains(next)) ++next;
    if (full.next_with_room(block) != next) FAIL("block " << block << ", step " << step);
  }
  for (const std::uint32_t block : model) full.clear(block);
  INFO(stride << " apart");
  CHECK(full.bytes() <= 512);
}

TEST_CASE("one full block far from others does not pay for those that went") {
  FullBlocks full;
  for (std::uint32_t n = 0; n < 10'000; ++n) set(full, n * 64);
  CHECK(full.bytes() >= 160'000);
  for (std::uint32_t n = 1; n < 10'000; ++n) full.clear(n * 64);
  CHECK(full.bytes() <= 512);
  CHECK(full.next_with_room(0) == 1);
  CHECK(full.next_with_room(64) == 64);
}

TEST_CASE("a full block that comes and goes leaves the summary as large as it was") {
  FullBlocks full;
  set(full, 5);
  const std::size_t bytes = full.bytes();
  for (int round = 1; round <= 4; ++round) {
    full.clear(5);
    INFO("gone " << round << " times");
    REQUIRE(full.bytes() == bytes);
    set(full, 5);
    REQUIRE(full.next_with_room(5) == 6);
  }
}

TEST_CASE("the summary is found in few steps where words are chosen to lie side by side") {
  // By the hash that a table begins with, and by the one that comes next.
  constexpr std::array<std::uint32_t, 2> salts{0, 0x85ebca6bu};
  constexpr std::uint32_t count = 3000;
  FullBlocks full;
  std::set<std::uint32_t> chosen;
  double most = 0;
  const auto add = [&](std::uint32_t word) {
    if (!chosen.insert(word).second) return;
    set(full, word * 64);
    const auto words = static_cast<double>(chosen.size());
    most = std::max(most, (static_cast<double>(full.steps()) - 3000) / words);
  };
  // So many that the table has room for those which come then.
  for (std::uint32_t i = 0; i < 6200; ++i) add(i * 97);
  for (const std::uint32_t salt : salts) {
    std::vector<std::uint32_t> words(1u << 20);
    std::iota(words.begin(), words.end(), 0u);
    const auto nearer = [&](std::uint32_t a, std::uint32_t b) {
      return ioasid::detail::mix(a ^ salt) < ioasid::detail::mix(b ^ salt);
    };
    std::nth_element(words.begin(), words.begin() + count, words.end(), nearer);
    for (std::uint32_t i = 0; i < count; ++i) add(words[i]);
  }
  CHECK(most <= 7);
  for (const std::uint32_t word : chosen)
    if (!chosen.contains(word + 1) && full.next_with_room(word * 64) != word * 64 + 1)
      FAIL("word " << word << " is lost");
}
