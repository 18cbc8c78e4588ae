// Sets whose ids end otherwise than by a free: backends that throw, allocators that leave.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/references.hpp"
#include "ioasid/sets.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/ioasid/sets_rig.hpp"
#include "tests/support/catch.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace sets_rig;
using fakes::data;

namespace {

// Gives 1, 2, 3 ..., and loses the host at each free, saying which one it was.
class Failing : public ioasid::Backend {
 public:
  Ioasid alloc(ioasid::Range, void*) override { return ++last_; }
  void free(Ioasid id, void*) override {
    throw std::runtime_error("no host for " + std::to_string(id));
  }

 private:
  Ioasid last_ = 0;
};

// A rig with a backend that gives what it is told.
struct Custom : Rig {
  fakes::Scripted backend;
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  Custom() { space.register_allocator(ops); }
  Ioasid alloc(SetNumber set, Ioasid id) {
    backend.next = id;
    return sets.alloc(set, all, data(id));
  }
};

}  // namespace

TEST_CASE("a set that is freed goes with its last id also when the backend throws") {
  Failing failing;
  const ioasid::AllocatorOps ops{&failing, &failing, nullptr};
  Rig rig;
  rig.space.register_allocator(ops);
  const SetNumber set = rig.make({.quota = 5});
  REQUIRE(rig.sets.alloc(set, all, nullptr) == 1);
  CHECK(rig.sets.free_set(set) == Error::ebusy);
  CHECK_THROWS_WITH(rig.sets.free(set, 1), "no host for 1");
  CHECK(rig.space.find(nullptr, 1).error == Error::enoent);
  CHECK(rig.sets.free_set(set) == Error::enoent);
  CHECK(rig.sets.capacity_left() == ioasid::SetSpace::default_capacity);
}

TEST_CASE("all ids of a set are freed though the backend throws for each, and the first is told") {
  Failing failing;
  const ioasid::AllocatorOps ops{&failing, &failing, nullptr};
  Rig rig;
  rig.space.register_allocator(ops);
  const SetNumber set = rig.make({.quota = 5});
  for (int i = 0; i < 3; ++i) rig.sets.alloc(set, all, nullptr);
  CHECK_THROWS_WITH(rig.sets.free_all_in_set(set), "no host for 1");
  CHECK(rig.sets.size(set) == 0);
  CHECK(rig.space.size() == 0);
}

TEST_CASE("a pending id takes neither an alias nor data, and may lose both") {
  Rig rig;
  const SetNumber set = rig.make({.quota = 5});
  const Ioasid bare = rig.sets.alloc(set, all, nullptr);
  const Ioasid full = rig.sets.alloc(set, all, data(1));
  rig.sets.attach_spid(full, 8);
  for (const Ioasid id : {bare, full}) {
    rig.sets.get(set, id);
    REQUIRE(rig.sets.free(set, id) == Error::ok);
  }
  CHECK(rig.sets.attach_spid(bare, 7) == Error::ebusy);
  CHECK(rig.sets.attach_data(bare, data(2)) == Error::ebusy);
  CHECK(rig.sets.find(set, bare).data == nullptr);
  CHECK(rig.sets.detach_spid(full) == Error::ok);
  CHECK(rig.sets.detach_data(full) == Error::ok);
  CHECK(rig.sets.attach_data(full, data(2)) == Error::ebusy);
}

TEST_CASE("ids end when their allocator leaves, and each transition is told once") {
  Custom rig;
  Lines lines;
  Recorder recorder("", lines);
  const SetNumber one = rig.make({.quota = 3});
  const SetNumber two = rig.make({.quota = 2});
  REQUIRE(rig.alloc(two, 9) == 9);
  REQUIRE(rig.alloc(one, 5) == 5);
  REQUIRE(rig.alloc(one, 3) == 3);
  REQUIRE(rig.alloc(one, 4) == 4);
  rig.sets.attach_spid(3, 30);
  rig.sets.attach_spid(4, 40);
  rig.sets.get(one, 4);
  rig.sets.get(one, 5);
  rig.sets.free(one, 4);  // pending: its users know
  rig.sets.register_notifier(recorder, Priority::cpu);
  std::vector<Ioasid> orphans;
  CHECK(rig.space.unregister_allocator(rig.ops, &orphans) == Error::ok);
  CHECK(orphans == std::vector<Ioasid>{3, 4, 5, 9});
  CHECK(std::exchange(lines, {}) ==
        Lines{"free 3 as 30", "unbind 3 as 30", "unbind 4 as 40", "free 5", "free 9"});
  for (const Ioasid id : {3u, 4u, 5u, 9u}) {
    CHECK(rig.sets.get(no_set, id) == Error::einval);
    CHECK(rig.sets.put(no_set, id) == Error::einval);
    CHECK(rig.sets.free(one, id) == Error::enoent);
    CHECK(rig.sets.attach_spid(id, 1) == Error::enoent);
    CHECK(rig.sets.find_set(id) == no_set);
  }
  CHECK(rig.sets.find_by_spid(one, 30) == invalid_ioasid);
  CHECK(rig.sets.size(one) == 0);
  // Quotas and numbers are there again; an id that takes one is told as any other.
  CHECK(rig.sets.alloc(two, {9, 9}, nullptr) == 9);
  CHECK(lines == Lines{"alloc 9"});
}

TEST_CASE("who is told that an allocator left can still find what the id stood for") {
  class Looking : public ioasid::Notifier {
   public:
    explicit Looking(ioasid::SetSpace& sets) : sets_(sets) {}
    void notify(const ioasid::Notice& notice) noexcept override {
      told = notice.data;
      found = sets_.find(notice.set, notice.id).data;
    }
    void* told = nullptr;
    void* found = nullptr;

   private:
    ioasid::SetSpace& sets_;
  };
  Custom rig;
  rig.alloc(rig.make({.quota = 3}), 7);
  Looking looking(rig.sets);
  rig.sets.register_notifier(looking, Priority::cpu);
  rig.space.unregister_allocator(rig.ops);
  CHECK(looking.told == data(7));
  CHECK(looking.found == data(7));
}

TEST_CASE("ids stay when one of several sharers, or an allocator that stands by, leaves") {
  Custom rig;
  fakes::Scripted stands_by;
  const ioasid::AllocatorOps sharer{&rig.backend, &rig.backend, data(2)};
  const ioasid::AllocatorOps other{&stands_by, &stands_by, nullptr};
  rig.space.register_allocator(sharer);
  rig.space.register_allocator(other);
  const SetNumber set = rig.make({.quota = 3});
  REQUIRE(rig.alloc(set, 7) == 7);
  rig.space.unregister_allocator(rig.ops);
  rig.space.unregister_allocator(other);
  CHECK(rig.sets.find_set(7) == set);
  rig.space.unregister_allocator(sharer);
  CHECK(rig.sets.find_set(7) == no_set);
}

TEST_CASE("a set that is freed goes when its allocator leaves with its ids") {
  Custom rig;
  const SetNumber set = rig.make({.quota = 2});
  REQUIRE(rig.alloc(set, 1) == 1);
  REQUIRE(rig.sets.free_set(set) == Error::ebusy);
  rig.space.unregister_allocator(rig.ops);
  CHECK(rig.sets.free_set(set) == Error::enoent);
  CHECK(rig.sets.capacity_left() == ioasid::SetSpace::default_capacity);
}

TEST_CASE("an id that is freed behind the sets' back ends there and then") {
  const bool by_space = GENERATE(true, false);
  const bool pending = GENERATE(false, true);
  Rig rig;
  Lines lines;
  Recorder recorder("", lines);
  const SetNumber one = rig.make({.quota = 1});
  const SetNumber two = rig.make({.quota = 1});
  const Ioasid id = rig.sets.alloc(one, all, nullptr);
  rig.sets.attach_spid(id, 3);
  if (pending) {
    rig.sets.get(one, id);
    rig.sets.free(one, id);
  }
  REQUIRE(rig.sets.free_set(one) == Error::ebusy);
  rig.sets.register_notifier(recorder, Priority::cpu);
  if (by_space)
    REQUIRE(rig.space.free(id) == Error::ok);
  else
    REQUIRE(ioasid::References(rig.space).put(id));
  CHECK(lines == (pending ? Lines{"unbind 1 as 3"} : Lines{"free 1 as 3", "unbind 1 as 3"}));
  CHECK(rig.sets.free_set(one) == Error::enoent);
  CHECK(rig.sets.alloc(two, all, nullptr) == id);
  CHECK(rig.sets.find_set(id) == two);
}

TEST_CASE("an id that was freed behind the sets' back and is somebody else's now is left alone") {
  const bool layer = GENERATE(false, true);
  Rig rig;
  ioasid::SetSpace others(rig.space);
  const SetNumber set = rig.make({ioasid::SetType::mm, &rig, 5});
  const SetNumber theirs = others.alloc_set({.quota = 5}).set;
  const Ioasid id = rig.sets.alloc(set, all, data(1));
  rig.sets.attach_spid(id, 3);
  rig.sets.get(set, id);
  rig.space.free(id);
  const Ioasid again =
      layer ? others.alloc(theirs, all, nullptr) : rig.space.alloc(nullptr, all, nullptr);
  REQUIRE(again == id);
  CHECK(rig.sets.put(set, id) == Error::einval);
  CHECK(rig.sets.put(no_set, id) == Error::einval);
  CHECK(rig.sets.free(set, id) == Error::enoent);
  CHECK(rig.sets.get(no_set, id) == Error::einval);
  CHECK(rig.sets.get_if_owned(&rig, id) == Error::enoent);
  CHECK(rig.sets.attach_data(id, data(2)) == Error::enoent);
  CHECK(rig.sets.detach_data(id) == Error::enoent);
  CHECK(rig.sets.attach_spid(id, 4) == Error::enoent);
  CHECK(rig.sets.detach_spid(id) == Error::enoent);
  CHECK(rig.sets.find_by_spid(set, 3, true) == invalid_ioasid);
  CHECK(rig.sets.references(id) == 0);
  CHECK(rig.sets.size(set) == 0);
  CHECK(rig.sets.free_all_in_set(set) == Error::ok);
  CHECK(rig.space.find(nullptr, id) == ioasid::Found{Error::ok, nullptr});
  CHECK(others.find_set(id) == (layer ? theirs : no_set));
}

TEST_CASE("a layer that is gone is not told any more") {
  Custom rig;
  Lines lines;
  Recorder recorder("", lines);
  {
    ioasid::SetSpace short_lived(rig.space);
    const ioasid::References shorter(rig.space);
    short_lived.register_notifier(recorder, Priority::cpu);
    rig.backend.next = 7;
    REQUIRE(short_lived.alloc(short_lived.alloc_set({.quota = 1}).set, all, nullptr) == 7);
  }
  lines.clear();
  CHECK(rig.space.unregister_allocator(rig.ops) == Error::ok);
  CHECK(lines.empty());
}

TEST_CASE("a quota of 0 is all that is left for a new set, and nothing for one that is there") {
  Rig rig;
  rig.sets.install_capacity(10);
  const SetNumber set = rig.make({.quota = 0});
  CHECK(rig.sets.capacity_left() == 0);
  CHECK(rig.sets.adjust_quota(set, 0) == Error::ok);
  CHECK(rig.sets.capacity_left() == 10);
  CHECK(rig.sets.alloc(set, all, nullptr) == invalid_ioasid);
}
