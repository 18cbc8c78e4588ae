// The backends, each by itself and behind a space.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"

#include "ioasid/space.hpp"
#include "ioasid/vcmd.hpp"
#include "tests/ioasid/fakes.hpp"
#include "tests/support/catch.hpp"

#include <chrono>
#include <stdexcept>
#include <thread>

using ioasid::AllocatorOps;
using ioasid::Error;
using ioasid::invalid_ioasid;
using ioasid::Ioasid;

TEST_CASE("the default backend gives the lowest free id of the range") {
  ioasid::DefaultBackend backend;
  CHECK(backend.alloc({3, 5}, nullptr) == 3);
  CHECK(backend.reserve(4));
  CHECK_FALSE(backend.reserve(4));
  CHECK(backend.alloc({3, 5}, nullptr) == 5);
  CHECK(backend.alloc({3, 5}, nullptr) == invalid_ioasid);
  backend.free(4, nullptr);
  backend.free(4, nullptr);
  CHECK(backend.alloc({3, 5}, nullptr) == 4);
  CHECK(backend.size() == 3);
  CHECK_FALSE(backend.reserve(invalid_ioasid));
}

TEST_CASE("guests with local numbers may hold the same one") {
  ioasid::GuestLocalBackend one({1, 3});
  ioasid::GuestLocalBackend two({1, 3});
  CHECK(one.alloc({0, 100}, nullptr) == 1);
  CHECK(two.alloc({0, 100}, nullptr) == 1);
  CHECK(one.reserve(3));
  CHECK_FALSE(one.reserve(0));
  CHECK_FALSE(one.reserve(4));
  ioasid::DefaultBackend& as_any_other = one;
  CHECK_FALSE(as_any_other.reserve(4));
  CHECK(one.alloc({3, 100}, nullptr) == invalid_ioasid);
  ioasid::Space space;
  const AllocatorOps first{&one, &one, nullptr};
  const AllocatorOps second{&two, &two, nullptr};
  CHECK(space.register_allocator(first) == Error::ok);
  CHECK(space.register_allocator(second) == Error::ok);
  CHECK(space.alloc(nullptr, {0, 100}, nullptr) == 2);
}

TEST_CASE("global ids begin at 1 and end below max_pasids") {
  fakes::Log log;
  ioasid::GlobalIdAllocator global(&log);
  CHECK(global.alloc_global(0) == invalid_ioasid);
  CHECK(global.alloc_global(1) == invalid_ioasid);
  CHECK(global.alloc_global(3) == 1);
  CHECK(global.alloc_global(3) == 2);
  CHECK(global.alloc_global(3) == invalid_ioasid);
  global.free_global(1);
  CHECK(global.alloc_global(0xffffffffu) == 1);
  CHECK(log.take().empty());
  global.free_global(invalid_ioasid);
  CHECK(log.take() == std::vector<std::string>{"WARN:free_invalid"});
  CHECK(global.size() == 2);
  CHECK(global.alloc({0x7fffffffu, 0xffffffffu}, nullptr) == 0x7fffffffu);
  CHECK(global.alloc({0x7fffffffu, 0xffffffffu}, nullptr) == invalid_ioasid);
}

namespace {

// A host that answers from its own space, at once or from another thread.
class Host : public ioasid::VcmdChannel {
 public:
  Host(ioasid::Space& space, bool later, ioasid::Range range = {100, 101})
      : space_(space), later_(later), range_(range) {}
  ~Host() override {
    for (std::thread& thread : threads_) thread.join();
  }
  void submit(std::uint64_t command, ioasid::VcmdCompletion& completion) override {
    commands.push_back(command);
    if (!later_) return completion.complete(answer(command));
    threads_.emplace_back([this, command, &completion] {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      completion.complete(answer(command));
    });
  }
  std::vector<std::uint64_t> commands;

 private:
  std::uint64_t answer(std::uint64_t command) {
    if (command == ioasid::vcmd::alloc_command) {
      const Ioasid id = space_.alloc(this, range_, nullptr);
      return id == invalid_ioasid ? ioasid::vcmd::no_pasid : ioasid::vcmd::response_with(id);
    }
    space_.free(ioasid::vcmd::result_of(command));
    return 0;
  }
  ioasid::Space& space_;
  bool later_;
  ioasid::Range range_;
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("virtual commands fetch ids from the host, whether it answers at once or later") {
  const bool later = GENERATE(false, true);
  ioasid::Space host_space;
  Host first(host_space, later);
  Host second(host_space, later);
  ioasid::VcmdBackend driver;
  const AllocatorOps a = driver.ops(first);
  const AllocatorOps b = driver.ops(second);
  ioasid::Space guest;
  REQUIRE(guest.register_allocator(a) == Error::ok);
  REQUIRE(guest.register_allocator(b) == Error::ok);
  CHECK(guest.alloc(nullptr, {1, 0xfffff}, nullptr) == 100);
  CHECK(guest.alloc(nullptr, {1, 0x100000}, nullptr) == 101);
  CHECK(guest.alloc(nullptr, {1, 0xfffff}, nullptr) == invalid_ioasid);
  CHECK(first.commands.size() == 3);
  // One id space for both: when the first vIOMMU goes the second one carries on.
  REQUIRE(guest.unregister_allocator(a) == Error::ok);
  CHECK(guest.free(100) == Error::ok);
  CHECK(second.commands == std::vector<std::uint64_t>{0x640002});
  CHECK(host_space.size() == 1);
}

TEST_CASE("an id of 20 bits that still has data is freed in the host, whole") {
  ioasid::Space host_space;
  Host host(host_space, false, {0xf0001, 0xf0002});
  ioasid::VcmdBackend driver;
  const AllocatorOps ops = driver.ops(host);
  ioasid::Space guest;
  REQUIRE(guest.register_allocator(ops) == Error::ok);
  REQUIRE(guest.alloc(nullptr, {1, 0xfffff}, &guest) == 0xf0001);
  REQUIRE(guest.alloc(nullptr, {1, 0xfffff}, &guest) == 0xf0002);
  CHECK(guest.free(0xf0002) == Error::ok);
  CHECK(host_space.ids() == std::vector<Ioasid>{0xf0001});
}

TEST_CASE("a range the virtual command cannot serve is refused without asking the host") {
  ioasid::Space host_space;
  Host host(host_space, false);
  ioasid::VcmdBackend driver;
  CHECK(driver.alloc({0, 0xfffff}, &host) == invalid_ioasid);
  CHECK(driver.alloc({1, 0x100001}, &host) == invalid_ioasid);
  CHECK(host.commands.empty());
}

namespace {

// A vIOMMU that was pulled: nobody will answer.
class Pulled : public ioasid::VcmdChannel {
 public:
  void submit(std::uint64_t, ioasid::VcmdCompletion&) override {}
  void wait(ioasid::VcmdCompletion&) override { throw std::runtime_error("pulled"); }
};

}  // namespace

TEST_CASE("who waits for a virtual command may give up: no id then, or none any more") {
  ioasid::Space host_space;
  Host host(host_space, false);
  Pulled pulled;
  ioasid::VcmdBackend driver;
  const AllocatorOps working = driver.ops(host);
  const AllocatorOps broken = driver.ops(pulled);
  ioasid::Space guest;
  guest.register_allocator(working);
  guest.register_allocator(broken);
  const Ioasid id = guest.alloc(nullptr, {1, 0xfffff}, nullptr);
  REQUIRE(id == 100);
  guest.unregister_allocator(working);
  CHECK_THROWS_WITH(guest.alloc(nullptr, {1, 0xfffff}, nullptr), "pulled");
  CHECK(guest.size() == 1);
  CHECK_THROWS_WITH(guest.free(id), "pulled");
  CHECK(guest.size() == 0);
}

TEST_CASE("virtual command registers are read as the specification lays them out") {
  namespace vcmd = ioasid::vcmd;
  CHECK(vcmd::free_command(0x12345) == 0x123450002u);
  CHECK(vcmd::result_of(0x123450000u) == 0x12345u);
  CHECK(vcmd::error_of(0x123450000u) == Error::ok);
  CHECK(vcmd::error_of(0x20) == Error::enospc);
  CHECK(vcmd::error_of(1 << 1) == Error::enodev);
}
