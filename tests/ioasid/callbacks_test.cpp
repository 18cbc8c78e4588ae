// What may be called from inside a helper and inside a guard, and what is refused there.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/space.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/support/catch.hpp"

#include <stdexcept>

using fakes::data;
using ioasid::AllocatorOps;
using ioasid::Error;
using ioasid::Ioasid;
using ioasid::Space;

namespace {

// Calls back into the space it serves.
class Meddler : public ioasid::Backend {
 public:
  explicit Meddler(Space& space) : space_(space) {}
  Ioasid alloc(ioasid::Range, void*) override {
    const AllocatorOps ops{this, this, nullptr};
    CHECK_THROWS_AS(space_.alloc(nullptr, {1, 2}, nullptr), ioasid::UsageError);
    CHECK_THROWS_AS(space_.free(1), ioasid::UsageError);
    CHECK_THROWS_AS(space_.set_data(1, nullptr), ioasid::UsageError);
    CHECK_THROWS_AS(space_.register_allocator(ops), ioasid::UsageError);
    CHECK_THROWS_AS(space_.unregister_allocator(ops), ioasid::UsageError);
    CHECK_THROWS_AS(space_.size(), ioasid::UsageError);
    CHECK(space_.find(nullptr, 1).error == Error::enoent);
    return 5;
  }
  void free(Ioasid id, void*) override {
    CHECK(space_.find(nullptr, id).error == Error::ok);  // still there while the helper runs
    throw std::runtime_error("the host is gone");
  }

 private:
  Space& space_;
};

class CountingLock : public ioasid::ExternalLock {
 public:
  void lock() override { held_ = true, ++count; }
  void unlock() override { held_ = false; }
  bool held() const override { return held_; }
  int count = 0;

 private:
  bool held_ = false;
};

}  // namespace

TEST_CASE("calls from inside a helper are refused, not deadlocked, and find works") {
  CountingLock lock;
  const bool external = GENERATE(false, true);
  Space space({.lock = external ? &lock : nullptr});
  Meddler meddler(space);
  const AllocatorOps ops{&meddler, &meddler, nullptr};
  space.register_allocator(ops);
  CHECK(space.alloc(nullptr, {1, 9}, nullptr) == 5);
  CHECK_THROWS_WITH(space.free(5), "the host is gone");
  // The id is gone nevertheless, and the lock is free.
  CHECK(space.find(nullptr, 5).error == Error::enoent);
  CHECK(space.size() == 0);
  CHECK((lock.count > 0) == external);
}

namespace {

// Gets its ids from another space, as a guest does from its host.
class FromHost : public ioasid::Backend {
 public:
  explicit FromHost(Space& host) : host_(host) {}
  Ioasid alloc(ioasid::Range range, void*) override {
    const Ioasid id = host_.alloc(nullptr, range, nullptr);
    CHECK_THROWS_AS(host_.set_data(id, data(1)), ioasid::UsageError);
    CHECK_THROWS_AS(ioasid::synchronize(), ioasid::UsageError);
    CHECK(host_.set_data_without_waiting(id, data(2)) == Error::ok);
    return id;
  }
  void free(Ioasid id, void*) override { CHECK(host_.free(id) == Error::ok); }

 private:
  Space& host_;
};

}  // namespace

TEST_CASE("a helper may use other spaces, but not wait for readers there") {
  Space host;
  Space guest;
  FromHost backend(host);
  const AllocatorOps ops{&backend, &backend, nullptr};
  guest.register_allocator(ops);
  REQUIRE(guest.alloc(nullptr, {7, 9}, nullptr) == 7);
  CHECK(host.find(nullptr, 7).data == data(2));
  // Outside it is as always.
  CHECK(host.set_data(7, data(3)) == Error::ok);
  CHECK(guest.free(7) == Error::ok);
  CHECK(host.size() == 0);
}

TEST_CASE("calls that wait for readers are refused inside a guard, free does not wait there") {
  Space space;
  const Ioasid id = space.alloc(nullptr, {1, 9}, data(1));
  {
    const ioasid::ReadGuard guard;
    CHECK_THROWS_AS(space.set_data(id, nullptr), ioasid::UsageError);
    CHECK_THROWS_AS(ioasid::synchronize(), ioasid::UsageError);
    CHECK(space.find(nullptr, id).data == data(1));
    const ioasid::ReadGuard nested;
    CHECK(space.free(id) == Error::ok);
  }
  CHECK_NOTHROW(ioasid::synchronize());
}
