// The id map against a std::map, from a few ids to a million, dense and sparse.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/id_map.hpp"

#include "core/base/rng.hpp"
#include "tests/ioasid/crew.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

namespace {

using fakes::data;
using ioasid::Error;
using ioasid::Found;
using ioasid::Ioasid;
using ioasid::Range;
using ioasid::detail::IdMap;

// Lowest free id by looking at one after the other.
class Oracle {
 public:
  Ioasid insert_lowest(Range range, std::uintptr_t value) {
    std::uint64_t id = range.min;
    for (auto live = ids_.lower_bound(range.min); live != ids_.end() && live->first == id; ++live)
      ++id;
    if (id > range.max || id >= ioasid::invalid_ioasid) return ioasid::invalid_ioasid;
    ids_[static_cast<Ioasid>(id)] = value;
    return static_cast<Ioasid>(id);
  }
  bool insert(Ioasid id, std::uintptr_t value) { return ids_.try_emplace(id, value).second; }
  bool erase(Ioasid id) { return ids_.erase(id) != 0; }
  Found find(Ioasid id) const {
    const auto found = ids_.find(id);
    if (found == ids_.end()) return {ioasid::Error::enoent, nullptr};
    return {ioasid::Error::ok, data(found->second)};
  }
  const std::map<Ioasid, std::uintptr_t>& ids() const { return ids_; }

 private:
  std::map<Ioasid, std::uintptr_t> ids_;
};

struct Profile {
  const char* name;
  Ioasid base;
  std::uint64_t width;     // ids are drawn from [base, base + width)
  std::uint32_t stride;    // and rounded down to a multiple of it
  unsigned erase_percent;  // of the operations
  bool one_range;          // allocations all ask for [base, base + width)
};

void run(const Profile& profile, unsigned seed, int steps) {
  IdMap map;
  Oracle oracle;
  viosim::Rng random(seed, "ids");
  const auto top = static_cast<Ioasid>(profile.base + profile.width - 1);
  const auto draw = [&] {
    const std::uint64_t offset = random.next() % profile.width;
    return static_cast<Ioasid>(profile.base + offset - offset % profile.stride);
  };
  for (int step = 1; step <= steps; ++step) {
    const Ioasid id = draw();
    const auto value = static_cast<std::uintptr_t>(step) * 8;
    const unsigned dice = static_cast<unsigned>(random.next() % 100);
    if (dice < profile.erase_percent) {
      REQUIRE(map.erase(id) == oracle.erase(id));
    } else if (dice < 90 - profile.erase_percent / 4) {
      const Range range{profile.one_range ? profile.base : id, top};
      REQUIRE(map.insert_lowest(range, nullptr, data(value)) == oracle.insert_lowest(range, value));
    } else {
      REQUIRE(map.insert(id, nullptr, data(value)) == oracle.insert(id, value));
    }
    const Ioasid other = draw();
    REQUIRE(map.find(nullptr, other) == oracle.find(other));
    // Everything is in the set of nobody, so another set finds it, and not more, to be another's.
    const Error foreign = oracle.find(other) ? Error::eacces : Error::enoent;
    REQUIRE(map.find(&oracle, other).error == foreign);
    REQUIRE(map.size() == oracle.ids().size());
  }
  const std::vector<Ioasid> ids = map.ids(nullptr);
  REQUIRE(ids.size() == oracle.ids().size());
  std::size_t at = 0;
  for (const auto& [id, value] : oracle.ids()) {
    REQUIRE(ids[at++] == id);
    REQUIRE(map.find(nullptr, id) == oracle.find(id));
  }
  for (const Ioasid id : ids) REQUIRE(map.erase(id));
  REQUIRE(map.size() == 0);
  REQUIRE(map.bytes() < 1024);
}

}  // namespace

TEST_CASE("the id map agrees with a sorted map") {
  const auto profile =
      GENERATE(Profile{"one block", 0, 64, 1, 45, true}, Profile{"few blocks", 1, 300, 1, 46, true},
               Profile{"full", 1, 5000, 1, 20, true}, Profile{"many ranges", 0, 5000, 1, 40, false},
               Profile{"pasids", 0, 1 << 20, 1, 40, true},
               Profile{"at 2^20", (1 << 20) - 500, 1000, 1, 42, false},
               Profile{"at 2^31", (1u << 31) - 500, 1000, 1, 42, false},
               Profile{"at the end", 0xffffffffu - 300, 300, 1, 44, false},
               Profile{"far apart", 0, 1ull << 32, 4096, 30, false},
               Profile{"everywhere", 0, (1ull << 32) - 1, 1, 40, false},
               Profile{"side by side", 0, 1ull << 32, 700'544, 30, false},
               Profile{"half a block", 0, 1 << 16, 32, 45, false});
  const auto seed = GENERATE(range(1u, 4u));
  INFO(profile.name << " seed " << seed);
  run(profile, seed, 12'000);
}

// Tides: full blocks, blocks far apart and blocks whose keys would lie side by side come in runs and
// go in any order, so that tables are made anew for each reason there is while the others' remain.
TEST_CASE("the id map agrees with a sorted map while the tide comes and goes") {
  const auto seed = GENERATE(range(1u, 7u));
  constexpr std::array strides{1u, 64u, 96u, 4096u, 700'544u};
  viosim::Rng random(seed, "tides");
  IdMap map;
  Oracle oracle;
  for (std::uintptr_t tide = 1; tide <= 24; ++tide) {
    const Ioasid stride = strides[random.below(strides.size())];
    const auto first = static_cast<Ioasid>(random.below(1u << 20) * 64);
    const Ioasid count = 200 + static_cast<Ioasid>(random.below(3000));
    for (Ioasid n = 0; n < count; ++n) {
      const Ioasid id = first + n * stride;
      if (map.insert(id, nullptr, data(tide)) != oracle.insert(id, tide)) FAIL("inserted: " << id);
    }
    std::vector<Ioasid> ids = map.ids(nullptr);
    for (std::size_t left = ids.size(); left > 1; --left)
      std::swap(ids[left - 1], ids[random.below(left)]);
    if (tide % 3 == 0)
      ids.resize(ids.size() - ids.size() / (4u << random.below(8)));
    else
      ids.resize(ids.size() / 4);
    // Now and then a reader is in the way of what goes.
    std::optional<crew::Reader> reader;
    if (random.below(3) == 0) reader.emplace();
    for (const Ioasid id : ids)
      if (map.erase(id) != oracle.erase(id)) FAIL("erased: " << id);
    reader.reset();
    for (int look = 0; look < 200; ++look) {
      const auto id = static_cast<Ioasid>(first + random.below(count) * stride + random.below(3));
      if (map.find(nullptr, id) != oracle.find(id)) FAIL("found: " << id);
      const Ioasid given = map.insert_lowest({id, id + 200}, nullptr, data(tide));
      if (given != oracle.insert_lowest({id, id + 200}, tide)) FAIL("given: " << given);
    }
    REQUIRE(map.size() == oracle.ids().size());
    for (const auto& [id, value] : oracle.ids())
      if (map.find(nullptr, id) != Found{Error::ok, data(value)}) FAIL("lost: " << id);
    // What a reader was in the way of is made good by the next frees that empty a block.
    for (const Ioasid id : {~1u, ~1u - 64, ~1u - 128}) {
      if (!map.insert(id, nullptr, nullptr)) FAIL("the last ids are taken");
      map.erase(id);
    }
    map.flush();
    if (tide % 3 == 0) CHECK(map.bytes() <= 110 * map.size() + 12'000);
  }
}

TEST_CASE("the id map agrees with a sorted map in any short history") {
  CHECK(rc::check("id map", [] {
    using Step = std::tuple<int, Ioasid, Ioasid>;
    const auto steps =
        *rc::gen::scale(8.0, rc::gen::container<std::vector<Step>>(rc::gen::tuple(
                                 rc::gen::inRange(0, 6), rc::gen::inRange<Ioasid>(0, 200),
                                 rc::gen::inRange<Ioasid>(0, 200))));
    IdMap map;
    Oracle oracle;
    for (const auto& [kind, first, second] : steps) {
      const Range range{kind == 0 ? 0 : first, kind == 0 ? 400 : second};
      if (kind < 3)
        RC_ASSERT(map.insert_lowest(range, nullptr, data(8)) == oracle.insert_lowest(range, 8));
      else if (kind == 3)
        RC_ASSERT(map.insert(first, nullptr, data(16)) == oracle.insert(first, 16));
      else
        RC_ASSERT(map.erase(first) == oracle.erase(first));
      RC_ASSERT(map.find(nullptr, second) == oracle.find(second));
    }
  }));
}

TEST_CASE("a million live ids are found, and refilled lowest first") {
  constexpr Ioasid million = 1'000'000;
  IdMap map;
  for (Ioasid id = 0; id < million; ++id)
    REQUIRE(map.insert_lowest({0, 0xffffffffu}, nullptr, data(id + 1)) == id);
  for (Ioasid id = 0; id < million; id += 999) REQUIRE(map.find(nullptr, id).data == data(id + 1));
  viosim::Rng random(7, "ids");
  std::vector<Ioasid> freed;
  for (int i = 0; i < 10'000; ++i) {
    const auto id = static_cast<Ioasid>(random.next() % million);
    if (map.erase(id)) freed.push_back(id);
  }
  std::sort(freed.begin(), freed.end());
  for (const Ioasid id : freed)
    REQUIRE(map.insert_lowest({0, 0xffffffffu}, nullptr, data(1)) == id);
  REQUIRE(map.insert_lowest({0, million - 1}, nullptr, nullptr) == ioasid::invalid_ioasid);
  REQUIRE(map.insert_lowest({5, 0xffffffffu}, nullptr, nullptr) == million);
}

TEST_CASE("an id costs at most 24 bytes where ids are dense and 64 where they are not") {
  IdMap dense;
  for (Ioasid id = 0; id < 200'000; ++id) dense.insert_lowest({1, 0xffffffffu}, nullptr, nullptr);
  CHECK(static_cast<double>(dense.bytes()) / 200'000 <= 24.0);
  // One id in each block of 64, at every size, is the worst that can be built up.
  IdMap sparse;
  double worst = 0;
  for (Ioasid id = 0; id < 100'000; ++id) {
    sparse.insert(id * 4097, nullptr, nullptr);
    sparse.flush();
    if (id > 1000)
      worst = std::max(worst, static_cast<double>(sparse.bytes()) / static_cast<double>(id + 1));
  }
  CHECK(worst <= 64.0);
}

TEST_CASE("blocks that thin out keep an id below 64 bytes") {
  const auto left = GENERATE(range(1u, 64u));
  IdMap map;
  for (Ioasid id = 0; id < 64 * 2048; ++id) map.insert(id, nullptr, nullptr);
  for (Ioasid id = 0; id < 64 * 2048; ++id)
    if (id % 64 >= left) map.erase(id);
  map.flush();
  INFO(left << " ids left of each 64");
  CHECK(static_cast<double>(map.bytes()) / static_cast<double>(map.size()) <= 64.0);
}

namespace {

// Blocks of one id each, 2000 of them, beyond all others; freed in no order, as they lie in the
// slabs, so that what remains is moved to new slabs before any of the old ones is empty.
struct FarApart {
  static constexpr Ioasid first = 64 * 1000;
  static constexpr std::size_t count = 2000;

  explicit FarApart(IdMap& map) {
    for (Ioasid n = 0; n < count; ++n) ids.push_back(first + 64 * n);
    for (const Ioasid id : ids) map.insert(id, nullptr, data(id));
    viosim::Rng random(3, "order");
    for (std::size_t left = count; left > 1; --left)
      std::swap(ids[left - 1], ids[random.below(left)]);
  }
  void free_one(IdMap& map) {
    if (!map.erase(ids.back())) FAIL("lost: " << ids.back());
    ids.pop_back();
  }
  std::vector<Ioasid> ids;  // live
};

}  // namespace

TEST_CASE("full blocks that are moved because others went are as full as before") {
  IdMap map;
  for (Ioasid id = 0; id < 64 * 4; ++id) map.insert(id, nullptr, data(id + 1));
  // A run that ends elsewhere, so that the summary alone knows which blocks are full.
  map.insert_lowest({FarApart::first - 9, FarApart::first - 9}, nullptr, nullptr);
  FarApart far(map);
  while (far.ids.size() > FarApart::count / 8) far.free_one(map);
  map.flush();
  // Less than half of the cells that there were: without a move nearly all would be there.
  REQUIRE(map.bytes() < FarApart::count * ioasid::detail::NodePool::cell / 2);
  CHECK(map.insert_lowest({70, 64 * 4 - 1}, nullptr, nullptr) == ioasid::invalid_ioasid);
  CHECK(map.erase(130));
  map.insert_lowest({FarApart::first - 9, FarApart::first - 8}, nullptr, nullptr);
  CHECK(map.insert_lowest({0, 64 * 4 - 1}, nullptr, data(131)) == 130);
  for (Ioasid id = 0; id < 64 * 4; ++id)
    if (map.find(nullptr, id) != Found{Error::ok, data(id + 1)}) FAIL("lost or changed: " << id);
}

TEST_CASE("what moved stays where it was, too, while a reader may be on it", "[threads]") {
  IdMap map;
  FarApart far(map);
  bool moved = false;
  while (!moved && far.ids.size() > FarApart::count / 4) {
    const std::size_t before = map.bytes();
    const std::size_t live = far.ids.size();
    {
      const crew::Reader reader;
      for (int i = 0; i < 50; ++i) far.free_one(map);
      // A new cell beside each old one, and a note of the old one: 48 bytes. A smaller table beside
      // the old one, which may be there without a move, takes 24.
      moved = map.bytes() > before + live * 40;
    }
    map.flush();  // now what the reader was in the way of: the next round finds cells to move
    if (moved) CHECK(map.bytes() < before);
  }
  CHECK(moved);
  for (const Ioasid id : far.ids)
    if (map.find(nullptr, id) != Found{Error::ok, data(id)}) FAIL("lost or changed: " << id);
}
