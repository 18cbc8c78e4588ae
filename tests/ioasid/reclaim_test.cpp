// Every call after which data may be deleted waits for the guards that were open.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"
#include "ioasid/readers.hpp"
#include "ioasid/references.hpp"
#include "ioasid/sets.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

using ioasid::Error;
using ioasid::Ioasid;
using ioasid::ReadGuard;
using ioasid::SetNumber;

namespace {

constexpr ioasid::Range all{1, 0xfffff};
// A call that does not wait is done long before.
constexpr std::chrono::milliseconds long_enough{60};

// Whether the call, in a thread of its own, goes on until this thread's guard is gone; a guard
// nested in that one goes before.
bool waits(const std::function<bool()>& call) {
  std::atomic<bool> returned{false};
  bool answer = false;
  std::thread caller;
  bool early = false;
  {
    const ReadGuard guard;
    caller = std::thread([&] {
      answer = call();
      returned = true;
    });
    { const ReadGuard nested; }
    std::this_thread::sleep_for(long_enough);
    early = returned;
  }
  caller.join();
  return answer && !early;
}

}  // namespace

TEST_CASE("free and set_data return when nobody can hold the old data", "[threads]") {
  ioasid::Space space;
  const Ioasid id = space.alloc(nullptr, all, nullptr);
  CHECK(waits([&] { return space.set_data(id, &space) == Error::ok; }));
  CHECK(waits([&] { return space.free(id) == Error::ok; }));
}

namespace {

// Gives 1, 2, 3 ... and loses the host at each free.
class Failing : public ioasid::Backend {
 public:
  Ioasid alloc(ioasid::Range, void*) override { return ++last_; }
  void free(Ioasid, void*) override { throw std::runtime_error("the host is gone"); }

 private:
  Ioasid last_ = 0;
};

bool throws(const std::function<void()>& call) {
  try {
    call();
    return false;
  } catch (const std::runtime_error&) {
    return true;
  }
}

}  // namespace

TEST_CASE("what ends an id waits for guards also when the backend throws", "[threads]") {
  ioasid::Space space;
  ioasid::References references(space);
  ioasid::SetSpace sets(space);
  Failing failing;
  const ioasid::AllocatorOps ops{&failing, &failing, nullptr};
  space.register_allocator(ops);
  const SetNumber set = sets.alloc_set({.quota = 9}).set;
  const Ioasid plain = space.alloc(nullptr, all, nullptr);
  const Ioasid referenced = references.alloc(nullptr, all, nullptr);
  const Ioasid a = sets.alloc(set, all, nullptr);
  const Ioasid b = sets.alloc(set, all, nullptr);
  sets.alloc(set, all, nullptr);
  CHECK(waits([&] { return throws([&] { space.free(plain); }); }));
  CHECK(waits([&] { return throws([&] { references.put(referenced); }); }));
  CHECK(waits([&] { return throws([&] { sets.free(set, a); }); }));
  CHECK(waits([&] { return throws([&] { sets.put(set, b); }); }));
  CHECK(waits([&] { return throws([&] { sets.free_all_in_set(set); }); }));
  CHECK(space.size() == 0);
}

TEST_CASE("an allocator has left when nobody can hold the data of its orphans", "[threads]") {
  ioasid::Space space;
  ioasid::DefaultBackend backend;
  const ioasid::AllocatorOps ops{&backend, &backend, nullptr};
  space.register_allocator(ops);
  space.alloc(nullptr, all, &space);
  std::vector<Ioasid> orphans;
  CHECK(waits([&] { return space.unregister_allocator(ops, &orphans) == Error::ok; }));
  CHECK(orphans.size() == 1);
  // Who holds a guard is not kept waiting for it.
  const ReadGuard guard;
  space.register_allocator(ops);
  CHECK(space.unregister_allocator(ops) == Error::ok);
}

TEST_CASE("the last put returns when nobody can hold the data", "[threads]") {
  ioasid::Space space;
  ioasid::References references(space);
  const Ioasid id = references.alloc(nullptr, all, nullptr);
  references.get(id);
  CHECK_FALSE(waits([&] { return !references.put(id); }));
  CHECK(waits([&] { return references.put(id); }));
}

TEST_CASE("what ends an id of a set, or takes its data, returns when nobody can hold it",
          "[threads]") {
  ioasid::Space space;
  ioasid::SetSpace sets(space);
  const SetNumber set = sets.alloc_set({.quota = 9}).set;
  const Ioasid a = sets.alloc(set, all, &space);
  const Ioasid b = sets.alloc(set, all, nullptr);
  sets.alloc(set, all, nullptr);
  CHECK(waits([&] { return sets.detach_data(a) == Error::ok; }));
  CHECK(waits([&] { return sets.free(set, a) == Error::ok; }));
  CHECK(waits([&] { return sets.put(set, b) == Error::ok; }));
  CHECK(waits([&] { return sets.free_all_in_set(set) == Error::ok; }));
}
