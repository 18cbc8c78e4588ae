// Registration of reader threads, and waiting for them.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/readers.hpp"

#include "ioasid/types.hpp"

#include <exception>
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

bool register_barrier() {
#if defined(__linux__)
  return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#else
  return false;
#endif
}

std::atomic<ReaderSlot*> all_slots{nullptr};
std::atomic<std::uint32_t> slots_made{0};

// Gives the slot back when its thread ends.
struct SlotOwner {
  ReaderSlot* slot = nullptr;
  ~SlotOwner() {
    this_reader = nullptr;
    if (slot != nullptr) slot->taken.store(false, std::memory_order_release);
  }
};
thread_local SlotOwner slot_owner;

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

// Zero-initialised values are the careful ones, for whoever calls before these initialisers ran.
std::atomic<bool> barrier_available{register_barrier()};
std::atomic<Guards> guards{barrier_available ? Guards::never : Guards::in_use};

ReaderSlot* register_reader() {
  ReaderSlot* slot = reuse_slot();
  if (slot == nullptr) slot = add_slot();
  slot_owner.slot = slot;
  this_reader = slot;
  // A slot that was just linked must be seen by whoever frees what this thread reads next.
  full_fence();
  return slot;
}

void process_barrier() {
#if defined(__linux__)
  if (barrier_available.load(std::memory_order_relaxed)) {
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0) return;
    // Readers rely on it already, so there is no way back: register again or give up.
    if (!register_barrier() || syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
      std::terminate();
    return;
  }
#endif
  full_fence();
}

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
  detail::wait_for_guards();
}

}  // namespace ioasid
