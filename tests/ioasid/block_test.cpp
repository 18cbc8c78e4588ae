// Blocks in both forms, direct and compact: what a reader may see of a record.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/block.hpp"

#include "tests/ioasid/crew.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/support/catch.hpp"

#include <array>

using fakes::data;
using ioasid::Error;
using ioasid::Found;
using ioasid::detail::Block;
using ioasid::detail::NodePool;

namespace {

constexpr std::array<char, 3> sets{};

struct Rig {
  explicit Rig(std::uint32_t capacity) : block(*Block::make(pool, capacity)) {}
  ~Rig() { Block::release(pool, &block); }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;
  Found find(ioasid::SetToken set, std::uint32_t offset) const {
    return block.direct() ? block.find_direct(set, offset) : block.find_compact(set, offset);
  }
  NodePool pool;
  Block& block;
};

}  // namespace

TEST_CASE("an id that is not there is unknown, not another set's") {
  const Rig rig(GENERATE(1u, 3u, 7u, 15u, 31u, 64u));
  CHECK(rig.find(&sets[1], 5).error == Error::enoent);
  rig.block.publish(5, &sets[0], data(1));
  CHECK(rig.find(&sets[1], 5).error == Error::eacces);
  CHECK(rig.find(&sets[0], 5) == Found{Error::ok, data(1)});
  CHECK(rig.find(&sets[1], 6).error == Error::enoent);
  CHECK(rig.find(nullptr, 6).error == Error::enoent);
  rig.block.remove(5);
  CHECK(rig.find(&sets[1], 5).error == Error::enoent);
}

TEST_CASE("a record is read whole while a writer replaces it as fast as it can", "[threads]") {
  // No lock, nothing but stores between one owner and the next: whatever a reader can get between
  // its two loads, it gets here.
  Rig rig(GENERATE(3u, 64u));
  std::atomic<bool> mixed{false};
  std::atomic<std::uint64_t> found{0};
  const auto writer = [&](unsigned) {
    for (int i = 0; i < 1000; ++i)
      for (std::size_t owner = 1; owner < sets.size(); ++owner) {
        rig.block.publish(9, &sets[owner], data(owner));
        rig.block.remove(9);
      }
  };
  const auto reader = [&](std::size_t owner) {
    return [&, owner](unsigned) {
      std::uint64_t mine = 0;
      for (int i = 0; i < 1000; ++i) {
        const Found seen = rig.find(&sets[owner], 9);
        if (!seen) continue;
        ++mine;
        if (seen.data != data(owner)) mixed = true;
      }
      found += mine;
    };
  };
  crew::work({writer, reader(1), reader(2)});
  CHECK_FALSE(mixed);
  CHECK(found != 0);
}
