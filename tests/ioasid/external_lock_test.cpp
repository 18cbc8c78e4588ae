// A space whose lock is its user's, and sleeps, under many threads: those that change it take turns, finds need
// no lock, and what was given back is read by nobody.
// SPDX-License-Identifier: Apache-2.0
#include "tests/ioasid/crew.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <ioasid/ioasid.hpp>
#include <mutex>
#include <thread>

using namespace ioasid;

namespace {

class SleepingLock final : public ExternalLock {
 public:
  void lock() override {
    mutex_.lock();
    holder_.store(std::this_thread::get_id());
  }
  void unlock() override {
    holder_.store({});
    mutex_.unlock();
  }
  bool held() const override { return holder_.load() == std::this_thread::get_id(); }

 private:
  std::mutex mutex_;
  std::atomic<std::thread::id> holder_;
};

struct Data {
  ~Data() { alive.store(false); }
  std::atomic<bool> alive{true};
};

constexpr std::uint32_t ids = 8;  // of each writer

}  // namespace

TEST_CASE("a lock that sleeps keeps threads apart, and data of finds alive", "[threads]") {
  SleepingLock lock;
  Space space({.lock = &lock});
  SetSpace sets(space);
  const SetNumber set = sets.alloc_set({}).set;
  SleepingLock other_lock;
  Space other({.lock = &other_lock});
  DefaultBackend backend;
  const AllocatorOps custom{&backend, &backend, nullptr};
  std::atomic<std::uint64_t> wrong{0};
  const auto expect = [&](bool right) { wrong += right ? 0 : 1; };
  const auto writes = [&](std::uint32_t writer) {
    return [&, writer](unsigned) {
      std::array<Data, ids> own;
      const auto id = [writer](std::uint32_t i) { return writer * ids + i; };
      for (std::uint32_t i = 0; i < ids; ++i)
        expect(sets.alloc(set, {id(i), id(i)}, &own.at(i)) == id(i));
      for (std::uint32_t i = 0; i < ids; i += 2)
        expect(space.set_data(id(i), nullptr) == Error::ok);
      for (std::uint32_t i = 0; i < ids; ++i) expect(sets.free(set, id(i)) == Error::ok);
    };
  };
  const auto changes = [&](unsigned) {
    expect(other.register_allocator(custom) == Error::ok);
    expect(other.unregister_allocator(custom) == Error::ok);
  };
  const auto reads = [&](unsigned round) {
    const ReadGuard guard;
    const Found found = sets.find(set, round % (2 * ids));
    if (found.data != nullptr) expect(static_cast<Data*>(found.data)->alive);
  };
  crew::work({writes(0), writes(1), changes, reads, reads});
  CHECK(wrong == 0);
  CHECK(space.size() == 0);
  CHECK(sets.size(set) == 0);
}
