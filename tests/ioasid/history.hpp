// Histories of operations on a space, drawn so that little of them is in vain.
// SPDX-License-Identifier: Apache-2.0
//
// What lives is not known when an operation is drawn. So it says what kind of number it is about,
// and which one that is comes out when its turn is there (step_of).
#pragma once

#include "ioasid/space.hpp"
#include "tests/ioasid/fakes.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace history {

using ioasid::Ioasid;
using ioasid::Range;

enum class Kind {
  alloc,
  alloc_wide,
  free,
  free_all,
  find,
  find_and_take,    // with a getter that says yes
  find_and_refuse,  // with one that says no
  list,
  set_data,
  enlist,
  dismiss,
  dismiss_all
};
constexpr std::array kind_names{"alloc",         "alloc_wide",      "free", "free_all", "find",
                                "find_and_take", "find_and_refuse", "list", "set_data", "enlist",
                                "dismiss",       "dismiss_all"};

// What a custom allocator's helper answers.
enum class Answer { in_range, outside, live, none };
constexpr std::array answer_names{"in_range", "outside", "live", "none"};

struct Op {
  Kind kind;
  Ioasid id;
  std::uint32_t span;  // of the range that begins at id
  bool stray;          // about id, whether it lives or not
  std::uint32_t pick;  // else: which of the live ones
  Answer answer;
  int allocator;
  int set;
  std::uint32_t token;
};

inline std::ostream& operator<<(std::ostream& out, const Op& op) {
  return out << kind_names[static_cast<std::size_t>(op.kind)] << " id=" << op.id
             << " span=" << op.span << (op.stray ? " stray" : "") << " pick=" << op.pick
             << " answer=" << answer_names[static_cast<std::size_t>(op.answer)]
             << " allocator=" << op.allocator << " set=" << op.set << " token=" << op.token;
}

inline rc::Gen<Op> ops(const rc::Gen<Kind>& kind) {
  namespace gen = rc::gen;
  const auto base = gen::element<Ioasid>(0, 60, 1u << 20, 1u << 31, 0xffffffffu - 70);
  const auto id = gen::apply([](Ioasid b, Ioasid offset) { return b + offset; }, base,
                             gen::inRange<Ioasid>(0, 71));
  const auto answer = gen::weightedElement<Answer>(
      {{7, Answer::in_range}, {2, Answer::outside}, {2, Answer::live}, {1, Answer::none}});
  return gen::build<Op>(gen::set(&Op::kind, kind), gen::set(&Op::id, id),
                        gen::set(&Op::span, gen::inRange<std::uint32_t>(0, 80)),
                        gen::set(&Op::stray, gen::weightedElement<bool>({{4, false}, {1, true}})),
                        gen::set(&Op::pick, gen::inRange<std::uint32_t>(0, 1000)),
                        gen::set(&Op::answer, answer),
                        gen::set(&Op::allocator, gen::element(0, 0, 1, 1, 2, 2, 3, 4, 5)),
                        gen::set(&Op::set, gen::inRange(0, 3)),
                        gen::set(&Op::token, gen::inRange<std::uint32_t>(0, 9)));
}

// Two of three begin with allocators that register; else the default has ids soon, and none can.
inline rc::Gen<std::vector<Op>> beginnings() {
  namespace gen = rc::gen;
  const auto some = gen::container<std::vector<Op>>(5, ops(gen::just(Kind::enlist)));
  return gen::weightedOneOf<std::vector<Op>>({{1, gen::just(std::vector<Op>())}, {2, some}});
}

inline rc::Gen<std::vector<Op>> histories() {
  const auto kind = rc::gen::weightedElement<Kind>({{8, Kind::alloc},
                                                    {4, Kind::alloc_wide},
                                                    {7, Kind::free},
                                                    {2, Kind::free_all},
                                                    {2, Kind::find},
                                                    {1, Kind::find_and_take},
                                                    {1, Kind::find_and_refuse},
                                                    {1, Kind::list},
                                                    {2, Kind::set_data},
                                                    {6, Kind::enlist},
                                                    {6, Kind::dismiss},
                                                    {1, Kind::dismiss_all}});
  return rc::gen::container<std::vector<Op>>(ops(kind));
}

// An operation, and the numbers it is about.
struct Step {
  Op op;
  Ioasid id;
  Range range;
  Ioasid given;  // by a helper that is asked
};

inline Ioasid outside_of(Range range, bool below) {
  if (range.min > 0 && (below || range.max >= ioasid::invalid_ioasid - 1)) return range.min - 1;
  return range.max >= ioasid::invalid_ioasid - 1 ? ioasid::invalid_ioasid : range.max + 1;
}

inline Ioasid answer_to(const Op& op, Range range, Ioasid live) {
  switch (op.answer) {
    case Answer::in_range:
      return op.id + op.span / 2;
    case Answer::outside:
      return outside_of(range, op.pick % 2 == 0);
    case Answer::live:
      return live;
    case Answer::none:
      break;
  }
  return ioasid::invalid_ioasid;
}

inline Step step_of(const Op& op, const std::vector<Ioasid>& live) {
  const Ioasid one = live.empty() ? op.id : live[op.pick % live.size()];
  const std::uint64_t max = std::uint64_t{op.id} + op.span - 1;  // span 0: an inverted range
  Range range{op.id, static_cast<Ioasid>(std::min<std::uint64_t>(max, ioasid::invalid_ioasid))};
  if (op.kind == Kind::alloc_wide) range = {op.id - op.id % 60, ioasid::invalid_ioasid};
  return {op, op.stray ? op.id : one, range, answer_to(op, range, one)};
}

// Six allocators on three helper objects, mixed: 0, 1 and 2 share; 3 has another free helper; 4
// another alloc helper; 5 stands alone.
struct Backends {
  std::array<fakes::Scripted, 3> helpers;
  std::array<ioasid::AllocatorOps, 6> allocators{{
      {&helpers[0], &helpers[0], fakes::data(10)},
      {&helpers[0], &helpers[0], fakes::data(11)},
      {&helpers[0], &helpers[0], fakes::data(12)},
      {&helpers[0], &helpers[1], fakes::data(13)},
      {&helpers[1], &helpers[0], fakes::data(14)},
      {&helpers[2], &helpers[2], fakes::data(15)},
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

// What an operation answered: its one answer, and the lists it filled.
struct Outcome {
  std::uint64_t value = 0;
  std::vector<Ioasid> ids;
  std::vector<void*> shown;  // to the getter, call by call
  bool operator==(const Outcome&) const = default;
};

inline constexpr std::array<char, 3> sets{};
inline ioasid::SetToken set_of(int set) {
  return set == 0 ? nullptr : &sets[static_cast<std::size_t>(set)];
}

inline std::uint64_t number_of(ioasid::Error error) { return static_cast<std::uint64_t>(error); }
inline std::uint64_t number_of(ioasid::Found found) {
  return number_of(found.error) ^ reinterpret_cast<std::uintptr_t>(found.data);
}

template <class Space>
Outcome find_by_getter(Space& space, const Step& step, bool answer) {
  Outcome outcome;
  outcome.value = number_of(space.find(set_of(step.op.set), step.id, [&](void* data) {
    outcome.shown.push_back(data);
    return answer;
  }));
  return outcome;
}

template <class Space>
Outcome free_all(Space& space) {
  Outcome outcome{0, space.ids(nullptr), {}};
  for (const Ioasid id : outcome.ids) outcome.value += space.free(id) != ioasid::Error::ok;
  return outcome;
}

// Orphans are put behind what is in the list.
template <class Space>
Outcome dismiss(Space& space, std::span<const ioasid::AllocatorOps> allocators) {
  Outcome outcome{0, {ioasid::invalid_ioasid}, {}};
  for (const ioasid::AllocatorOps& allocator : allocators)
    outcome.value =
        outcome.value * 31 + number_of(space.unregister_allocator(allocator, &outcome.ids));
  return outcome;
}

template <class Space>
Outcome apply(Space& space, Backends& backends, const Step& step) {
  const Op& op = step.op;
  const auto& allocator = backends.allocators[static_cast<std::size_t>(op.allocator)];
  switch (op.kind) {
    case Kind::alloc:
    case Kind::alloc_wide:
      backends.prepare(step.given);
      return {space.alloc(set_of(op.set), step.range, fakes::data(op.token)), {}, {}};
    case Kind::free:
      return {number_of(space.free(step.id)), {}, {}};
    case Kind::free_all:
      return free_all(space);
    case Kind::find:
      return {number_of(space.find(set_of(op.set), step.id)), {}, {}};
    case Kind::find_and_take:
    case Kind::find_and_refuse:
      return find_by_getter(space, step, op.kind == Kind::find_and_take);
    case Kind::list:
      return {0, space.ids(set_of(op.set)), {}};
    case Kind::set_data:
      return {number_of(space.set_data(step.id, fakes::data(op.token))), {}, {}};
    case Kind::enlist:
      return {number_of(space.register_allocator(allocator)), {}, {}};
    case Kind::dismiss:
      return dismiss(space, std::span(&allocator, 1));
    case Kind::dismiss_all:
      return dismiss(space, std::span(backends.allocators));
  }
  return {};
}

}  // namespace history
