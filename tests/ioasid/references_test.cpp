// Reference counts as Linux 5.11 to 5.17 had them.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/references.hpp"

#include "ioasid/sets.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/support/catch.hpp"

using fakes::data;
using ioasid::Error;
using ioasid::Ioasid;

namespace {

struct Rig {
  fakes::Log log;
  ioasid::Space space{{.listener = &log}};
  ioasid::References references{space, &log};
};

}  // namespace

TEST_CASE("the last put frees, and only the last") {
  Rig rig;
  const Ioasid id = rig.references.alloc(nullptr, {1, 9}, data(1));
  CHECK(rig.references.get(id) == Error::ok);
  CHECK(rig.references.get(id) == Error::ok);
  CHECK(rig.references.count(id) == 3);
  CHECK_FALSE(rig.references.put(id));
  CHECK_FALSE(rig.references.put(id));
  CHECK(rig.space.find(nullptr, id).data == data(1));
  CHECK(rig.references.put(id));
  CHECK(rig.space.find(nullptr, id).error == Error::enoent);
  CHECK(rig.log.take().empty());
}

TEST_CASE("a put of an unknown id is false and logged, a get is warned about") {
  Rig rig;
  CHECK_FALSE(rig.references.put(4));
  CHECK(rig.log.take() == std::vector<std::string>{"err:free_unknown"});
  CHECK(rig.references.get(4) == Error::enoent);
  CHECK(rig.log.take() == std::vector<std::string>{"WARN:get_unknown"});
}

TEST_CASE("a get after the last put does not revive the id") {
  Rig rig;
  const Ioasid id = rig.references.alloc(nullptr, {1, 1}, nullptr);
  rig.references.put(id);
  CHECK(rig.references.get(id) == Error::enoent);
  CHECK(rig.references.count(id) == 0);
  CHECK(rig.references.alloc(nullptr, {1, 1}, nullptr) == id);
  CHECK(rig.references.count(id) == 1);
}

TEST_CASE("references go with the id whoever frees it, and the next of that number has one") {
  const int who = GENERATE(0, 1, 2, 3);
  const bool past_the_layer = GENERATE(false, true);
  Rig rig;
  ioasid::SetSpace sets(rig.space);
  ioasid::References others(rig.space);
  const ioasid::SetNumber set = sets.alloc_set({}).set;
  const Ioasid id = sets.alloc(set, {1, 1}, nullptr);
  REQUIRE(rig.references.get(id) == Error::ok);
  switch (who) {
    case 0:
      REQUIRE(rig.space.free(id) == Error::ok);
      break;
    case 1:
      REQUIRE(rig.space.free_without_waiting(id) == Error::ok);
      break;
    case 2:
      REQUIRE(sets.free(set, id) == Error::ok);
      break;
    default:
      REQUIRE(others.put(id));
  }
  CHECK(rig.references.count(id) == 0);
  const Ioasid again = past_the_layer ? rig.space.alloc(nullptr, {1, 1}, data(2))
                                      : rig.references.alloc(nullptr, {1, 1}, data(2));
  REQUIRE(again == id);
  CHECK(rig.references.count(id) == 1);
  CHECK(rig.references.put(id));  // of the second owner, as documented
}

TEST_CASE("the last reference to an id of a set ends it in its set, too") {
  Rig rig;
  ioasid::SetSpace sets(rig.space);
  const ioasid::SetNumber set = sets.alloc_set({}).set;
  const Ioasid id = sets.alloc(set, {1, 1}, nullptr);
  REQUIRE(rig.references.put(id));
  CHECK(sets.find_set(id) == ioasid::no_set);
  CHECK(sets.size(set) == 0);
}

TEST_CASE("references of an orphan do not pass to the next id of that number, asked for or not") {
  Rig rig;
  fakes::Scripted backend;
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  rig.space.register_allocator(ops);
  REQUIRE(rig.references.alloc(nullptr, {1, 9}, nullptr) == 1);
  rig.references.get(1);
  rig.space.unregister_allocator(ops);
  if (GENERATE(false, true)) CHECK_FALSE(rig.references.put(1));
  rig.space.register_allocator(ops);
  REQUIRE(rig.references.alloc(nullptr, {1, 9}, nullptr) == 1);
  CHECK(rig.references.put(1));
}
