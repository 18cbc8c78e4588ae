// An allocator is known by its address: what is written into it once it is registered changes
// nothing.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/space.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using ioasid::AllocatorOps;
using ioasid::Behaviour;
using ioasid::Error;
using ioasid::Ioasid;
using ioasid::Space;

namespace {

Behaviour any_behaviour() { return GENERATE(Behaviour::linux_6_1, Behaviour::corrected); }

}  // namespace

TEST_CASE("an allocator whose helpers were changed is still known") {
  Space space({.behaviour = any_behaviour()});
  fakes::Scripted backend;
  fakes::Scripted other;
  AllocatorOps ops{&backend, &backend, nullptr};
  REQUIRE(space.register_allocator(ops) == Error::ok);
  ops.alloc = &other;
  CHECK(space.register_allocator(ops) == Error::eexist);
  CHECK(space.alloc(nullptr, {1, 9}, nullptr) == 1);
  CHECK(backend.take().size() == 1);
  CHECK(space.unregister_allocator(ops) == Error::ok);
  CHECK_FALSE(space.custom_active());
}

TEST_CASE("an allocator whose helpers were changed to another's takes its own group with it") {
  Space space({.behaviour = any_behaviour()});
  fakes::Scripted backend;
  fakes::Scripted other;
  AllocatorOps changed{&backend, &backend, nullptr};
  const AllocatorOps second{&other, &other, nullptr};
  REQUIRE(space.register_allocator(changed) == Error::ok);
  REQUIRE(space.register_allocator(second) == Error::ok);
  REQUIRE(space.alloc(nullptr, {1, 9}, nullptr) == 1);
  changed.alloc = &other;
  changed.free = &other;
  std::vector<Ioasid> orphans;
  CHECK(space.unregister_allocator(changed, &orphans) == Error::ok);
  CHECK(orphans == std::vector<Ioasid>{1});
  CHECK(space.custom_active());
  CHECK(space.register_allocator(second) == Error::eexist);
  // It is a stranger now, and joins those whose helpers it has.
  CHECK(space.register_allocator(changed) == Error::ok);
  CHECK(space.unregister_allocator(second) == Error::ok);
  CHECK(space.custom_active());
  CHECK(space.unregister_allocator(changed) == Error::ok);
  CHECK_FALSE(space.custom_active());
}

TEST_CASE("a sharer whose helpers were changed gets into no second group") {
  const Behaviour behaviour = any_behaviour();
  Space space({.behaviour = behaviour});
  fakes::Scripted backend;
  fakes::Scripted other;
  const AllocatorOps head{&backend, &backend, nullptr};
  AllocatorOps sharer{&backend, &backend, nullptr};
  REQUIRE(space.register_allocator(head) == Error::ok);
  REQUIRE(space.register_allocator(sharer) == Error::ok);
  sharer.alloc = &other;
  sharer.free = &other;
  const bool quirky = behaviour == Behaviour::linux_6_1;
  CHECK(space.register_allocator(sharer) == (quirky ? Error::ok : Error::eexist));
  CHECK(space.unregister_allocator(head) == Error::ok);
  CHECK(space.unregister_allocator(sharer) == Error::ok);
  CHECK_FALSE(space.custom_active());
}
