// What becomes of ids whose layer is gone: they are the space's, as any other.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"
#include "ioasid/references.hpp"
#include "ioasid/sets.hpp"
#include "tests/ioasid/crew.hpp"
#include "tests/ioasid/sets_rig.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace sets_rig;
using ioasid::Found;

namespace {

constexpr Ioasid plain = 1;
constexpr Ioasid pending = 2;
constexpr Ioasid aliased = 3;

// A space where a SetSpace was that had an id of each kind.
struct After {
  explicit After(bool custom) {
    if (custom) REQUIRE(space.register_allocator(ops) == Error::ok);
    ioasid::SetSpace sets(space);
    sets.register_notifier(recorder, Priority::cpu);
    set = sets.alloc_set({.quota = 5}).set;
    for (const Ioasid id : {plain, pending, aliased}) REQUIRE(sets.alloc(set, all, &value) == id);
    REQUIRE(sets.get(set, pending) == Error::ok);
    REQUIRE(sets.free(set, pending) == Error::ok);
    REQUIRE(sets.attach_spid(aliased, 77) == Error::ok);
    lines.clear();
  }
  int value = 0;
  ioasid::DefaultBackend backend;
  ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  Lines lines;
  Recorder recorder{"", lines};
  ioasid::Space space;
  SetNumber set = no_set;
};

}  // namespace

TEST_CASE("ids whose SetSpace is gone are found in the space and freed there, and nobody is told") {
  const bool custom = GENERATE(false, true);
  After rig(custom);
  const Found there{Error::ok, &rig.value};
  CHECK(rig.space.ids() == std::vector<Ioasid>{plain, pending, aliased});
  for (const Ioasid id : {plain, pending, aliased}) {
    CHECK(rig.space.find(nullptr, id) == there);
    CHECK(rig.space.find(&rig, id) == Found{Error::eacces, nullptr});
    CHECK(rig.space.set_data(id, nullptr) == Error::ok);
    CHECK(rig.space.find(nullptr, id) == Found{Error::ok, nullptr});
    CHECK(rig.space.free(id) == Error::ok);
    CHECK(rig.space.free(id) == Error::enoent);
    CHECK(rig.space.find(nullptr, id) == Found{Error::enoent, nullptr});
  }
  CHECK(rig.backend.size() == 0);
  CHECK(rig.space.alloc(nullptr, all, nullptr) == plain);
  CHECK(rig.lines.empty());
}

TEST_CASE("a later SetSpace knows nothing of the ids, sets and aliases of one that is gone") {
  After rig(GENERATE(false, true));
  ioasid::SetSpace later(rig.space);
  later.register_notifier(rig.recorder, Priority::cpu);
  CHECK(later.capacity_left() == ioasid::SetSpace::default_capacity);
  for (const Ioasid id : {plain, pending, aliased}) {
    CHECK(later.find(rig.set, id) == Found{Error::eacces, nullptr});
    CHECK(later.find(no_set, id) == Found{Error::ok, &rig.value});
    CHECK(later.find_set(id) == no_set);
    CHECK(later.references(id) == 0);
    CHECK(later.get(no_set, id) == Error::einval);
    CHECK(later.put(no_set, id) == Error::einval);
    CHECK(later.free(rig.set, id) == Error::enoent);
    CHECK(later.attach_data(id, nullptr) == Error::enoent);
    CHECK(later.detach_data(id) == Error::enoent);
    CHECK(later.attach_spid(id, 1) == Error::enoent);
    CHECK(later.detach_spid(id) == Error::enoent);
  }
  CHECK(later.size(rig.set) == 0);
  CHECK(later.free_set(rig.set) == Error::enoent);
  CHECK(later.find_by_spid(rig.set, 77) == invalid_ioasid);
  // A number that is free again belongs to its next owner, whatever set had it.
  const SetNumber set = later.alloc_set({.quota = 9}).set;
  CHECK(set != rig.set);
  CHECK(rig.space.free(pending) == Error::ok);
  CHECK(rig.lines.empty());
  CHECK(later.alloc(set, all, &rig) == pending);
  CHECK(later.find(set, pending) == Found{Error::ok, &rig});
  CHECK(later.find(rig.set, pending) == Found{Error::eacces, nullptr});
  CHECK(rig.lines == Lines{"alloc 2"});
}

TEST_CASE("a count goes with its References, and another one counts one for each id") {
  ioasid::Space space;
  int value = 0;
  std::optional<ioasid::References> references(space);
  const Ioasid id = references->alloc(nullptr, all, &value);
  CHECK(references->get(id) == Error::ok);
  CHECK(references->get(id) == Error::ok);
  CHECK(references->count(id) == 3);
  references.reset();
  CHECK(space.find(nullptr, id) == Found{Error::ok, &value});
  ioasid::References later(space);
  CHECK(later.count(id) == 1);
  CHECK(later.put(id));
  CHECK(space.find(nullptr, id) == Found{Error::enoent, nullptr});
  CHECK_FALSE(later.put(id));
}

TEST_CASE("whichever of several layers goes first, the others go on being told") {
  ioasid::Space space;
  Lines lines;
  Recorder recorder("", lines);
  std::vector<std::unique_ptr<ioasid::SetSpace>> layers;
  std::vector<Ioasid> ids;
  for (int i = 0; i < 3; ++i) {
    layers.push_back(std::make_unique<ioasid::SetSpace>(space));
    layers.back()->register_notifier(recorder, Priority::cpu);
    ids.push_back(layers.back()->alloc(layers.back()->alloc_set({.quota = 1}).set, all, nullptr));
  }
  lines.clear();
  const auto gone = static_cast<std::size_t>(GENERATE(0, 1, 2));
  layers[gone].reset();
  Lines expected;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (i != gone) expected.push_back("free " + std::to_string(ids[i]));
  for (const Ioasid id : ids) CHECK(space.free(id) == Error::ok);
  CHECK(lines == expected);
}

TEST_CASE("layers come and go while others find and free what they left", "[threads]") {
  ioasid::Space space;
  std::atomic<unsigned> left{0};
  std::atomic<unsigned> freed{0};
  crew::work({[&](unsigned) {
                ioasid::SetSpace sets(space);
                const SetNumber set = sets.alloc_set({.quota = 9}).set;
                for (int i = 0; i < 9; ++i)
                  left += sets.alloc(set, all, &space) == invalid_ioasid ? 0 : 1;
              },
              [&](unsigned round) {
                const Ioasid id = round % 64;
                const Found found = space.find(nullptr, id);
                if (found && found.data != &space) left += 1'000'000;
                freed += space.free(id) == Error::ok ? 1 : 0;
              }});
  CHECK(left > 0);
  CHECK(left == freed + space.size());
}
