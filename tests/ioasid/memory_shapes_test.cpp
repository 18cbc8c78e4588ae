// What ids take from the heap, however they are spread, in whatever order they come and go.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "ioasid/space.hpp"
#include "tests/ioasid/heap.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace {

using ioasid::Ioasid;

// Bytes of all ids, the space itself included.
template <class Fill>
std::int64_t bytes_with(Fill&& fill) {
  const std::int64_t before = heap_bytes;
  ioasid::Space space;
  fill(space);
  return heap_bytes - before + std::int64_t{sizeof(space)};
}

// The same for each id.
template <class Fill>
double bytes_per_id(Fill&& fill) {
  std::size_t live = 0;
  const std::int64_t bytes = bytes_with([&](ioasid::Space& space) {
    fill(space);
    live = space.size();
  });
  return static_cast<double>(bytes) / static_cast<double>(live);
}

void take(ioasid::Space& space, Ioasid id) { space.alloc(nullptr, {id, id}, nullptr); }

std::vector<Ioasid> ids_at(Ioasid stride, std::size_t count) {
  std::vector<Ioasid> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<Ioasid>(i) * stride;
  return ids;
}

void shuffle(std::vector<Ioasid>& ids) {
  viosim::Rng random(1, "order");
  for (std::size_t left = ids.size(); left > 1; --left)
    std::swap(ids[left - 1], ids[random.below(left)]);
}

}  // namespace

TEST_CASE("a dense id takes at most 24 bytes of heap") {
  CHECK(bytes_per_id([](ioasid::Space& space) {
          for (int i = 0; i < 100'000; ++i) space.alloc(nullptr, {1, 0xffffffffu}, nullptr);
        }) <= 24.0);
}

TEST_CASE("dense ids take at most 24 bytes of heap each and 2 KB, and 24 from 340 ids on") {
  const std::int64_t before = heap_bytes;
  ioasid::Space space;
  for (std::int64_t count = 1; count <= 20'000; ++count) {
    space.alloc(nullptr, {1, 0xffffffffu}, nullptr);
    const std::int64_t bytes = heap_bytes - before + std::int64_t{sizeof(space)};
    if (bytes > 24 * count + 2048 || (count >= 340 && bytes > 24 * count))
      FAIL(bytes << " bytes with " << count << " ids");
  }
}

TEST_CASE("an id far from all others takes at most 64 bytes of heap") {
  const auto stride = GENERATE(64u, 100u, 4096u, 42'000u);
  CHECK(bytes_per_id([&](ioasid::Space& space) {
          for (const Ioasid id : ids_at(stride, 50'000)) take(space, id);
        }) <= 64.0);
}

TEST_CASE("any number of ids in each block takes at most 64 bytes of heap for each") {
  const auto each = GENERATE(range(1u, 65u));
  INFO(each << " in each 64");
  CHECK(bytes_per_id([&](ioasid::Space& space) {
          for (Ioasid i = 0; i < 2000 * each; ++i) take(space, i / each * 640 + i % each);
        }) <= 64.0);
}

TEST_CASE("ids that come in any order take at most 64 bytes of heap each, and 5.5 KB") {
  const auto count = GENERATE(1u, 5u, 20u, 50u, 100u, 1000u, 50'000u);
  const auto stride = GENERATE(1u, 20u, 64u, 42'000u);
  std::vector<Ioasid> ids = ids_at(stride, count);
  shuffle(ids);
  INFO(count << " ids, " << stride << " apart");
  CHECK(bytes_with([&](ioasid::Space& space) {
          for (const Ioasid id : ids) take(space, id);
        }) <= 64 * std::int64_t{count} + 5500);
}

namespace {

// One id in each block, then a second one in each but some, and so on: blocks grow, and the cells
// that they were in are not wanted any more.
std::vector<Ioasid> waves(std::uint32_t blocks, std::uint32_t waves, std::uint32_t but_each) {
  std::vector<Ioasid> ids;
  for (std::uint32_t wave = 0; wave < waves; ++wave)
    for (std::uint32_t block = 0; block < blocks; ++block)
      if (wave == 0 || but_each == 0 || block % but_each != 0) ids.push_back(block * 64 + wave);
  return ids;
}

// The most bytes for each beyond 5.5 KB, at any time.
double most_per_id(const std::vector<Ioasid>& ids) {
  double most = 0;
  const std::int64_t before = heap_bytes;
  ioasid::Space space;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    take(space, ids[i]);
    const std::int64_t bytes = heap_bytes - before + std::int64_t{sizeof(space)} - 5500;
    most = std::max(most, static_cast<double>(bytes) / static_cast<double>(i + 1));
  }
  return most;
}

}  // namespace

TEST_CASE("ids that come to all blocks in turn take at most 64 bytes of heap each at any time") {
  const auto blocks = GENERATE(1250u, 10'000u, 100'000u);
  const auto but_each = GENERATE(0u, 2u, 7u, 200u);
  const std::vector<Ioasid> ids = waves(blocks, 3, but_each);
  INFO(blocks << " blocks, more than one id in all but each " << but_each << "th");
  CHECK(most_per_id(ids) <= 64.0);
}

TEST_CASE("ids that come to all blocks at random take at most 64 bytes of heap each at any time") {
  const auto blocks = GENERATE(1250u, 10'000u, 100'000u);
  const auto each = GENERATE(1u, 2u, 3u, 5u);
  std::vector<Ioasid> ids = waves(blocks, each, 0);
  shuffle(ids);
  INFO(each << " ids in each of " << blocks << " blocks");
  CHECK(most_per_id(ids) <= 64.0);
}

TEST_CASE("what is left of many ids takes at most 110 bytes of heap each, and 12 KB") {
  const auto count = GENERATE(100u, 1000u, 20'000u, 200'000u);
  const auto stride = GENERATE(1u, 3u, 20u, 64u, 4096u);
  const auto share = GENERATE(2u, 5u, 16u, 64u, 256u);
  std::vector<Ioasid> ids = ids_at(stride, count);
  shuffle(ids);
  const std::size_t left = count / share;
  INFO(left << " of " << count << " ids, " << stride << " apart");
  const std::int64_t bytes = bytes_with([&](ioasid::Space& space) {
    for (const Ioasid id : ids) take(space, id);
    shuffle(ids);
    for (std::size_t i = left; i < ids.size(); ++i) space.free(ids[i]);
    for (std::size_t i = 0; i < left; ++i)
      if (!space.find(nullptr, ids[i])) FAIL("an id that was left is lost");
    if (space.size() != left) FAIL("ids stayed that were freed");
  });
  CHECK(bytes <= 110 * static_cast<std::int64_t>(left) + 12'000);
}

TEST_CASE("what is left of full blocks takes at most 110 bytes of heap each, and 12 KB") {
  const auto blocks = GENERATE(300u, 3000u, 20'000u);
  // Far apart, the summary has a word for each of them.
  const auto stride = GENERATE(64u, 128u, 640u, 4096u, 200'000u);
  const auto left = GENERATE(1u, 10u, 100u, 1000u, 10'000u);
  std::vector<Ioasid> ids;
  for (const Ioasid first : ids_at(stride, blocks))
    for (Ioasid i = 0; i < 64; ++i) ids.push_back(first + i);
  INFO(left << " of " << blocks << " full blocks, " << stride << " apart");
  const std::int64_t bytes = bytes_with([&](ioasid::Space& space) {
    for (const Ioasid id : ids) take(space, id);
    shuffle(ids);
    for (std::size_t i = left; i < ids.size(); ++i) space.free(ids[i]);
    if (space.size() != left) FAIL("ids stayed that were freed");
  });
  CHECK(bytes <= 110 * std::int64_t{left} + 12'000);
}

TEST_CASE("runs of full blocks that come and go leave a small summary") {
  const auto stride = GENERATE(64u, 4096u);
  std::int64_t largest = 0;
  bytes_with([&](ioasid::Space& space) {
    const std::int64_t before = heap_bytes;
    take(space, 7);
    for (Ioasid round = 0; round < 50; ++round) {
      // Each round elsewhere, so that the words of the one before are of no use.
      const Ioasid first = 64 + round * 100 * stride;
      for (Ioasid b = 0; b < 100; ++b)
        for (Ioasid i = 0; i < 64; ++i) take(space, first + b * stride + i);
      for (Ioasid b = 0; b < 100; ++b)
        for (Ioasid i = 64; i-- > 0;) space.free(first + b * stride + i);
      largest = std::max(largest, heap_bytes - before);
    }
  });
  CHECK(largest < 12'000);
}

TEST_CASE("ids are freed without memory to pack the rest, which is done later") {
  std::vector<Ioasid> ids = ids_at(64, 20'000);
  shuffle(ids);
  const std::size_t few = 100;
  const std::int64_t bytes = bytes_with([&](ioasid::Space& space) {
    for (const Ioasid id : ids) take(space, id);
    for (std::size_t i = ids.size(); i-- > few;) {
      // None while half of them go, then now and then a few.
      allocations_left = i > ids.size() / 2 ? 0 : static_cast<std::int64_t>(i % 40);
      const ioasid::Error error = space.free(ids[i]);
      allocations_left = -1;
      if (error != ioasid::Error::ok) FAIL("a free failed");
      if (i % 1000 != 0) continue;
      for (std::size_t left = 0; left < i; ++left)
        if (!space.find(nullptr, ids[left])) FAIL("an id that was left is lost");
    }
    take(space, 7);
    space.free(7);
    CHECK(space.size() == few);
  });
  CHECK(bytes <= 110 * static_cast<std::int64_t>(few) + 12'000);
}
