// A space with a million live ids against a bitmap and a table, wherever the ids are.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "ioasid/space.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace {

using fakes::data;
using ioasid::Behaviour;
using ioasid::Error;
using ioasid::Found;
using ioasid::invalid_ioasid;
using ioasid::Ioasid;
using ioasid::Range;
using ioasid::SetToken;

#ifdef VIOSIM_SANITIZED
constexpr std::uint32_t million = 50'000;  // ten times as slow, and more
#else
constexpr std::uint32_t million = 1'000'000;
#endif

constexpr std::array<char, 4> sets{};
SetToken set_of(std::uint64_t n) { return n % 4 == 0 ? nullptr : &sets[n % 4]; }

// The ids from base on, a million of them, one bit and one record each.
class Plain {
 public:
  explicit Plain(Ioasid base) : base_(base), live_(million / 64 + 1), records_(million) {}

  bool live(Ioasid id) const { return (live_[at(id) / 64] >> at(id) % 64 & 1) != 0; }
  // invalid_ioasid: there is none.
  Ioasid lowest_free(Range range) const {
    std::uint32_t i = at(range.min);
    while (i <= at(range.max)) {
      const int run = std::countr_one(live_[i / 64] >> i % 64);
      if (run == 0) return base_ + i;
      i += static_cast<std::uint32_t>(run);
    }
    return invalid_ioasid;
  }
  Found find(SetToken set, Ioasid id) const {
    if (!live(id)) return {Error::enoent, nullptr};
    const Record& record = records_[at(id)];
    if (set != nullptr && set != record.set) return {Error::eacces, nullptr};
    return {Error::ok, record.data};
  }
  void put(Ioasid id, SetToken set, void* value) {
    live_[at(id) / 64] |= std::uint64_t{1} << at(id) % 64;
    records_[at(id)] = {set, value};
    ++size_;
  }
  void remove(Ioasid id) {
    live_[at(id) / 64] &= ~(std::uint64_t{1} << at(id) % 64);
    --size_;
  }
  std::size_t size() const { return size_; }

 private:
  struct Record {
    SetToken set;
    void* data;
  };
  std::uint32_t at(Ioasid id) const { return id - base_; }

  Ioasid base_;
  std::vector<std::uint64_t> live_;
  std::vector<Record> records_;
  std::size_t size_ = 0;
};

// Gives what it is told to.
class Told final : public ioasid::Backend {
 public:
  Ioasid alloc(Range, void*) override { return next; }
  void free(Ioasid id, void*) override { freed = id; }
  Ioasid next = invalid_ioasid;
  Ioasid freed = invalid_ioasid;
};

void must(bool right, const char* what, Ioasid id) {
  if (!right) FAIL(what << ", id " << id);
}

// A space, and what it has to answer.
class Pair {
 public:
  Pair(Behaviour behaviour, bool custom, Ioasid base)
      : space_({.behaviour = behaviour}), plain_(base), base_(base), custom_(custom) {
    if (custom) REQUIRE(space_.register_allocator(ops_) == Error::ok);
  }

  Ioasid any() { return any({base_, base_ + (million - 1)}); }
  Ioasid any(Range range) {
    return range.min + static_cast<Ioasid>(random_.below(range.max - range.min + 1));
  }
  Range any_range(std::uint32_t most) {
    const Ioasid min = any();
    const auto width = static_cast<std::uint32_t>(random_.below(most));
    return {min, min + std::min(width, base_ + (million - 1) - min)};
  }

  // The default gives the lowest that is free; the custom one does here, too, or gives one that
  // lives, which is refused, and taken back. False: none is free.
  bool alloc(Range range) {
    const Ioasid free = plain_.lowest_free(range);
    const Ioasid live = custom_ && random_.below(8) == 0 ? any() : free;
    const bool refused = live == invalid_ioasid || plain_.live(live);
    told_ = {};
    told_.next = live;
    const SetToken set = set_of(random_.next());
    void* const value = data(random_.next());
    const Ioasid given = space_.alloc(set, range, value);
    must(given == (refused ? invalid_ioasid : live), "given", given);
    must(told_.freed == (refused && custom_ ? live : invalid_ioasid), "taken back", told_.freed);
    if (!refused) plain_.put(given, set, value);
    return free != invalid_ioasid;
  }
  void fill(Range range) {
    while (alloc(range)) {
    }
  }
  void free(Ioasid id) {
    const bool live = plain_.live(id);
    told_ = {};
    must(space_.free(id) == (live ? Error::ok : Error::enoent), "freed", id);
    must(told_.freed == (live && custom_ ? id : invalid_ioasid), "told of a free", id);
    if (live) plain_.remove(id);
  }
  void free_some(Range range, std::uint64_t percent) {
    for (std::uint64_t id = range.min; id <= range.max; ++id)
      if (random_.below(100) < percent) free(static_cast<Ioasid>(id));
  }
  // With any set: its own or another.
  void find(Ioasid id) {
    const SetToken set = set_of(random_.next());
    must(space_.find(set, id) == plain_.find(set, id), "found", id);
  }
  void compare_all() {
    CHECK(space_.size() == plain_.size());
    std::vector<Ioasid> ids;
    for (std::uint32_t i = 0; i < million; ++i) {
      if (plain_.live(base_ + i)) ids.push_back(base_ + i);
      find(base_ + i);
    }
    CHECK((space_.ids() == ids));
  }
  ioasid::Space& space() { return space_; }
  viosim::Rng& random() { return random_; }

 private:
  Told told_;
  ioasid::AllocatorOps ops_{&told_, &told_, nullptr};
  ioasid::Space space_;
  Plain plain_;
  Ioasid base_;
  bool custom_;
  viosim::Rng random_{11, "million"};
};

// Range by range, in no order; each is filled, and refuses one more.
void fill_up(Pair& pair, Ioasid base) {
  constexpr std::uint32_t width = 1000;
  std::vector<Range> ranges;
  for (std::uint32_t i = 0; i < million; i += width)
    ranges.push_back({base + i, base + std::min(i + width, million) - 1});
  for (std::size_t left = ranges.size(); left > 1; --left)
    std::swap(ranges[left - 1], ranges[pair.random().below(left)]);
  for (const Range range : ranges) pair.fill(range);
}

// Frees and allocations close to one another: holes before, behind and inside of what is asked for.
void stir(Pair& pair, Range range) {
  for (int i = 0; i < 500; ++i) {
    pair.free(pair.any(range));
    pair.alloc({pair.any(range), range.max});
    pair.find(pair.any(range));
  }
}

}  // namespace

TEST_CASE("a space with a million live ids answers as a bitmap and a table do") {
  const auto behaviour = GENERATE(Behaviour::linux_6_1, Behaviour::corrected);
  const auto custom = GENERATE(false, true);
  const auto base = GENERATE(0u, 1u << 20, 1u << 31, 0xffffffffu - million);
  INFO((behaviour == Behaviour::linux_6_1 ? "linux_6_1" : "corrected")
       << (custom ? ", custom" : ", default") << ", from " << base);
  Pair pair(behaviour, custom, base);
  fill_up(pair, base);
  REQUIRE(pair.space().size() == million);
  pair.alloc({base, base + (million - 1)});
  for (int round = 0; round < 50; ++round) {
    const Range range = pair.any_range(3000);
    pair.free_some(range, round % 2 == 0 ? 100 : 40);
    for (int i = 0; i < 1000; ++i) pair.free(pair.any());
    for (int i = 0; i < 500; ++i) pair.alloc(pair.any_range(i % 10 == 0 ? million : 300));
    for (int i = 0; i < 1000; ++i) pair.find(pair.any());
    if (round % 3 == 0) pair.fill(range);
    stir(pair, pair.any_range(200));
  }
  pair.compare_all();
  fill_up(pair, base);
  CHECK(pair.space().size() == million);
}
