// Threads inside one space each that call the next one's: who would close a circle is refused.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/space.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

namespace {

using ioasid::Error;
using ioasid::Ioasid;
using ioasid::Space;

// Those that are to be inside their spaces before any calls another's.
struct Crowd {
  int wanted;
  std::atomic<int> there{0};

  void wait() {
    for (++there; there < wanted;) std::this_thread::yield();
  }
};

// A space whose helper asks the next space once, and in a call from there answers by itself.
class Place : private ioasid::Backend {
 public:
  Place() { space.register_allocator(ops_); }
  void join_third() {
    if (third_.joinable()) third_.join();
  }

  Space space;
  Space* next = nullptr;
  Crowd* crowd = nullptr;
  bool entered = false;  // a third thread was inside beside the one that is waited for

 private:
  Ioasid alloc(ioasid::Range range, void*) override {
    thread_local bool forwarding = false;
    if (next == nullptr || forwarding) return range.min;
    forwarding = true;
    struct Reset {
      ~Reset() { forwarding = false; }
    } const reset;
    crowd->wait();
    try {
      return next->alloc(nullptr, range, nullptr);
    } catch (const ioasid::UsageError&) {
      try_to_enter();
      throw;
    }
  }
  void free(Ioasid, void*) override {}

  // Who is inside the next space waits for this one, so nobody else gets in.
  void try_to_enter() {
    third_ = std::thread([this] {
      static_cast<void>(next->size());
      in_ = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    entered = in_;
  }

  const ioasid::AllocatorOps ops_{this, this, nullptr};
  std::atomic<bool> in_{false};
  std::thread third_;
};

using Places = std::vector<std::unique_ptr<Place>>;

// Until the lock of the space favours this thread.
void become_favourite(Space& space) {
  for (int i = 0; i < 200; ++i) {
    space.alloc(nullptr, {7, 7}, nullptr);
    space.free(7);
  }
}

// Each of the threads allocates in one of the spaces; the helper of each asks the next space, and
// that of the last one the first, if they are to be a circle.
int refusals(Places& places, bool circle, bool favourites) {
  const std::size_t n = places.size();
  Crowd ready{static_cast<int>(n)};
  Crowd inside{static_cast<int>(circle ? n : n - 1)};
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < n; ++i)
    threads.emplace_back([&, i] {
      Place& mine = *places[i];
      if (favourites) become_favourite(mine.space);
      mine.crowd = &inside;
      mine.next = i + 1 < n || circle ? &places[(i + 1) % n]->space : nullptr;
      ready.wait();
      try {
        mine.space.alloc(nullptr, {static_cast<Ioasid>(i), 99}, nullptr);
      } catch (const ioasid::UsageError&) {
        ++refused;
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (auto& place : places) place->join_third();
  return refused;
}

Places make(std::size_t n) {
  Places places(n);
  for (auto& place : places) place = std::make_unique<Place>();
  return places;
}

}  // namespace

TEST_CASE("threads inside spaces that call one another's: one is refused, the others go on",
          "[threads][readers]") {
  for (const std::size_t n : {2u, 3u, 5u})
    for (const bool favourites : {false, true})
      for (int round = 0; round < 5; ++round) {
        Places places = make(n);
        CHECK(refusals(places, true, favourites) == 1);
        for (const auto& place : places) {
          CHECK_FALSE(place->entered);
          // Nobody is inside any more.
          place->next = nullptr;
          CHECK(place->space.alloc(nullptr, {50, 50}, nullptr) == 50);
          CHECK(place->space.free(50) == Error::ok);
        }
      }
}

TEST_CASE("threads inside spaces that call others in one direction wait, and are not refused",
          "[threads][readers]") {
  for (const bool favourites : {false, true})
    for (int round = 0; round < 20; ++round) {
      Places places = make(4);
      CHECK(refusals(places, false, favourites) == 0);
    }
}
