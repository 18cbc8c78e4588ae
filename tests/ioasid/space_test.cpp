// Single sentences about the space: what the vectors do not say, and what the policies change.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/space.hpp"

#include "tests/ioasid/fakes.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using fakes::data;
using ioasid::AllocatorOps;
using ioasid::Behaviour;
using ioasid::Error;
using ioasid::invalid_ioasid;
using ioasid::Ioasid;
using ioasid::Space;
using Calls = std::vector<std::string>;

namespace {

constexpr char set_a = 0;
constexpr char set_b = 0;
Behaviour any_behaviour() { return GENERATE(Behaviour::linux_6_1, Behaviour::corrected); }

}  // namespace

TEST_CASE("errors print the kernel's names") {
  std::ostringstream out;
  out << Error::eagain << Error::eexist << Error::enoent << Error::eacces << Error::ok;
  CHECK(out.str() == "-EAGAIN-EEXIST-ENOENT-EACCES0");
}

TEST_CASE("the invalid id is never handed out by the default allocator") {
  fakes::Log log;
  Space space({.behaviour = any_behaviour(), .listener = &log});
  CHECK(space.alloc(&set_a, {0xfffffffeu, 0xffffffffu}, nullptr) == 0xfffffffeu);
  CHECK(space.alloc(&set_a, {0xfffffffeu, 0xffffffffu}, nullptr) == invalid_ioasid);
  CHECK(space.alloc(&set_a, {0xffffffffu, 0xffffffffu}, nullptr) == invalid_ioasid);
  CHECK(log.take() == Calls{"err:range", "err:alloc", "err:range", "err:alloc"});
  CHECK(space.find(nullptr, invalid_ioasid).error == Error::enoent);
  CHECK(space.free(0xfffffffeu) == Error::ok);
  // Nothing of it stays: the default allocator counts as empty again.
  fakes::Scripted backend;
  const AllocatorOps ops{&backend, &backend, nullptr};
  CHECK(space.register_allocator(ops) == Error::ok);
}

TEST_CASE("when the head of a shared group leaves, corrected goes on with the next sharer's data") {
  const Behaviour behaviour = any_behaviour();
  const bool quirky = behaviour == Behaviour::linux_6_1;
  Space space({.behaviour = behaviour});
  fakes::Scripted backend;
  const AllocatorOps a{&backend, &backend, data(1)};
  const AllocatorOps b{&backend, &backend, data(2)};
  const AllocatorOps c{&backend, &backend, data(3)};
  for (const AllocatorOps* ops : {&a, &b, &c}) REQUIRE(space.register_allocator(*ops) == Error::ok);
  REQUIRE(space.alloc(nullptr, {1, 9}, data(7)) == 1);
  REQUIRE(space.unregister_allocator(a) == Error::ok);
  backend.next = 2;
  backend.take();
  REQUIRE(space.alloc(nullptr, {1, 9}, nullptr) == 2);
  space.free(1);
  CHECK(backend.take() ==
        (quirky ? Calls{"alloc 1..9 1", "free 1 1"} : Calls{"alloc 1..9 2", "free 1 2"}));
  CHECK(space.find(nullptr, 2).error == Error::ok);
  CHECK(space.register_allocator(a) == (quirky ? Error::eexist : Error::ok));
}

TEST_CASE("a duplicate registration of a sharer is refused by corrected, harmless in linux_6_1") {
  const Behaviour behaviour = any_behaviour();
  Space space({.behaviour = behaviour});
  fakes::Scripted backend;
  const AllocatorOps a{&backend, &backend, data(1)};
  const AllocatorOps b{&backend, &backend, data(2)};
  space.register_allocator(a);
  space.register_allocator(b);
  CHECK(space.register_allocator(a) == Error::eexist);
  CHECK(space.register_allocator(b) ==
        (behaviour == Behaviour::linux_6_1 ? Error::ok : Error::eexist));
  // In the kernel the list is corrupt now. Here it is what it was: b is in it once.
  CHECK(space.unregister_allocator(b) == Error::ok);
  CHECK(space.custom_active());
  CHECK(space.unregister_allocator(a) == Error::ok);
  CHECK_FALSE(space.custom_active());
}

TEST_CASE("after a double registration the second unregistration is a stranger's") {
  const Behaviour behaviour = any_behaviour();
  const bool quirky = behaviour == Behaviour::linux_6_1;
  Space space({.behaviour = behaviour});
  fakes::Scripted backend;
  const AllocatorOps a{&backend, &backend, data(1)};
  const AllocatorOps b{&backend, &backend, data(2)};
  for (const AllocatorOps* ops : {&a, &b, &b}) space.register_allocator(*ops);
  CHECK(space.unregister_allocator(b) == Error::ok);
  CHECK(space.unregister_allocator(b) == (quirky ? Error::ok : Error::enoent));
  CHECK(space.custom_active() == !quirky);
}

TEST_CASE("an allocator that lacks a helper is refused") {
  Space space({.behaviour = any_behaviour()});
  fakes::Scripted backend;
  const AllocatorOps no_alloc{nullptr, &backend, nullptr};
  const AllocatorOps no_free{&backend, nullptr, nullptr};
  CHECK(space.register_allocator(no_alloc) == Error::einval);
  CHECK(space.register_allocator(no_free) == Error::einval);
  CHECK_FALSE(space.custom_active());
}

namespace {

template <class Ops>
concept Registered = requires(Space& space, Ops&& ops) {
  space.register_allocator(std::forward<Ops>(ops));
};

}  // namespace

TEST_CASE("an allocator that is gone at the end of the call cannot be registered") {
  // Another one at the same address would be taken for it.
  STATIC_REQUIRE(Registered<const AllocatorOps&>);
  STATIC_REQUIRE_FALSE(Registered<AllocatorOps>);
}

TEST_CASE("a refused duplicate of the head leaves the group whole") {
  Space space({.behaviour = any_behaviour()});
  fakes::Scripted backend;
  const AllocatorOps a{&backend, &backend, data(1)};
  const AllocatorOps b{&backend, &backend, data(2)};
  space.register_allocator(a);
  CHECK(space.register_allocator(a) == Error::eexist);
  CHECK(space.register_allocator(b) == Error::ok);
  CHECK(space.register_allocator(a) == Error::eexist);
  CHECK(space.unregister_allocator(a) == Error::ok);
  CHECK(space.custom_active());
  CHECK(space.alloc(nullptr, {1, 9}, nullptr) == 1);
  CHECK(space.unregister_allocator(b) == Error::ok);
  CHECK_FALSE(space.custom_active());
}

TEST_CASE("unregistering what was never registered changes nothing when corrected") {
  const Behaviour behaviour = any_behaviour();
  Space space({.behaviour = behaviour});
  fakes::Scripted backend;
  const AllocatorOps a{&backend, &backend, data(1)};
  const AllocatorOps stranger{&backend, &backend, data(2)};
  space.register_allocator(a);
  const bool quirky = behaviour == Behaviour::linux_6_1;
  CHECK(space.unregister_allocator(stranger) == (quirky ? Error::ok : Error::enoent));
  CHECK(space.custom_active() == !quirky);
}

TEST_CASE("enforce_range gives back what lies outside and keeps both bounds") {
  fakes::Log log;
  Space space({.behaviour = any_behaviour(), .enforce_range = true, .listener = &log});
  fakes::Scripted backend;
  const AllocatorOps ops{&backend, &backend, data(4)};
  space.register_allocator(ops);
  for (const Ioasid outside : {4u, 10u, 0u, 0xfffffffeu}) {
    backend.next = outside;
    CHECK(space.alloc(nullptr, {5, 9}, nullptr) == invalid_ioasid);
    CHECK(backend.take() == Calls{"alloc 5..9 4", "free " + std::to_string(outside) + " 4"});
    CHECK(log.take() == Calls{"err:out_of_range"});
  }
  for (const Ioasid inside : {5u, 9u}) {
    backend.next = inside;
    CHECK(space.alloc(nullptr, {5, 9}, nullptr) == inside);
  }
  // A live id out of range is a duplicate first: whether to give it back is the other policy's.
  backend.take();
  CHECK(space.alloc(nullptr, {20, 30}, nullptr) == invalid_ioasid);
  CHECK(log.take() == Calls{"err:track"});
}

TEST_CASE("keep_live_on_duplicate does not tell the backend that a live id is free") {
  const bool keep = GENERATE(false, true);
  Space space({.behaviour = any_behaviour(), .keep_live_on_duplicate = keep});
  fakes::Scripted backend;
  const AllocatorOps ops{&backend, &backend, nullptr};
  space.register_allocator(ops);
  REQUIRE(space.alloc(&set_a, {1, 9}, data(5)) == 1);
  backend.take();
  CHECK(space.alloc(&set_b, {1, 9}, data(6)) == invalid_ioasid);
  CHECK(backend.take() == (keep ? Calls{"alloc 1..9 0"} : Calls{"alloc 1..9 0", "free 1 0"}));
  CHECK(space.find(&set_a, 1) == ioasid::Found{Error::ok, data(5)});
}

TEST_CASE("track_beside_live hands a live id out, and notes the next number") {
  Space space({.behaviour = any_behaviour(), .track_beside_live = true});
  fakes::Scripted backend;
  const AllocatorOps ops{&backend, &backend, nullptr};
  space.register_allocator(ops);
  REQUIRE(space.alloc(&set_a, {1, 9}, data(5)) == 1);
  backend.take();
  CHECK(space.alloc(&set_b, {1, 9}, data(6)) == 1);
  CHECK(backend.take() == Calls{"alloc 1..9 0"});
  CHECK(space.find(&set_a, 1) == ioasid::Found{Error::ok, data(5)});
  CHECK(space.find(&set_b, 2) == ioasid::Found{Error::ok, data(6)});
  // Where the next number is taken, too, it fails as without.
  CHECK(space.alloc(&set_b, {1, 9}, data(7)) == invalid_ioasid);
}

TEST_CASE("track_beside_live notes no number beyond the last id") {
  Space space({.behaviour = any_behaviour(), .track_beside_live = true});
  fakes::Scripted backend;
  backend.next = 0xfffffffe;
  const AllocatorOps ops{&backend, &backend, nullptr};
  space.register_allocator(ops);
  REQUIRE(space.alloc(&set_a, {}, data(5)) == 0xfffffffe);
  CHECK(space.alloc(&set_b, {}, data(6)) == invalid_ioasid);
  CHECK(space.size() == 1);
  CHECK(space.find(nullptr, invalid_ioasid).error == Error::enoent);
}

TEST_CASE("track_beside_live looks at no range: enforce_range is about what the backend returns") {
  Space space({.behaviour = any_behaviour(), .enforce_range = true, .track_beside_live = true});
  fakes::Scripted backend;
  backend.next = 9;
  const AllocatorOps ops{&backend, &backend, nullptr};
  space.register_allocator(ops);
  REQUIRE(space.alloc(&set_a, {1, 9}, data(5)) == 9);
  CHECK(space.alloc(&set_b, {1, 9}, data(6)) == 9);
  CHECK(space.find(&set_b, 10) == ioasid::Found{Error::ok, data(6)});
}

TEST_CASE("refuse_unregister_with_live_ids keeps the allocator until its ids are gone") {
  fakes::Log log;
  Space space(
      {.behaviour = any_behaviour(), .refuse_unregister_with_live_ids = true, .listener = &log});
  fakes::Scripted backend;
  const AllocatorOps ops{&backend, &backend, nullptr};
  space.register_allocator(ops);
  space.alloc(nullptr, {1, 9}, nullptr);
  CHECK(space.unregister_allocator(ops) == Error::ebusy);
  CHECK(log.take() == Calls{"err:live_ids"});
  CHECK(space.find(nullptr, 1).error == Error::ok);
  space.free(1);
  CHECK(space.unregister_allocator(ops) == Error::ok);
}

TEST_CASE("the orphans of a departing allocator can be listed") {
  Space space;
  fakes::Scripted backend;
  const AllocatorOps ops{&backend, &backend, nullptr};
  space.register_allocator(ops);
  for (const Ioasid id : {70u, 3u, 4000000000u}) {
    backend.next = id;
    space.alloc(nullptr, {}, nullptr);
  }
  std::vector<Ioasid> orphans{1000};  // of one that left before
  CHECK(space.unregister_allocator(ops, &orphans) == Error::ok);
  CHECK(orphans == std::vector<Ioasid>{1000, 3, 70, 4000000000u});
  CHECK(space.find(nullptr, 3).error == Error::enoent);
  CHECK(space.free(3) == Error::enoent);
}

TEST_CASE("the active one leaving hands over to the first that waits, not the last") {
  Space space({.behaviour = any_behaviour()});
  std::array<fakes::Scripted, 3> backends;
  std::array<AllocatorOps, 3> ops;
  for (std::size_t i = 0; i < 3; ++i) {
    ops[i] = {&backends[i], &backends[i], data(i)};
    REQUIRE(space.register_allocator(ops[i]) == Error::ok);
  }
  space.unregister_allocator(ops[0]);
  space.alloc(nullptr, {1, 9}, nullptr);
  CHECK(backends[1].take().size() == 1);
  CHECK(backends[2].take().empty());
}

TEST_CASE("the getter runs once, only on what was found, and may say no") {
  Space space;
  const Ioasid id = space.alloc(&set_a, {1, 9}, data(3));
  int calls = 0;
  const auto count = [&](void* seen) { return ++calls, seen == data(3); };
  CHECK(space.find(&set_a, id, count) == ioasid::Found{Error::ok, data(3)});
  CHECK(calls == 1);
  CHECK(space.find(&set_b, id, count).error == Error::eacces);
  CHECK(space.find(&set_b, id + 1, count).error == Error::enoent);
  CHECK(calls == 1);
  CHECK(space.find(nullptr, id, [](void*) { return false; }) == ioasid::Found{Error::ok, nullptr});
}

TEST_CASE("the live ids are listed in ascending order, of one set or of all") {
  Space space;
  for (const Ioasid id : {700u, 3u, 4u}) space.alloc(id == 3 ? &set_a : &set_b, {id, id}, nullptr);
  CHECK(space.ids() == std::vector<Ioasid>{3, 4, 700});
  CHECK(space.ids(&set_b) == std::vector<Ioasid>{4, 700});
}

TEST_CASE("an empty space is small, also after use") {
  Space space;
  CHECK(space.memory() < 1024);
  const Ioasid id = space.alloc(nullptr, {1, 100}, nullptr);
  space.free(id);
  CHECK(space.memory() < 1024);
}

TEST_CASE("a space that many allocators have left is small") {
  Space space;
  std::vector<fakes::Scripted> backends(500);
  std::vector<AllocatorOps> ops;
  for (fakes::Scripted& backend : backends) ops.push_back({&backend, &backend, nullptr});
  for (const AllocatorOps& each : ops) REQUIRE(space.register_allocator(each) == Error::ok);
  for (const AllocatorOps& each : ops) REQUIRE(space.unregister_allocator(each) == Error::ok);
  CHECK(space.memory() < 1024);
}
