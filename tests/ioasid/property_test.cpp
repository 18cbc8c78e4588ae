// Whatever is done to it, the space answers as the naive one does.
// SPDX-License-Identifier: Apache-2.0
#include "tests/ioasid/fakes.hpp"
#include "tests/ioasid/naive_space.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <utility>

namespace {

using fakes::data;
using ioasid::Ioasid;
using ioasid::Range;

enum class Kind { alloc, alloc_wide, free, find, set_data, enlist, dismiss };

struct Op {
  Kind kind;
  Ioasid id;
  std::uint32_t span;  // of the range that begins at id
  int which;           // allocator, or set
  std::uint32_t token;
};

std::ostream& operator<<(std::ostream& out, const Op& op) {
  static constexpr std::array names{"alloc",    "alloc_wide", "free",   "find",
                                    "set_data", "enlist",     "dismiss"};
  return out << names[static_cast<std::size_t>(op.kind)] << " id=" << op.id << " span=" << op.span
             << " which=" << op.which << " token=" << op.token;
}

}  // namespace

namespace rc {
template <>
struct Arbitrary<Op> {
  static Gen<Op> arbitrary() {
    const auto base = gen::element<Ioasid>(0, 60, 1u << 20, 1u << 31, 0xffffffffu - 70);
    const auto id = gen::apply([](Ioasid b, Ioasid offset) { return b + offset; }, base,
                               gen::inRange<Ioasid>(0, 71));
    const auto kind = gen::weightedElement<Kind>({{8, Kind::alloc},
                                                  {6, Kind::alloc_wide},
                                                  {6, Kind::free},
                                                  {5, Kind::find},
                                                  {2, Kind::set_data},
                                                  {2, Kind::enlist},
                                                  {2, Kind::dismiss}});
    return gen::build<Op>(gen::set(&Op::kind, kind), gen::set(&Op::id, id),
                          gen::set(&Op::span, gen::inRange<std::uint32_t>(0, 80)),
                          gen::set(&Op::which, gen::inRange(0, 6)),
                          gen::set(&Op::token, gen::inRange<std::uint32_t>(0, 9)));
  }
};
}  // namespace rc

namespace {

// Six allocators on three helper objects, mixed: 0, 1 and 2 share; 3 has another free helper; 4
// another alloc helper; 5 stands alone.
struct Backends {
  std::array<fakes::Scripted, 3> helpers;
  std::array<ioasid::AllocatorOps, 6> allocators{{
      {&helpers[0], &helpers[0], data(10)},
      {&helpers[0], &helpers[0], data(11)},
      {&helpers[0], &helpers[0], data(12)},
      {&helpers[0], &helpers[1], data(13)},
      {&helpers[1], &helpers[0], data(14)},
      {&helpers[2], &helpers[2], data(15)},
  }};
  void prepare(Ioasid next) {
    for (fakes::Scripted& helper : helpers) helper.next = next;
  }
  std::vector<std::string> take() {
    std::vector<std::string> all;
    for (fakes::Scripted& helper : helpers)
      for (std::string& call : helper.take()) all.push_back(std::move(call));
    return all;
  }
};

constexpr std::array<char, 3> sets{};
ioasid::SetToken set_of(int which) {
  return which % 3 == 0 ? nullptr : &sets[static_cast<std::size_t>(which % 3)];
}

// What an operation answered, in one number.
template <class Space>
std::uint64_t apply(Space& space, Backends& backends, const Op& op) {
  const auto& allocator = backends.allocators[static_cast<std::size_t>(op.which)];
  switch (op.kind) {
    case Kind::alloc:
    case Kind::alloc_wide: {
      backends.prepare(op.id + op.span / 2);
      const std::uint64_t max = std::uint64_t{op.id} + op.span - 1;  // span 0: an inverted range
      const Range narrow{op.id, static_cast<Ioasid>(std::min<std::uint64_t>(max, 0xffffffffu))};
      const Range range = op.kind == Kind::alloc ? narrow : Range{op.id - op.id % 60, 0xffffffffu};
      return space.alloc(set_of(op.which), range, data(op.token));
    }
    case Kind::free:
      return static_cast<std::uint64_t>(space.free(op.id));
    case Kind::find: {
      const ioasid::Found found = space.find(set_of(op.which), op.id);
      return static_cast<std::uint64_t>(found.error) ^ reinterpret_cast<std::uintptr_t>(found.data);
    }
    case Kind::set_data:
      return static_cast<std::uint64_t>(space.set_data(op.id, data(op.token)));
    case Kind::enlist:
      return static_cast<std::uint64_t>(space.register_allocator(allocator));
    case Kind::dismiss:
      return static_cast<std::uint64_t>(space.unregister_allocator(allocator));
  }
  return 0;
}

bool agree(ioasid::SpaceOptions options, const std::vector<Op>& ops) {
  fakes::Log log;
  Backends real_backends;
  Backends naive_backends;
  naive::Space naive_space(options);
  options.listener = &log;
  ioasid::Space space(options);
  for (const Op& op : ops) {
    RC_ASSERT(apply(space, real_backends, op) == apply(naive_space, naive_backends, op));
    RC_ASSERT(real_backends.take() == naive_backends.take());
    RC_ASSERT(log.take() == std::exchange(naive_space.log, {}));
  }
  RC_ASSERT(space.ids() == naive_space.ids());
  RC_ASSERT(space.size() == naive_space.ids().size());
  return true;
}

bool holds(const char* what, ioasid::SpaceOptions options) {
  return rc::check(what, [options] {
    const auto ops = *rc::gen::scale(4.0, rc::gen::arbitrary<std::vector<Op>>());
    return agree(options, ops);
  });
}

}  // namespace

TEST_CASE("any history agrees with the naive space, as Linux 6.1") {
  CHECK(holds("linux_6_1", {.behaviour = ioasid::Behaviour::linux_6_1}));
}

TEST_CASE("any history agrees with the naive space, corrected") {
  CHECK(holds("corrected", {.behaviour = ioasid::Behaviour::corrected}));
}

TEST_CASE("any history agrees with the naive space under each policy") {
  for (const auto behaviour : {ioasid::Behaviour::linux_6_1, ioasid::Behaviour::corrected}) {
    CHECK(holds("enforce_range", {.behaviour = behaviour, .enforce_range = true}));
    CHECK(holds("keep_live", {.behaviour = behaviour, .keep_live_on_duplicate = true}));
    CHECK(holds("beside", {.behaviour = behaviour, .track_beside_live = true}));
    CHECK(holds("refuse", {.behaviour = behaviour, .refuse_unregister_with_live_ids = true}));
    CHECK(holds("all", {.behaviour = behaviour,
                        .enforce_range = true,
                        .keep_live_on_duplicate = true,
                        .track_beside_live = true,
                        .refuse_unregister_with_live_ids = true}));
  }
}
