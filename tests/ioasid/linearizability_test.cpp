// Every concurrent history has an order in which a sequential allocator gives the same answers.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "ioasid/backends.hpp"
#include "ioasid/space.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <compare>
#include <cstdint>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using fakes::data;
using ioasid::Error;
using ioasid::invalid_ioasid;
using ioasid::Ioasid;

constexpr unsigned threads = 3;
constexpr unsigned ops_per_thread = 5;
constexpr Ioasid ids = 4;

enum class Kind { alloc, free, find, set_data };

// An operation, when it was called and answered, and the answer. The four ids are numbered 0 to 3
// here, whatever they are in the space.
struct Event {
  Kind kind;
  Ioasid id;     // the lowest of the range for alloc
  Ioasid last;   // the highest
  unsigned set;  // 1 or 2; for find also 0, which is any; else unused
  std::uintptr_t token;
  std::uint64_t called = 0;
  std::uint64_t answered = 0;
  std::uint64_t answer = 0;
};
using History = std::vector<Event>;

constexpr std::uint64_t of_another_set = ~std::uint64_t{0};  // what find answers then
constexpr std::array<char, 3> sets{};
ioasid::SetToken set_of(const Event& event) { return event.set == 0 ? nullptr : &sets[event.set]; }

// Where in the space the four ids are, and what is beside them: that decides of which kind their
// blocks are, and how these change with each id.
struct Layout {
  std::string name;
  std::array<Ioasid, ids> numbers;  // ascending
  // None is free between them, so that the lowest free id of a range is one of them.
  bool together;
  std::vector<Ioasid> others{};  // live from the beginning to the end
  bool custom = false;           // the ids come from a backend, and are recorded

  Ioasid index_of(Ioasid number) const {
    const auto* const at = std::find(numbers.begin(), numbers.end(), number);
    return at == numbers.end() ? invalid_ioasid : static_cast<Ioasid>(at - numbers.begin());
  }
};

std::vector<Ioasid> up_to(Ioasid first, Ioasid count) {
  std::vector<Ioasid> numbers(count);
  for (Ioasid i = 0; i < count; ++i) numbers[i] = first + i;
  return numbers;
}

Layout draw_layout(viosim::Rng& random) {
  const auto any = [&](Ioasid bound) { return static_cast<Ioasid>(random.next() % bound); };
  constexpr Ioasid last = invalid_ioasid - 1;
  // Blocks of 1, 3, 7, 15, 31 and 64 records, and the steps between them.
  static constexpr std::array<Ioasid, 8> sizes{0, 2, 5, 12, 14, 28, 30, 60};
  Layout layout;
  switch (any(6)) {
    case 0: {
      const Ioasid size = sizes[any(sizes.size())];
      layout = {"one block beside " + std::to_string(size), {0, 1, 2, 3}, true, up_to(4, size)};
      break;
    }
    case 1:
      layout = {"a direct block", {0, 1, 2, 3}, true, up_to(4, 40)};
      break;
    case 2:
      layout = {
          "the end of a block that fills, and the next", {62, 63, 64, 65}, true, up_to(0, 62)};
      break;
    case 3:
      layout = {"the last ids", {last - 3, last - 2, last - 1, last}, true, up_to(last - 20, 17)};
      break;
    case 4: {  // blocks that come and go, and with them the table of blocks
      const Ioasid blocks = any(40);
      layout = {
          "a block each, beside " + std::to_string(blocks), {7, 700, 70'000, 3'000'000'000}, false};
      for (Ioasid i = 0; i < blocks; ++i) layout.others.push_back((i + 1) * 100'000);
      break;
    }
    default:  // blocks that grow and shrink with each id
      layout = {"a block each, beside one other id in it",
                {7, 700, 70'000, 3'000'000'000},
                false,
                {8, 701, 70'001, 3'000'000'001}};
  }
  layout.custom = any(2) == 0;
  if (layout.custom) layout.name += ", of a backend";
  return layout;
}

// A space, and a backend that it may have, laid out.
struct Place {
  explicit Place(Layout drawn) : layout(std::move(drawn)) {
    if (layout.custom) static_cast<void>(space.register_allocator(ops));
    for (const Ioasid id : layout.others) static_cast<void>(space.alloc(this, {id, id}, this));
  }
  ioasid::DefaultBackend backend;
  ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  Layout layout;
  ioasid::Space space;
};

void perform(Place& place, Event& event, std::atomic<std::uint64_t>& clock) {
  const Ioasid id = place.layout.numbers[event.id];
  event.called = clock.fetch_add(1);
  switch (event.kind) {
    case Kind::alloc:
      event.answer = place.layout.index_of(place.space.alloc(
          set_of(event), {id, place.layout.numbers[event.last]}, data(event.token)));
      break;
    case Kind::free:
      event.answer = place.space.free(id) == Error::ok ? 1 : 0;
      break;
    case Kind::find: {
      const ioasid::Found found = place.space.find(set_of(event), id);
      event.answer = found.error == Error::eacces ? of_another_set
                                                  : reinterpret_cast<std::uintptr_t>(found.data);
      break;
    }
    case Kind::set_data:
      event.answer = place.space.set_data(id, data(event.token)) == Error::ok ? 1 : 0;
      break;
  }
  event.answered = clock.fetch_add(1);
}

// The sequential allocator: the token and the set of each id, 0 for a free one.
struct Owner {
  std::uintptr_t token = 0;
  unsigned set = 0;
  auto operator<=>(const Owner&) const = default;
};
using State = std::array<Owner, ids>;

bool step(State& state, const Event& event) {
  switch (event.kind) {
    case Kind::alloc:
      for (Ioasid id = event.id; id <= event.last; ++id)
        if (state[id].token == 0) {
          state[id] = {event.token, event.set};
          return event.answer == id;
        }
      return event.answer == invalid_ioasid;
    case Kind::free:
      return event.answer == (std::exchange(state[event.id], {}).token != 0 ? 1u : 0u);
    case Kind::find: {
      const Owner& owner = state[event.id];
      const bool refused = owner.token != 0 && event.set != 0 && event.set != owner.set;
      return event.answer == (refused ? of_another_set : owner.token);
    }
    case Kind::set_data:
      if (state[event.id].token == 0) return event.answer == 0;
      state[event.id].token = event.token;
      return event.answer == 1;
  }
  return false;
}

// Depth-first search for an order that respects who answered before whom was called.
class Search {
 public:
  explicit Search(const History& history) : history_(history) {}
  bool succeeds() { return from(0, State{}); }

 private:
  bool from(std::uint32_t done, const State& state) {
    if (done == (1u << history_.size()) - 1) return true;
    if (!visited_.insert({done, state}).second) return false;
    std::uint64_t first_answer = ~std::uint64_t{0};
    for (std::size_t i = 0; i < history_.size(); ++i)
      if ((done >> i & 1) == 0) first_answer = std::min(first_answer, history_[i].answered);
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if ((done >> i & 1) != 0 || history_[i].called > first_answer) continue;
      State next = state;
      if (step(next, history_[i]) && from(done | 1u << i, next)) return true;
    }
    return false;
  }
  const History& history_;
  std::set<std::pair<std::uint32_t, State>> visited_;
};

std::string describe(const History& history) {
  static constexpr std::array names{"alloc", "free", "find", "set_data"};
  std::ostringstream out;
  for (const Event& e : history)
    out << e.called << ".." << e.answered << " " << names[static_cast<std::size_t>(e.kind)] << " "
        << e.id << ".." << e.last << " set " << e.set << " token " << e.token << " -> " << e.answer
        << "\n";
  return out.str();
}

std::vector<Event> draw(viosim::Rng& random, unsigned thread, const Layout& layout) {
  std::vector<Event> events;
  for (unsigned i = 0; i < ops_per_thread; ++i) {
    static constexpr std::array kinds{Kind::alloc, Kind::alloc, Kind::free,
                                      Kind::free,  Kind::find,  Kind::set_data};
    const Kind kind = kinds[random.next() % kinds.size()];
    const auto id = static_cast<Ioasid>(random.next() % ids);
    const auto set =
        static_cast<unsigned>(kind == Kind::find ? random.next() % 3 : 1 + random.next() % 2);
    events.push_back({kind, id, layout.together ? ids - 1 : id, set, thread * 100 + i + 1});
  }
  return events;
}

}  // namespace

TEST_CASE("alloc, free, find and set_data are linearizable in blocks of all kinds", "[threads]") {
  constexpr int rounds = 8000;
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  std::atomic<std::uint64_t> clock{0};
  std::unique_ptr<Place> place;
  std::array<std::vector<Event>, threads> plans;
  std::vector<std::thread> crew;
  for (unsigned t = 0; t < threads; ++t)
    crew.emplace_back([&, t] {
      for (int round = 1; round <= rounds; ++round) {
        while (begun.load() < 2 * round - 1) std::this_thread::yield();
        // In most rounds the lock gets used to one thread first, whose favour is then revoked.
        if (static_cast<unsigned>(round) % (threads + 1) == t) {
          for (int i = 0; i < 20; ++i) static_cast<void>(place->space.size());
          begun.store(2 * round);
        }
        while (begun.load() < 2 * round) std::this_thread::yield();
        for (Event& event : plans[t]) perform(*place, event, clock);
        ended.fetch_add(1);
      }
    });
  viosim::Rng random(11, "plans");
  std::string failure;
  for (int round = 1; round <= rounds; ++round) {
    place = std::make_unique<Place>(draw_layout(random));
    for (unsigned t = 0; t < threads; ++t) plans[t] = draw(random, t, place->layout);
    const bool get_used = static_cast<unsigned>(round) % (threads + 1) < threads;
    begun.store(get_used ? 2 * round - 1 : 2 * round);
    while (ended.load() < round * static_cast<int>(threads)) std::this_thread::yield();
    History history;
    for (const auto& plan : plans) history.insert(history.end(), plan.begin(), plan.end());
    if (failure.empty() && !Search(history).succeeds())
      failure =
          "round " + std::to_string(round) + ", " + place->layout.name + "\n" + describe(history);
  }
  for (std::thread& thread : crew) thread.join();
  INFO(failure);
  CHECK(failure.empty());
}

TEST_CASE("the search tells an order that works from one that cannot") {
  // Two allocations, one after the other, cannot both have got id 0.
  History history{{Kind::alloc, 0, 3, 1, 1, 0, 1, 0}, {Kind::alloc, 0, 3, 1, 2, 2, 3, 0}};
  CHECK_FALSE(Search(history).succeeds());
  history[1].answer = 1;
  CHECK(Search(history).succeeds());
  // One may overtake the other only while both run.
  history[0].answer = 1;
  history[1].answer = 0;
  CHECK_FALSE(Search(history).succeeds());
  history[1].called = 0;
  CHECK(Search(history).succeeds());
  // A find afterwards sees the owner's data with his set alone.
  history.push_back({Kind::find, 0, 0, 1, 0, 4, 5, 2});
  CHECK(Search(history).succeeds());
  history.back().set = 2;
  CHECK_FALSE(Search(history).succeeds());
  history.back().answer = of_another_set;
  CHECK(Search(history).succeeds());
}
