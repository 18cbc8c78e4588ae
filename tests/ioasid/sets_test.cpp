// Sets with quotas, pending frees, aliases and notifiers.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/sets.hpp"

#include "ioasid/references.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/ioasid/sets_rig.hpp"
#include "tests/support/catch.hpp"

#include <utility>
#include <vector>

using namespace sets_rig;
using fakes::data;
using ioasid::SetSpec;
using ioasid::SetType;

namespace {

const char mm_one = 0;
const char mm_two = 0;

}  // namespace

TEST_CASE("a set needs a token exactly when a process owns it, and each token has one set") {
  Rig rig;
  CHECK(rig.sets.alloc_set({.type = SetType::mm}).error == Error::einval);
  CHECK(rig.sets.alloc_set({.token = &mm_one}).error == Error::einval);
  CHECK(rig.sets.alloc_set({.type = static_cast<SetType>(2)}).error == Error::einval);
  const SetNumber set = rig.make({SetType::mm, &mm_one, 10});
  CHECK(rig.sets.alloc_set({SetType::mm, &mm_one, 1}).error == Error::eexist);
  CHECK(rig.sets.find_mm_set(&mm_one) == set);
  CHECK(rig.sets.find_mm_set(&mm_two) == no_set);
  CHECK(rig.sets.free_set(set) == Error::ok);
  CHECK(rig.sets.free_set(set) == Error::enoent);
  CHECK(rig.sets.alloc_set({SetType::mm, &mm_one, 1}).error == Error::ok);
}

TEST_CASE("quotas are taken from the capacity when the set is made and returned with it") {
  Rig rig;
  CHECK(rig.sets.install_capacity(100) == Error::ok);
  CHECK(rig.sets.install_capacity(200) == Error::ebusy);
  const SetNumber set = rig.make({.quota = 60});
  CHECK(rig.sets.alloc_set({.quota = 41}).error == Error::enospc);
  CHECK(rig.sets.reserve_capacity(41) == Error::enospc);
  CHECK(rig.sets.reserve_capacity(30) == Error::ok);
  CHECK(rig.sets.cancel_capacity(31) == Error::einval);
  const SetNumber rest = rig.make({.quota = 0});
  CHECK(rig.sets.capacity_left() == 0);
  CHECK(rig.sets.alloc_set({.quota = 0}).error == Error::enospc);
  CHECK(rig.sets.reserve_capacity(0) == Error::enospc);
  CHECK(rig.sets.free_set(rest) == Error::ok);
  CHECK(rig.sets.capacity_left() == 10);
  CHECK(rig.sets.cancel_capacity(30) == Error::ok);
  CHECK(rig.sets.reserve_capacity(0) == Error::ok);
  CHECK(rig.sets.cancel_capacity(40) == Error::ok);
  CHECK(rig.sets.adjust_quota(set, 101) == Error::enospc);
  CHECK(rig.sets.adjust_quota(set, 100) == Error::ok);
  CHECK(rig.sets.capacity_left() == 0);
  CHECK(rig.sets.adjust_quota(99, 1) == Error::enoent);
}

TEST_CASE("a capacity that is in use is not replaced") {
  Rig rig;
  SECTION("by a set") { rig.make({.quota = 1}); }
  SECTION("by a reservation") { REQUIRE(rig.sets.reserve_capacity(1) == Error::ok); }
  CHECK(rig.sets.install_capacity(10) == Error::ebusy);
  CHECK(rig.sets.capacity_left() == ioasid::SetSpace::default_capacity - 1);
}

TEST_CASE("a capacity is in use as long as there is a set, also one whose quota is 0") {
  Rig rig;
  const SetNumber set = rig.make({.quota = 5});
  CHECK(rig.sets.adjust_quota(set, 0) == Error::ok);
  CHECK(rig.sets.capacity_left() == ioasid::SetSpace::default_capacity);
  CHECK(rig.sets.install_capacity(10) == Error::ebusy);
  CHECK(rig.sets.adjust_quota(set, 11) == Error::ok);  // it takes of what was there
  CHECK(rig.sets.free_set(set) == Error::ok);
  CHECK(rig.sets.install_capacity(10) == Error::ok);
  CHECK(rig.sets.capacity_left() == 10);
  CHECK(rig.sets.install_capacity(10) == Error::ebusy);
}

TEST_CASE("a set at its quota gets no more ids, and may not shrink below what it holds") {
  Rig rig;
  const SetNumber set = rig.make({.quota = 2});
  CHECK(rig.sets.alloc(set, all, nullptr) == 1);
  CHECK(rig.sets.alloc(set, all, nullptr) == 2);
  CHECK(rig.sets.alloc(set, all, nullptr) == invalid_ioasid);
  CHECK(rig.sets.adjust_quota(set, 1) == Error::enospc);
  CHECK(rig.sets.free(set, 1) == Error::ok);
  CHECK(rig.sets.alloc(set, all, nullptr) == 1);
  CHECK(rig.sets.alloc(77, all, nullptr) == invalid_ioasid);
  CHECK(rig.sets.alloc(no_set, all, nullptr) == invalid_ioasid);
}

TEST_CASE("a set that is freed with ids goes with its last one") {
  Rig rig;
  const SetNumber set = rig.make({.quota = 5});
  rig.sets.alloc(set, all, nullptr);
  rig.sets.alloc(set, all, nullptr);
  CHECK(rig.sets.free_set(set) == Error::ebusy);
  CHECK(rig.sets.alloc(set, all, nullptr) == invalid_ioasid);
  CHECK(rig.sets.free(set, 1) == Error::ok);
  CHECK(rig.sets.size(set) == 1);
  CHECK(rig.sets.free(set, 2) == Error::ok);
  CHECK(rig.sets.free_set(set) == Error::enoent);
  CHECK(rig.sets.capacity_left() == ioasid::SetSpace::default_capacity);
}

TEST_CASE("an id in use stays pending after free until the last reference goes") {
  Rig rig;
  const SetNumber set = rig.make({.quota = 5});
  const SetNumber other = rig.make({.quota = 5});
  const Ioasid id = rig.sets.alloc(set, all, data(4));
  CHECK(rig.sets.get(other, id) == Error::eacces);
  CHECK(rig.sets.get(set, id + 1) == Error::einval);
  CHECK(rig.sets.get(set, id) == Error::ok);
  CHECK(rig.sets.free(other, id) == Error::eacces);
  CHECK(rig.sets.free(set, id) == Error::ok);
  CHECK(rig.sets.free(set, id) == Error::ok);  // once is enough
  CHECK(rig.sets.references(id) == 1);
  CHECK(rig.sets.get(no_set, id) == Error::ebusy);
  CHECK(rig.sets.get(other, id) == Error::ebusy);  // looked at before whose it is
  CHECK(rig.sets.find(set, id).data == data(4));
  CHECK(rig.sets.find(other, id).error == Error::eacces);
  CHECK(rig.sets.alloc(other, {id, id}, nullptr) == invalid_ioasid);
  CHECK(rig.sets.put(set, id) == Error::ok);
  CHECK(rig.sets.find(set, id).error == Error::enoent);
  CHECK(rig.sets.put(set, id) == Error::einval);
  CHECK(rig.sets.free(set, id) == Error::enoent);
  CHECK(rig.sets.alloc(other, {id, id}, nullptr) == id);
}

TEST_CASE("a process gets a reference only on an id of its own set") {
  Rig rig;
  const SetNumber mine = rig.make({SetType::mm, &mm_one, 5});
  const SetNumber nobodys = rig.make({.quota = 5});
  const Ioasid id = rig.sets.alloc(mine, all, nullptr);
  const Ioasid other = rig.sets.alloc(nobodys, all, nullptr);
  CHECK(rig.sets.get_if_owned(&mm_one, 99) == Error::enoent);
  CHECK(rig.sets.get_if_owned(&mm_one, other) == Error::einval);
  CHECK(rig.sets.get_if_owned(&mm_two, id) == Error::eperm);
  CHECK(rig.sets.get_if_owned(&mm_one, id) == Error::ok);
  CHECK(rig.sets.references(id) == 2);
  rig.sets.free(mine, id);
  CHECK(rig.sets.get_if_owned(&mm_one, id) == Error::ebusy);
}

TEST_CASE("data is attached once until it is detached") {
  Rig rig;
  const SetNumber set = rig.make({.quota = 5});
  const Ioasid id = rig.sets.alloc(set, all, nullptr);
  CHECK(rig.sets.attach_data(id, data(1)) == Error::ok);
  CHECK(rig.sets.attach_data(id, data(2)) == Error::ebusy);
  CHECK(rig.sets.detach_data(id) == Error::ok);
  CHECK(rig.sets.attach_data(id, data(2)) == Error::ok);
  CHECK(rig.sets.find(set, id).data == data(2));
  CHECK(rig.sets.attach_data(9, data(2)) == Error::enoent);
  CHECK(rig.sets.detach_data(9) == Error::enoent);
}

TEST_CASE("an alias is unique in its set and free in others") {
  Rig rig;
  const SetNumber one = rig.make({.quota = 5});
  const SetNumber two = rig.make({.quota = 5});
  const Ioasid a = rig.sets.alloc(one, all, nullptr);
  const Ioasid b = rig.sets.alloc(one, all, nullptr);
  const Ioasid c = rig.sets.alloc(two, all, nullptr);
  CHECK(rig.sets.attach_spid(99, 7) == Error::enoent);
  CHECK(rig.sets.attach_spid(99, invalid_ioasid) == Error::einval);
  CHECK(rig.sets.attach_spid(a, invalid_ioasid) == Error::einval);
  CHECK(rig.sets.attach_spid(a, 7) == Error::ok);
  CHECK(rig.sets.attach_spid(a, 7) == Error::einval);
  CHECK(rig.sets.attach_spid(a, 8) == Error::ebusy);
  CHECK(rig.sets.attach_spid(b, 7) == Error::einval);
  CHECK(rig.sets.attach_spid(c, 7) == Error::ok);
  CHECK(rig.sets.find_by_spid(one, 7) == a);
  CHECK(rig.sets.find_by_spid(two, 7, true) == c);
  CHECK(rig.sets.references(c) == 2);
  rig.sets.free(two, c);
  CHECK(rig.sets.find_by_spid(two, 7, true) == invalid_ioasid);
  CHECK(rig.sets.find_by_spid(two, 7) == c);
  CHECK(rig.sets.find_by_spid(99, 7) == invalid_ioasid);
  CHECK(rig.sets.detach_spid(a) == Error::ok);
  CHECK(rig.sets.detach_spid(a) == Error::enoent);
  CHECK(rig.sets.attach_spid(b, 7) == Error::ok);
}

TEST_CASE("each transition is told once, the processor first") {
  Rig rig;
  Lines lines;
  Recorder cpu("cpu ", lines);
  Recorder iommu("iommu ", lines);
  Recorder device("device ", lines);
  CHECK(rig.sets.register_notifier(device, Priority::device) == Error::ok);
  CHECK(rig.sets.register_notifier(cpu, Priority::cpu) == Error::ok);
  CHECK(rig.sets.register_notifier(iommu, Priority::iommu) == Error::ok);
  CHECK(rig.sets.register_notifier(iommu, Priority::iommu) == Error::eexist);
  const SetNumber set = rig.make({.quota = 5});
  const Ioasid id = rig.sets.alloc(set, all, nullptr);
  CHECK(std::exchange(lines, {}) == Lines{"cpu alloc 1", "iommu alloc 1", "device alloc 1"});
  CHECK(rig.sets.unregister_notifier(iommu) == Error::ok);
  CHECK(rig.sets.unregister_notifier(iommu) == Error::enoent);
  CHECK(rig.sets.unregister_notifier(device) == Error::ok);
  rig.sets.attach_spid(id, 5);
  rig.sets.get(set, id);
  rig.sets.free(set, id);
  rig.sets.free(set, id);
  rig.sets.put(set, id);
  CHECK(lines == Lines{"cpu bind 1 as 5", "cpu free 1 as 5", "cpu unbind 1 as 5"});
}

TEST_CASE("of one priority who came first is told first") {
  Rig rig;
  Lines lines;
  Recorder first("first ", lines);
  Recorder second("second ", lines);
  rig.sets.register_notifier(first, Priority::iommu);
  rig.sets.register_notifier(second, Priority::iommu);
  rig.sets.alloc(rig.make({.quota = 1}), all, nullptr);
  CHECK(lines == Lines{"first alloc 1", "second alloc 1"});
}

TEST_CASE("a process's chain may be joined before its set exists") {
  Rig rig;
  Lines lines;
  Recorder vm("vm ", lines);
  Recorder system("system ", lines);
  Recorder one("set ", lines);
  CHECK(rig.sets.register_notifier_mm(vm, Priority::cpu, nullptr) == Error::einval);
  CHECK(rig.sets.register_notifier_mm(vm, Priority::cpu, &mm_one) == Error::ok);
  CHECK(rig.sets.register_notifier(system, Priority::cpu) == Error::ok);
  const SetNumber set = rig.make({SetType::mm, &mm_one, 5});
  const SetNumber other = rig.make({SetType::mm, &mm_two, 5});
  CHECK(rig.sets.register_notifier(one, Priority::cpu, set) == Error::ok);
  CHECK(rig.sets.register_notifier(one, Priority::cpu, 99) == Error::enoent);
  rig.sets.alloc(set, all, nullptr);
  rig.sets.alloc(other, all, nullptr);
  CHECK(lines == Lines{"set alloc 1", "vm alloc 1", "system alloc 1", "system alloc 2"});
  CHECK(rig.sets.unregister_notifier(one) == Error::ok);
  CHECK(rig.sets.unregister_notifier(vm) == Error::ok);
  lines.clear();
  rig.sets.alloc(set, all, nullptr);
  CHECK(lines == Lines{"system alloc 3"});
}

TEST_CASE("all ids of a set are visited in order and freed together") {
  Rig rig;
  const SetNumber set = rig.make({.quota = 9});
  const SetNumber other = rig.make({.quota = 9});
  for (int i = 0; i < 3; ++i) {
    rig.sets.alloc(set, all, nullptr);
    rig.sets.alloc(other, all, nullptr);
  }
  std::vector<Ioasid> seen;
  CHECK(rig.sets.for_each(set, [&](Ioasid id) { seen.push_back(id); }) == Error::ok);
  CHECK(seen == std::vector<Ioasid>{1, 3, 5});
  CHECK(rig.sets.for_each(99, [](Ioasid) {}) == Error::enoent);
  rig.sets.get(set, 3);
  CHECK(rig.sets.free_all_in_set(set) == Error::ok);
  CHECK(rig.sets.size(set) == 1);
  CHECK(rig.sets.find_set(3) == set);
  CHECK(rig.sets.find_set(1) == no_set);
  CHECK(rig.sets.free_all_in_set(99) == Error::enoent);
  CHECK(rig.sets.size(other) == 3);
}

namespace {

class Meddler : public ioasid::Notifier {
 public:
  explicit Meddler(ioasid::SetSpace& sets) : sets_(sets) {}
  void notify(const ioasid::Notice& notice) noexcept override {
    found = sets_.find(no_set, notice.id).error == Error::ok;
    try {
      sets_.get(no_set, notice.id);
    } catch (const ioasid::UsageError&) {
      refused = true;
    }
  }
  bool found = false;
  bool refused = false;

 private:
  ioasid::SetSpace& sets_;
};

}  // namespace

namespace {

// The data of the FREE and UNBIND notices, as they come.
struct Endings : ioasid::Notifier {
  void notify(const ioasid::Notice& notice) noexcept override {
    if (notice.event == ioasid::Event::free || notice.event == ioasid::Event::unbind)
      data.push_back(notice.data);
  }
  std::vector<void*> data;
};

}  // namespace

TEST_CASE("who is told that the space freed an id is told its data, and nothing of a successor") {
  Rig rig;
  int first = 0;
  int second = 0;
  const SetNumber set = rig.make({.quota = 5});
  const Ioasid id = rig.sets.alloc(set, {7, 7}, &first);
  CHECK(rig.sets.attach_spid(id, 1) == Error::ok);
  Endings endings;
  rig.sets.register_notifier(endings, ioasid::Priority::cpu);
  rig.space.free(id);
  CHECK(endings.data == std::vector<void*>{&first, &first});
  REQUIRE(rig.space.alloc(&rig, {7, 7}, &second) == id);
  CHECK(rig.sets.free(set, id) == Error::enoent);
  CHECK(endings.data.size() == 2);
}

TEST_CASE("two SetSpaces on one space do not take each other's sets for their own") {
  Rig rig;
  ioasid::SetSpace others(rig.space);
  const SetNumber mine = rig.make({.quota = 5});
  const SetNumber theirs = others.alloc_set({.quota = 5}).set;
  CHECK(mine != theirs);
  const Ioasid id = rig.sets.alloc(mine, all, data(1));
  CHECK(others.find(theirs, id).error == Error::eacces);
  CHECK(others.find(mine, id).error == Error::eacces);  // none of its own, whoever else's
  CHECK(others.find(no_set, id).data == data(1));       // as the space itself
  CHECK(others.find_set(id) == no_set);
  CHECK(others.free(theirs, id) == Error::enoent);
  CHECK(others.size(mine) == 0);
  CHECK(others.free_set(mine) == Error::enoent);
  CHECK(rig.sets.find(mine, id) == ioasid::Found{Error::ok, data(1)});
  CHECK(rig.space.ids(nullptr).size() == 1);
}

TEST_CASE("no layer is made on a space where a live id may have a second owner") {
  ioasid::Space space({.track_beside_live = true});
  CHECK_THROWS_AS(ioasid::SetSpace(space), ioasid::UsageError);
  CHECK_THROWS_AS(ioasid::References(space), ioasid::UsageError);
  CHECK(space.alloc(nullptr, all, nullptr) == 1);  // and it is as before
}

TEST_CASE("a set is not found by an object whose address is the set's number") {
  Rig rig;
  const SetNumber set = rig.make({.quota = 1});
  const Ioasid id = rig.sets.alloc(set, all, data(1));
  CHECK(rig.space.find(data(set), id).error == Error::eacces);
  CHECK(rig.sets.find(set, id).data == data(1));
}

TEST_CASE("a notifier may find, and nothing else") {
  Rig rig;
  Meddler meddler(rig.sets);
  rig.sets.register_notifier(meddler, Priority::cpu);
  rig.sets.alloc(rig.make({.quota = 1}), all, nullptr);
  CHECK(meddler.found);
  CHECK(meddler.refused);
}
