// What a process may do to the library: fork, and interrupt itself.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/space.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <csignal>
#include <pthread.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

using ioasid::Error;
using ioasid::Ioasid;
using ioasid::Space;

constexpr Ioasid id_count = 100;

// Another thread that the space's lock favours, that has held a guard, and is outside now.
class Idle {
 public:
  explicit Idle(Space& space)
      : thread_([this, &space] {
          for (int i = 0; i < 200; ++i) space.free(space.alloc(nullptr, {}, nullptr));
          { const ioasid::ReadGuard guard; }
          there_ = true;
          while (!go_) std::this_thread::yield();
        }) {
    while (!there_) std::this_thread::yield();
  }
  ~Idle() {
    go_ = true;
    thread_.join();
  }
  Idle(const Idle&) = delete;
  Idle& operator=(const Idle&) = delete;

 private:
  std::atomic<bool> there_{false};
  std::atomic<bool> go_{false};
  std::thread thread_;  // last: it uses the others
};

// In the child: 0 is success. Who waits for a thread that is not there is ended by the alarm.
int use_after_fork(Space& space) {
  alarm(30);
  for (Ioasid id = 0; id < id_count; ++id) {
    if (space.find(nullptr, id).data != &space) return 1;
    if (space.free(id) != Error::ok) return 2;
  }
  ioasid::synchronize();
  Ioasid other = ioasid::invalid_ioasid;
  std::thread([&] {
    const ioasid::ReadGuard guard;
    other = space.alloc(nullptr, {}, nullptr);
  }).join();
  if (other != 0 || space.set_data(other, &space) != Error::ok) return 3;
  return space.size() == 1 ? 0 : 4;
}

Space* interrupted = nullptr;
std::atomic<int> signals{0};
std::atomic<int> wrong{0};

void find_all(int) {
  for (Ioasid id = 0; id < id_count; ++id)
    if (interrupted->find(nullptr, id).data != interrupted) ++wrong;
  ++signals;
}

}  // namespace

TEST_CASE("a child of fork may use the library if no other thread was inside it", "[process]") {
  Space space;
  for (Ioasid id = 0; id < id_count; ++id) REQUIRE(space.alloc(nullptr, {}, &space) == id);
  const Idle idle(space);
  const pid_t child = fork();
  if (child == 0) _exit(use_after_fork(space));
  REQUIRE(child > 0);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(space.size() == id_count);
}

TEST_CASE("find works in a signal handler while other threads allocate and free", "[process]") {
  Space space;
  for (Ioasid id = 0; id < id_count; ++id) REQUIRE(space.alloc(nullptr, {}, &space) == id);
  interrupted = &space;
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = &find_all;
  REQUIRE(sigaction(SIGUSR1, &action, &before) == 0);
  constexpr int wanted = 200;
  const pthread_t here = pthread_self();
  std::thread other([&] {
    for (int sent = 0; sent < wanted; ++sent) {
      pthread_kill(here, SIGUSR1);
      // Blocks come and go meanwhile, and the table of them is made anew.
      for (Ioasid id = 1000; id < 20'000; id += 64) space.alloc(nullptr, {id, id}, nullptr);
      for (Ioasid id = 1000; id < 20'000; id += 64) space.free(id);
      while (signals <= sent) std::this_thread::yield();
    }
  });
  while (signals < wanted) std::this_thread::yield();
  other.join();
  sigaction(SIGUSR1, &before, nullptr);
  CHECK(wrong == 0);
}
