// Registration of reader threads, and waiting for them.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/readers.hpp"

#include "ioasid/types.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <pthread.h>
#include <thread>

#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace ioasid {
namespace detail {

constinit thread_local ReaderSlot* this_reader = nullptr;

namespace {

// Filters look at each command by itself: what is registered may be refused nevertheless.
#if defined(__linux__)
bool barrier() { return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0; }
bool register_barrier() {
  return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 && barrier();
}
#else
bool register_barrier() { return false; }
#endif

constinit std::atomic<ReaderSlot*> all_slots{nullptr};
constinit std::atomic<std::uint32_t> slots_made{0};
constinit std::atomic<std::uint64_t> barriers{0};

// Whether membarrier(2) works, which is the same for every call of a process.
bool barrier_works() {
  enum class Answer : std::uint8_t { not_asked, no, yes };
  static constinit std::atomic<Answer> answer{Answer::not_asked};
  if (answer.load(std::memory_order_relaxed) == Answer::not_asked) {
    answer.store(register_barrier() ? Answer::yes : Answer::no, std::memory_order_relaxed);
    if (answer.load(std::memory_order_relaxed) == Answer::yes) barrier_available.store(true);
  }
  return answer.load(std::memory_order_relaxed) == Answer::yes;
}

// Gives a thread's slot back when the thread ends: after all its thread_local objects are gone,
// whose destructors may call the library. If somebody's thread-specific data calls it later still,
// the thread gets a slot once more, and that is given back in the system's next round.
class SlotKey {
 public:
  SlotKey() {
    if (pthread_key_create(&key_, &SlotKey::give_back) != 0) throw std::bad_alloc();
    alive.store(true, std::memory_order_release);
  }
  // The code of give_back() goes away now, or the process ends.
  ~SlotKey() {
    alive.store(false, std::memory_order_release);
    pthread_key_delete(key_);
  }
  SlotKey(const SlotKey&) = delete;
  SlotKey& operator=(const SlotKey&) = delete;

  // False: memory is short.
  bool own(ReaderSlot* slot) const {
    return !alive.load(std::memory_order_acquire) || pthread_setspecific(key_, slot) != ENOMEM;
  }
  static void give_back(void* slot) {
    this_reader = nullptr;
    static_cast<ReaderSlot*>(slot)->taken.store(false, std::memory_order_release);
  }

 private:
  static constinit std::atomic<bool> alive;
  pthread_key_t key_{};
};
constinit std::atomic<bool> SlotKey::alive{false};

const SlotKey& slot_key() {
  static const SlotKey key;  // whoever calls first, also before static objects are made
  return key;
}

ReaderSlot* reuse_slot() {
  for (ReaderSlot* slot = all_slots.load(std::memory_order_acquire); slot; slot = slot->next) {
    bool free = false;
    if (slot->taken.compare_exchange_strong(free, true, std::memory_order_acquire)) return slot;
  }
  return nullptr;
}

ReaderSlot* add_slot() {
  auto* slot = new ReaderSlot;
  slot->number = slots_made.fetch_add(1, std::memory_order_relaxed) + 1;
  slot->next = all_slots.load(std::memory_order_relaxed);
  while (!all_slots.compare_exchange_weak(slot->next, slot, std::memory_order_seq_cst)) {
  }
  return slot;
}

// Waits a little, then a little more, for an odd counter to change.
template <class Counter>
bool passes(const Counter& counter, bool for_ever) {
  const std::uint64_t seen = counter.load(std::memory_order_acquire);
  if (seen % 2 == 0) return true;
  for (int spins = 0; counter.load(std::memory_order_acquire) == seen; ++spins) {
    if (spins < 1000) continue;
    if (!for_ever) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

// What whoever calls before static objects are made finds: the careful values.
constinit std::atomic<bool> barrier_available{false};
constinit std::atomic<Guards> guards{Guards::undecided};

namespace {

// Only if no guard has come before.
bool decide_about_guards() {
  Guards undecided = Guards::undecided;
  return barrier_works() && guards.compare_exchange_strong(undecided, Guards::never);
}
[[maybe_unused]] const bool decided = decide_about_guards();

}  // namespace

ReaderSlot* register_reader() {
  const SlotKey& key = slot_key();
  ReaderSlot* slot = reuse_slot();
  if (slot == nullptr) slot = add_slot();
  if (!key.own(slot)) {
    slot->taken.store(false, std::memory_order_release);
    throw std::bad_alloc();
  }
  this_reader = slot;
  // A slot that was just linked must be seen by whoever frees what this thread reads next.
  full_fence();
  return slot;
}

// Where the barrier works it is used even if nobody knew until now: a reader may learn of it at once.
void process_barrier() {
  barriers.fetch_add(1, std::memory_order_relaxed);
#if defined(__linux__)
  if (barrier_works()) {
    // Readers rely on it already, so there is no way back: register again or give up.
    if (barrier() || register_barrier()) return;
    std::fputs(
        "ioasid: membarrier(2) worked when the process began and is forbidden now; readers rely on "
        "it\n",
        stderr);
    std::abort();
  }
#endif
  full_fence();
}

std::uint64_t process_barriers_made() { return barriers.load(std::memory_order_relaxed); }

void full_fence() {
  // A read-modify-write of a line of our own rather than atomic_thread_fence: the same
  // instruction on x86, and ThreadSanitizer understands it.
  thread_local std::atomic<std::uint32_t> own{0};
  own.fetch_add(1, std::memory_order_seq_cst);
#if !defined(__SANITIZE_THREAD__) && !defined(__x86_64__)
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

bool sections_passed() {
  process_barrier();
  for (ReaderSlot* slot = all_slots.load(std::memory_order_acquire); slot; slot = slot->next)
    if (slot != this_reader && !passes(slot->section, false)) return false;
  return true;
}

void wait_for_guards() {
  full_fence();
  for (ReaderSlot* slot = all_slots.load(std::memory_order_acquire); slot; slot = slot->next)
    if (slot != this_reader) passes(slot->guard, true);
}

}  // namespace detail

ReadGuard::ReadGuard() : slot_(detail::reader()) {
  if (slot_.guard_depth++ != 0) return;
  slot_.guard.store(slot_.guard.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (detail::guards.load(std::memory_order_acquire) != detail::Guards::in_use) {
    // From here on free() looks at guards. One that already decided not to look has removed its
    // id before the barrier, so this guard cannot meet that id any more.
    detail::guards.store(detail::Guards::announced, std::memory_order_relaxed);
    detail::process_barrier();
    detail::guards.store(detail::Guards::in_use, std::memory_order_release);
  }
  detail::full_fence();
}

ReadGuard::~ReadGuard() {
  if (--slot_.guard_depth != 0) return;
  slot_.guard.store(slot_.guard.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void synchronize() {
  if (detail::must_not_wait())
    throw UsageError(
        "ioasid: synchronize() inside a ReadGuard or a callback might wait for itself");
  if (detail::guards_used()) detail::wait_for_guards();
}

}  // namespace ioasid
