// What allocators and notifiers that left take from the heap: nothing.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"
#include "ioasid/references.hpp"
#include "ioasid/sets.hpp"
#include "ioasid/space.hpp"
#include "tests/ioasid/crew.hpp"
#include "tests/ioasid/heap.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <new>
#include <vector>

TEST_CASE("a group is gone when the unregistration of its last allocator returns") {
  ioasid::Space space;
  ioasid::DefaultBackend backend;
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  const std::int64_t before = heap_bytes;
  space.register_allocator(ops);
  CHECK(heap_bytes > before);
  space.unregister_allocator(ops);
  CHECK(heap_bytes == before);
}

TEST_CASE("a group that a find was in the way of goes with an unregistration, refused or not") {
  ioasid::Space space;
  ioasid::DefaultBackend one;
  ioasid::DefaultBackend other;
  const ioasid::AllocatorOps first{&one, &one, nullptr};
  const ioasid::AllocatorOps second{&other, &other, nullptr};
  const std::int64_t before = heap_bytes;
  space.register_allocator(first);
  {
    const crew::Reader reader;
    space.unregister_allocator(first);
  }
  CHECK(heap_bytes > before);
  CHECK(space.unregister_allocator(second) == ioasid::Error::enoent);
  CHECK(heap_bytes == before);
}

namespace {

// Gives one number and takes nothing from the heap.
class Constant : public ioasid::Backend {
 public:
  ioasid::Ioasid alloc(ioasid::Range, void*) override { return 7; }
  void free(ioasid::Ioasid, void*) override {}
};

}  // namespace

TEST_CASE("an empty space takes 450 bytes for each group of allocators, 360 more once it is used") {
  const auto ids = GENERATE(1u, 3u, 100u);
  std::array<Constant, 5> backends;
  std::array<ioasid::AllocatorOps, 5> ops;
  std::array<std::int64_t, 5> each{};
  const std::int64_t before = heap_bytes;
  ioasid::Space space;
  const auto bytes = [&] { return heap_bytes - before + std::int64_t{sizeof(space)}; };
  for (ioasid::Ioasid id = 1; id <= ids; ++id) space.alloc(nullptr, {id, id}, nullptr);
  for (ioasid::Ioasid id = 1; id <= ids; ++id) space.free(id);
  const std::int64_t default_used = bytes();
  for (std::size_t i = 0; i < ops.size(); ++i) {
    ops[i] = {&backends[i], &backends[i], nullptr};
    space.register_allocator(ops[i]);
    each[i] = bytes();
  }
  space.free(space.alloc(nullptr, {1, 9}, nullptr));
  const std::int64_t used = bytes();
  CAPTURE(ids, default_used, each[0], each[1], each[2], each[3], each[4], used);
  CHECK(default_used < 1024);
  // The default allocator's map stands by now, and keeps nothing.
  for (std::size_t i = 0; i < each.size(); ++i)
    CHECK(each[i] <= std::int64_t{sizeof(space)} + 450 * static_cast<std::int64_t>(i + 1));
  CHECK(used <= each.back() + 360);
}

TEST_CASE(
    "a set takes at most 120 bytes for each of its ids beside the space's, a reference none") {
  constexpr std::int64_t count = 50'000;
  const auto bytes_with = [](auto&& take) {
    ioasid::Space space;
    const std::int64_t before = heap_bytes;
    take(space);
    return heap_bytes - before;
  };
  std::int64_t of_sets = 0;
  std::int64_t of_references = 0;
  const std::int64_t plain = bytes_with([](ioasid::Space& space) {
    for (std::int64_t i = 0; i < count; ++i) space.alloc(nullptr, {}, nullptr);
  });
  bytes_with([&](ioasid::Space& space) {
    ioasid::SetSpace sets(space);
    const ioasid::SetNumber set = sets.alloc_set({.quota = count}).set;
    const std::int64_t before = heap_bytes;
    for (std::int64_t i = 0; i < count; ++i) sets.alloc(set, {}, nullptr);
    of_sets = heap_bytes - before - plain;
  });
  bytes_with([&](ioasid::Space& space) {
    ioasid::References references(space);
    const std::int64_t before = heap_bytes;
    for (std::int64_t i = 0; i < count; ++i) references.alloc(nullptr, {}, nullptr);
    of_references = heap_bytes - before - plain;
  });
  CHECK(of_sets <= 120 * count);
  CHECK(of_references < 100);  // malloc rounds
}

TEST_CASE("a notifier that there is no memory for leaves no chain") {
  ioasid::Space space;
  ioasid::SetSpace sets(space);
  struct Deaf : ioasid::Notifier {
    void notify(const ioasid::Notice&) noexcept override {}
  } deaf;
  const std::int64_t before = heap_bytes;
  int failures = 0;
  for (bool made = false; !made;) {
    allocations_left = failures;
    try {
      made = sets.register_notifier_mm(deaf, ioasid::Priority::cpu, &space) == ioasid::Error::ok;
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    allocations_left = -1;
    if (!made) CHECK(heap_bytes == before);
  }
  CHECK(failures == 2);  // the chain, its first link
}

namespace {

class Deaf : public ioasid::Notifier {
 public:
  void notify(const ioasid::Notice&) noexcept override {}
};

}  // namespace

TEST_CASE("the chain of a process that has no set goes with its last notifier") {
  ioasid::Space space;
  ioasid::SetSpace sets(space);
  Deaf one;
  Deaf other;
  const std::vector<char> processes(1000);
  const std::int64_t before = heap_bytes;
  for (const char& process : processes)
    sets.register_notifier_mm(one, ioasid::Priority::cpu, &process);
  sets.register_notifier_mm(other, ioasid::Priority::cpu, &processes.front());
  CHECK(sets.unregister_notifier(one) == ioasid::Error::ok);
  CHECK(heap_bytes - before < 400);  // the chain of the other
  CHECK(sets.unregister_notifier(other) == ioasid::Error::ok);
  CHECK(heap_bytes == before);
}
