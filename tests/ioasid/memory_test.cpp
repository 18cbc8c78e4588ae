// What the allocator takes from the heap, counted at the heap.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"
#include "ioasid/readers.hpp"
#include "ioasid/sets.hpp"
#include "ioasid/space.hpp"
#include "tests/ioasid/crew.hpp"
#include "tests/ioasid/heap.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <malloc.h>
#include <new>
#include <pthread.h>
#include <thread>
#include <vector>

std::atomic<std::int64_t> heap_bytes{0};
std::atomic<std::int64_t> allocations_left{-1};

namespace {

std::atomic<int> aligned_blocks{0};  // ever

// With malloc's own eight bytes.
std::int64_t size_of(void* memory) {
  return static_cast<std::int64_t>(malloc_usable_size(memory)) + 8;
}

}  // namespace

void* operator new(std::size_t size) {
  if (allocations_left.load() == 0) throw std::bad_alloc();
  if (allocations_left.load() > 0) --allocations_left;
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  heap_bytes += size_of(memory);
  return memory;
}
// For what is aligned to cache lines; not counted, since it is kept for the next thread.
void* operator new(std::size_t size, std::align_val_t alignment) {
  if (allocations_left.load() == 0) throw std::bad_alloc();
  void* memory = nullptr;
  if (posix_memalign(&memory, static_cast<std::size_t>(alignment), size) != 0)
    throw std::bad_alloc();
  ++aligned_blocks;
  return memory;
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

void operator delete(void* memory) noexcept {
  if (memory != nullptr) heap_bytes -= size_of(memory);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }

namespace {

using ioasid::Ioasid;

}  // namespace

TEST_CASE("an empty space takes less than 1 KB") {
  const std::int64_t before = heap_bytes;
  const ioasid::Space space;
  CHECK(heap_bytes - before + std::int64_t{sizeof(space)} < 1024);
}

TEST_CASE("all memory comes back") {
  const std::int64_t before = heap_bytes;
  std::int64_t when_empty = 0;
  {
    ioasid::Space space;
    for (int i = 0; i < 10'000; ++i) space.alloc(nullptr, {1, 0xffffffffu}, nullptr);
    for (Ioasid id = 1; id <= 10'000; ++id) space.free(id);
    when_empty = heap_bytes - before + std::int64_t{sizeof(space)};
  }
  const std::int64_t after = heap_bytes;
  CHECK(when_empty < 1024);
  CHECK(after == before);
}

TEST_CASE("an id that comes and goes in an empty space takes no memory each time, nor a barrier") {
  ioasid::Space space;
  const auto come_and_go = [&] { return space.free(space.alloc(nullptr, {1, 100}, nullptr)); };
  REQUIRE(come_and_go() == ioasid::Error::ok);
  const std::uint64_t barriers = ioasid::detail::process_barriers_made();
  allocations_left = 0;
  int done = 0;
  for (int i = 0; i < 100; ++i) done += come_and_go() == ioasid::Error::ok ? 1 : 0;
  allocations_left = -1;
  CHECK(done == 100);
  // The lock's may have been made for this thread.
  CHECK(ioasid::detail::process_barriers_made() <= barriers + 1);
}

TEST_CASE("a space that was emptied again and again stays below 1 KB, wherever its ids were") {
  const auto distance = GENERATE(1u, 64u, 42'000u);
  const auto together = GENERATE(1u, 2u, 5u, 70u);
  const std::int64_t before = heap_bytes;
  ioasid::Space space;
  std::int64_t most = 0;
  for (Ioasid round = 0; round < 500; ++round) {
    const Ioasid first = round * 64;
    for (Ioasid i = 0; i < together; ++i)
      space.alloc(nullptr, {first + i * distance, first + i * distance}, nullptr);
    for (Ioasid i = 0; i < together; ++i) space.free(first + i * distance);
    REQUIRE(space.size() == 0);
    most = std::max<std::int64_t>(most, heap_bytes - before);
  }
  INFO(together << " ids, " << distance << " apart");
  CHECK(most + std::int64_t{sizeof(space)} < 1024);
}

TEST_CASE("ids that come and go at other places of an empty space share their barriers") {
  ioasid::Space space;
  const std::uint64_t barriers = ioasid::detail::process_barriers_made();
  for (Ioasid id = 0; id < 100'000; id += 100) {
    space.alloc(nullptr, {id, id}, nullptr);
    space.free(id);
  }
  CHECK(ioasid::detail::process_barriers_made() - barriers <= 1000 / 3);
}

namespace {

void fill_and_empty(ioasid::Space& space) {
  for (Ioasid i = 0; i < 2000; ++i) space.alloc(nullptr, {i * 100, i * 100}, nullptr);
  for (Ioasid i = 0; i < 2000; ++i) space.free(i * 100);
}

struct Later {
  const char* name;
  void (*call)(ioasid::Space&);
};

}  // namespace

TEST_CASE("what a find was in the way of comes back with a later call") {
  const auto later = GENERATE(
      Later{"memory", [](ioasid::Space& s) { static_cast<void>(s.memory()); }},
      Later{"size", [](ioasid::Space& s) { static_cast<void>(s.size()); }},
      Later{"ids", [](ioasid::Space& s) { static_cast<void>(s.ids()); }},
      Later{"free", [](ioasid::Space& s) { s.free(5); }}, Later{"alloc", [](ioasid::Space& s) {
                                                                  s.alloc(nullptr, {2, 1}, nullptr);
                                                                }});
  INFO(later.name);
  const std::int64_t before = heap_bytes;
  ioasid::Space space;
  {
    const crew::Reader reader;
    fill_and_empty(space);
    later.call(space);
  }
  CHECK(heap_bytes - before > 10'000);
  later.call(space);
  CHECK(heap_bytes - before + std::int64_t{sizeof(space)} < 1024);
}

TEST_CASE("what a find was in the way of does not stay for the next id") {
  const std::int64_t before = heap_bytes;
  ioasid::Space space;
  {
    const crew::Reader reader;
    fill_and_empty(space);
  }
  space.alloc(nullptr, {1, 1}, nullptr);
  CHECK(heap_bytes - before + std::int64_t{sizeof(space)} < 1600);
}

TEST_CASE("a find that stays in the way is not asked about again at each call") {
  ioasid::Space space;
  const crew::Reader reader;
  const std::uint64_t barriers = ioasid::detail::process_barriers_made();
  for (Ioasid i = 0; i < 2000; ++i) space.alloc(nullptr, {i * 100, i * 100}, nullptr);
  for (Ioasid i = 1; i < 2000; ++i) space.free(i * 100);  // one stays: the map is not empty
  CHECK(ioasid::detail::process_barriers_made() - barriers <= 4000 / 16);
}

TEST_CASE("a group that a find was in the way of goes with a later call") {
  ioasid::Space space;
  ioasid::DefaultBackend backend;
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  space.register_allocator(ops);
  const std::size_t with_group = space.memory();
  {
    const crew::Reader reader;
    space.unregister_allocator(ops);
    CHECK(space.memory() >= with_group);
  }
  CHECK(space.memory() < with_group);
}

TEST_CASE("threads that come and go share what they leave behind") {
  ioasid::Space space;
  const int before = aligned_blocks;
  for (int i = 0; i < 50; ++i)
    std::thread([&] { static_cast<void>(space.find(nullptr, 1)); }).join();
  const int after = aligned_blocks;
  CHECK(after <= before + 2);
}

namespace {

// Frees an id when its thread ends: after the library's own data of the thread would be gone, had
// it any that is destroyed then, since this was there before.
struct FreedAtTheEnd {
  ioasid::Space* space = nullptr;
  Ioasid id = 0;
  ~FreedAtTheEnd() {
    if (space != nullptr) space->free(id);
  }
};
thread_local FreedAtTheEnd freed_at_the_end;

std::atomic<bool> slot_was_not_its_own{false};

void free_it(void* freed) {
  const auto* at_the_end = static_cast<const FreedAtTheEnd*>(freed);
  at_the_end->space->free(at_the_end->id);
  if (!ioasid::detail::reader().taken) slot_was_not_its_own = true;
}

}  // namespace

TEST_CASE("threads that free ids while they end share what they leave behind, too") {
  ioasid::Space space;
  const int before = aligned_blocks;
  for (int i = 0; i < 50; ++i)
    std::thread([&] {
      FreedAtTheEnd& mine = freed_at_the_end;
      mine.id = space.alloc(nullptr, {1, 100}, nullptr);
      mine.space = &space;
    }).join();
  CHECK(space.size() == 0);
  // The same from a destructor of the system's thread-specific data, which comes later.
  pthread_key_t key{};
  REQUIRE(pthread_key_create(&key, free_it) == 0);
  std::vector<FreedAtTheEnd> kept(50);
  for (FreedAtTheEnd& mine : kept)
    std::thread([&] {
      pthread_setspecific(key, &mine);
      mine.id = space.alloc(nullptr, {1, 100}, nullptr);
      mine.space = &space;
    }).join();
  pthread_key_delete(key);
  CHECK(space.size() == 0);
  CHECK_FALSE(slot_was_not_its_own);
  for (FreedAtTheEnd& mine : kept) mine.space = nullptr;
  const int after = aligned_blocks;
  CHECK(after <= before + 2);
}

namespace {

class Counting : public ioasid::Listener {
 public:
  void message(ioasid::Message, Ioasid) noexcept override { ++lines; }
  int lines = 0;
};

}  // namespace

TEST_CASE("an allocation without memory fails, says nothing, and changes nothing") {
  Counting log;
  ioasid::Space space({.listener = &log});
  static_cast<void>(space.find(nullptr, 1));  // a thread's first call is another matter
  int failures = 0;
  Ioasid expected = 1;
  for (int step = 0; step < 4000; ++step) {
    allocations_left = step % 4;
    const Ioasid id = space.alloc(nullptr, {1, 0xffffffffu}, nullptr);
    allocations_left = -1;
    if (id == ioasid::invalid_ioasid) {
      ++failures;
    } else if (id != expected++) {
      FAIL("id " << id << " instead of " << expected - 1);
    }
    if (space.size() != expected - 1) FAIL("a failed allocation was counted");
  }
  CHECK(failures > 0);
  CHECK(log.lines == 0);
  ioasid::DefaultBackend backend;
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  for (Ioasid id = 1; id < expected; ++id) space.free(id);
  allocations_left = 0;
  const ioasid::Error error = space.register_allocator(ops);
  allocations_left = -1;
  CHECK(error == ioasid::Error::enomem);
  CHECK_FALSE(space.custom_active());
}

namespace {

ioasid::Error answer_to_departure(ioasid::Space& space, const ioasid::AllocatorOps& ops) {
  try {
    return space.unregister_allocator(ops);
  } catch (const std::bad_alloc&) {
    return ioasid::Error::enomem;
  }
}

}  // namespace

TEST_CASE("allocators leave without memory, also while a find keeps the group of one before") {
  // Each has helpers, and so a group, of its own; nothing calls them.
  std::array<ioasid::DefaultBackend, 4> backends;
  std::array<ioasid::AllocatorOps, 4> ops;
  ioasid::Space space;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    ops[i] = {&backends[i], &backends[i], nullptr};
    REQUIRE(space.register_allocator(ops[i]) == ioasid::Error::ok);
  }
  std::array<ioasid::Error, 4> answers{};
  std::atomic<int> step{0};
  std::thread reader([&] {
    const ioasid::detail::ReadSection reading;  // as a find() that is not scheduled
    step = 1;
    while (step != 2) std::this_thread::yield();
  });
  while (step != 1) std::this_thread::yield();
  const std::size_t with_groups = space.memory();
  allocations_left = 0;
  for (std::size_t i = 0; i < ops.size(); ++i) answers[i] = answer_to_departure(space, ops[i]);
  allocations_left = -1;
  const std::size_t retired_too = space.memory();
  step = 2;
  reader.join();
  CHECK(answers == std::array<ioasid::Error, 4>{});
  CHECK(retired_too == with_groups);  // they are still there
  CHECK_FALSE(space.custom_active());
}

TEST_CASE("allocators that come and go leave nothing behind") {
  ioasid::Space space;
  ioasid::DefaultBackend backend;
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  std::int64_t before = 0;
  for (int round = 0; round < 1000; ++round) {
    if (round == 10) before = heap_bytes;
    space.register_allocator(ops);
    space.alloc(nullptr, {1, 9}, nullptr);
    space.unregister_allocator(ops);
    backend.free(1, nullptr);
  }
  const std::int64_t after = heap_bytes;
  CHECK(after <= before + 1024);
}

namespace {

// Gives ids far apart, for each of which the space needs memory.
class Strided : public ioasid::Backend {
 public:
  Ioasid alloc(ioasid::Range, void*) override {
    ++asked;
    return live++ * 100;
  }
  void free(Ioasid, void*) override { --live; }
  Ioasid live = 0;
  Ioasid asked = 0;
};

}  // namespace

TEST_CASE("an id that there is no memory to record is given back, whatever the policy") {
  ioasid::Space space({.keep_live_on_duplicate = GENERATE(false, true)});
  Strided backend;
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  space.register_allocator(ops);
  int failures = 0;
  for (int step = 0; step < 200; ++step) {
    allocations_left = step % 4;
    if (space.alloc(nullptr, {1, 9}, nullptr) == ioasid::invalid_ioasid) ++failures;
    allocations_left = -1;
    REQUIRE(backend.live == space.size());
  }
  CHECK(failures > 0);
}

TEST_CASE("a live id is not given back because there is no memory for the one beside it") {
  ioasid::Space space({.keep_live_on_duplicate = true, .track_beside_live = true});
  struct Told : ioasid::Backend {
    Ioasid alloc(ioasid::Range, void*) override { return answer; }
    void free(Ioasid, void*) override { ++freed; }
    Ioasid answer = 0;
    int freed = 0;
  } backend;
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  space.register_allocator(ops);
  // The last ids of blocks: those beside them would be the first of others.
  for (const Ioasid id : {63u, 703u, 1343u, 1983u}) {
    backend.answer = id;
    REQUIRE(space.alloc(nullptr, {1, 9999}, nullptr) == id);
  }
  allocations_left = 0;
  const Ioasid again = space.alloc(nullptr, {1, 9999}, nullptr);
  allocations_left = -1;
  CHECK(again == ioasid::invalid_ioasid);
  CHECK(backend.freed == 0);
  CHECK(space.size() == 4);
}

TEST_CASE("an id that its set has no memory for is gone when nobody can hold its data") {
  ioasid::Space space;
  ioasid::SetSpace sets(space);
  const ioasid::SetNumber set = sets.alloc_set({.quota = 9}).set;
  Strided backend;  // counts
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  space.register_allocator(ops);
  REQUIRE(sets.alloc(set, {1, 9}, nullptr) != ioasid::invalid_ioasid);
  // The first number of allocations that is enough for the space and not for the set.
  int given_back = 0;
  for (int allowed = 0; allowed < 20 && given_back == 0; ++allowed) {
    const ioasid::Ioasid asked = backend.asked;
    std::atomic<int> step{0};
    bool tracked_by_space = false;
    Ioasid id = 0;
    std::thread caller;
    {
      const ioasid::ReadGuard guard;
      caller = std::thread([&] {
        static_cast<void>(space.find(nullptr, 1));  // a thread's first call is another matter
        step = 1;
        while (step != 2) std::this_thread::yield();
        id = sets.alloc(set, {1, 9}, &space);
        step = 3;
      });
      while (step != 1) std::this_thread::yield();
      allocations_left = allowed;
      step = 2;
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      allocations_left = -1;
      tracked_by_space = step == 2;
    }
    caller.join();
    if (id != ioasid::invalid_ioasid) break;
    REQUIRE(backend.asked == asked + 1);
    given_back += tracked_by_space ? 1 : 0;
  }
  CHECK(given_back == 1);
  CHECK(sets.size(set) == space.size());
}

TEST_CASE("wherever memory for an id of a set runs out, the set has as many as the space") {
  int failures = 0;
  for (Ioasid id = ioasid::invalid_ioasid; id == ioasid::invalid_ioasid; ++failures) {
    ioasid::Space space;  // new each time: what a failed call made is kept for the next
    ioasid::SetSpace sets(space);
    const ioasid::SetNumber set = sets.alloc_set({.quota = 9}).set;
    allocations_left = failures;
    id = sets.alloc(set, {1, 9}, nullptr);
    allocations_left = -1;
    REQUIRE(sets.size(set) == space.size());
  }
  CHECK(failures > 4);
}

TEST_CASE("a set that memory is too short for takes neither capacity nor token") {
  ioasid::Space space;
  ioasid::SetSpace sets(space);
  const ioasid::SetSpec spec{ioasid::SetType::mm, &space, 10};
  bool made = false;
  int failures = 0;
  for (int allowed = 0; !made; ++allowed) {
    allocations_left = allowed;
    try {
      made = sets.alloc_set(spec).error == ioasid::Error::ok;
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    allocations_left = -1;
    if (made) break;
    REQUIRE(sets.capacity_left() == ioasid::SetSpace::default_capacity);
    REQUIRE(sets.find_mm_set(&space) == ioasid::no_set);
    REQUIRE(sets.free_set(1) == ioasid::Error::enoent);
  }
  CHECK(failures == 3);  // the set, its entry, its token's entry
  CHECK(sets.free_set(1) == ioasid::Error::ok);
}
