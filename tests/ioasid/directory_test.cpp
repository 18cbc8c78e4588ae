// The hash table of blocks: how far a look-up has to walk, whatever the keys.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/directory.hpp"

#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"

#include <utility>
#include <vector>

namespace {

using ioasid::detail::Block;
using ioasid::detail::Directory;
using ioasid::detail::NodePool;

constexpr std::uint32_t keys_max = 1u << 26;  // of all ids

// One block stands for all: the directory never looks into it.
struct Rig {
  ~Rig() {
    directory.destroy(pool);
    Block::release(pool, &block);
  }
  void put(const std::vector<std::uint32_t>& keys) {
    for (const std::uint32_t key : keys) {
      directory.reserve(pool);
      directory.put(key, &block);
      if (directory.steps_to(key) > 5000) FAIL("no end to the keys side by side");
    }
  }
  double steps_per_key(const std::vector<std::uint32_t>& keys) const {
    double steps = 0;
    for (const std::uint32_t key : keys) {
      if (directory.find(key).get() != &block) FAIL("lost: " << key);
      steps += directory.steps_to(key);
    }
    return steps / static_cast<double>(keys.size());
  }
  NodePool pool;
  Block& block = *Block::make(pool, 1);
  Directory directory;
};

std::vector<std::uint32_t> every(std::uint32_t stride, std::uint32_t end) {
  std::vector<std::uint32_t> keys;
  for (std::uint32_t key = 0; key < end; key += stride) keys.push_back(key);
  return keys;
}

}  // namespace

TEST_CASE("a look-up of dense ids hardly ever passes another block's bucket") {
  const auto count = GENERATE(16u, 100u, 1563u, 15'625u, 200'000u);
  Rig rig;
  rig.put(every(1, count));
  INFO(count << " blocks");
  CHECK(rig.steps_per_key(every(1, count)) <= 0.7);
}

TEST_CASE("a look-up is short at every stride, those of Fibonacci numbers too") {
  // In one run, which ends with the first failure: no good tables would take minutes for them all.
  for (std::uint32_t stride : {2u, 3u, 64u, 1000u, 4096u, 65'536u, 100'000u})
    for (std::uint32_t next = stride + 1; stride < keys_max / 10;
         next += std::exchange(stride, next))
      for (const std::uint32_t end : {1u << 14, keys_max}) {
        if (end / stride < 10 || end / stride > 50'000) continue;
        Rig rig;
        const std::vector<std::uint32_t> keys = every(stride, end);
        rig.put(keys);
        INFO(keys.size() << " keys, every " << stride);
        REQUIRE(rig.steps_per_key(keys) <= 6.0 + 64.0 / static_cast<double>(keys.size()) + 1e-9);
      }
}

TEST_CASE("a look-up is short when keys are chosen to lie side by side") {
  Rig rig;
  std::vector<std::uint32_t> keys;
  for (std::uint32_t key = 0; key < keys_max; ++key)
    if (key * 0x9e3779b1u < 1u << 21) keys.push_back(key);
  REQUIRE(keys.size() > 10'000);
  rig.put(keys);
  CHECK(rig.steps_per_key(keys) <= 6.1);
  // When they are gone the table is as quick as ever for others.
  for (const std::uint32_t key : keys) rig.directory.remove(rig.pool, key);
  rig.put(every(1, 1000));
  CHECK(rig.steps_per_key(every(1, 1000)) <= 0.7);
}

TEST_CASE("a look-up is short when keys are chosen to lie side by side in each hash in turn") {
  Rig rig;
  std::vector<std::uint32_t> keys;
  ioasid::detail::Table chosen_against{.capacity = 1u << 26};
  for (int hash = 0; hash < 4; ++hash) {
    std::vector<std::uint32_t> more;
    for (std::uint32_t key = 0; key < keys_max && more.size() < 3000; ++key)
      if (chosen_against.home(key) < 1u << 14 && !rig.directory.find(key)) more.push_back(key);
    REQUIRE(more.size() == 3000);
    rig.put(more);
    keys.insert(keys.end(), more.begin(), more.end());
    INFO(keys.size() << " keys");
    CHECK(rig.steps_per_key(keys) <= 6.1);
    chosen_against.salt = ioasid::detail::Table::next_salt(chosen_against.salt);
  }
}

TEST_CASE("a look-up stays short when keys side by side come to a table that has room for them") {
  // For some of these the table is not made anew while the others come.
  const auto dense = GENERATE(10'000u, 10'500u, 11'000u, 11'500u, 12'000u, 12'500u, 13'000u);
  Rig rig;
  std::vector<std::uint32_t> keys = every(1, dense);
  rig.put(keys);
  const std::vector<std::uint32_t> more = every(10'946, keys_max);
  rig.put({more.begin() + 1000, more.begin() + 2000});
  keys.insert(keys.end(), more.begin() + 1000, more.begin() + 2000);
  INFO(dense << " dense keys");
  CHECK(rig.steps_per_key(keys) <= 6.1);
}

TEST_CASE("a look-up is short for keys at random while they come and go") {
  Rig rig;
  viosim::Rng random(5, "keys");
  std::vector<std::uint32_t> live;
  for (int step = 0; step < 60'000; ++step) {
    const auto key = static_cast<std::uint32_t>(random.below(keys_max));
    if (step % 3 == 2) {
      std::swap(live[random.below(live.size())], live.back());
      rig.directory.remove(rig.pool, live.back());
      live.pop_back();
    } else if (!rig.directory.find(key)) {
      rig.put({key});
      live.push_back(key);
    }
  }
  CHECK(rig.directory.size() == live.size());
  CHECK(rig.steps_per_key(live) <= 6.1);
}
