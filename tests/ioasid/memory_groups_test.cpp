// What allocators and notifiers that left take from the heap: nothing.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"
#include "ioasid/sets.hpp"
#include "ioasid/space.hpp"
#include "tests/ioasid/crew.hpp"
#include "tests/ioasid/heap.hpp"
#include "tests/support/catch.hpp"

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
