// An id space: what one kernel's IOASID core is.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/backend.hpp"
#include "ioasid/group.hpp"
#include "ioasid/listener.hpp"
#include "ioasid/lock.hpp"
#include "ioasid/readers.hpp"
#include "ioasid/types.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace ioasid {

// Which allocator to be. README.md has the table of where they differ.
enum class Behaviour : std::uint8_t {
  corrected,  // that of Linux 6.1 with the defects of its bookkeeping repaired
  linux_6_1,  // what Linux 6.1 does, quirks included
};

struct SpaceOptions {
  Behaviour behaviour = Behaviour::corrected;
  // A backend's result outside the asked range is given back to it and refused.
  bool enforce_range = false;
  // When a backend returns an id that is live, the allocation fails, but the backend is not told
  // that the id is free.
  bool keep_live_on_duplicate = false;
  // A defect of June 2019, whose window for an id was [id, id + 1]: a live id is handed out all the
  // same, and the next number recorded for it, if that is free and not the invalid one. So the
  // second owner frees the first one's id, and nobody knows of the number beside it. No range is
  // looked at for that, by enforce_range neither. Layers, to which an id has one owner, cannot be
  // made on such a space.
  bool track_beside_live = false;
  // An allocator whose departure would orphan ids stays: -EBUSY.
  bool refuse_unregister_with_live_ids = false;
  // Both are used, and not owned, until the space's destructor has returned.
  Listener* listener = nullptr;
  ExternalLock* lock = nullptr;  // instead of the built-in one
};

class Layer;

// Thread-safe: any thread may call anything. alloc, free, set_data, register_allocator and
// unregister_allocator take the space's lock one after the other; find takes none and, but for a
// thread's first call of the library, never waits (with a getter it takes a ReadGuard, see there),
// and sees either the old or the new active group while they are switched. Calls from inside a
// helper, a listener or a notifier of this space, other than find and custom_active, throw
// UsageError. So do those of the layers on it, which share its lock (layer.hpp).
//
// The first call of a thread into the library, find too, may need 64 bytes of memory for it; where
// that is short, or the system has no thread-specific data left, it throws std::bad_alloc and
// nothing has changed. Later ones of it do not, but for those that fill a vector: ids(), and
// unregister_allocator() with *orphans.
//
// Not for signal handlers, but for find() without a getter where the thread has called the library
// before and is not inside it. After fork() the child may call it only if no other thread was
// inside a call or held a ReadGuard at the fork. No thread is to be cancelled or to end inside a call.
// Who waits for the lock yields; who does so inside a callback may sleep for a moment first.
//
// Semantics follow drivers/iommu/ioasid.c of Linux 6.1; each function names its counterpart there.
class Space {
 public:
  explicit Space(SpaceOptions options = {});
  // No other thread may be using it, and all layers on it must be gone. Ids that are live then are
  // forgotten: nobody is told, the backends neither.
  ~Space();
  Space(const Space&) = delete;
  Space& operator=(const Space&) = delete;

  // ioasid_alloc. Asks the active group for an id in [range.min, range.max], both included, and
  // records set and data for it. The default allocator gives the lowest free id; a custom one what
  // its helper returns, even outside the range. invalid_ioasid when the range is full or empty, the
  // helper fails or returns a live id or, with enforce_range, one outside the range, or memory is
  // short.
  Ioasid alloc(SetToken set, Range range, void* data);

  // ioasid_free. Anybody may free any id of the active group, whatever its set; a layer that has it
  // loses it. -ENOENT (the kernel only logs) when that group does not know it. When it returns no
  // ReadGuard of another thread can hold the id's data any more, so it may be deleted; called
  // inside a ReadGuard or a callback, of whichever space, it does not wait: delete after
  // synchronize(). That holds also when the backend's helper throws: the id is gone, and what was
  // thrown leaves here once no guard can hold the data.
  Error free(Ioasid id);

  // Added: the same without waiting for ReadGuards, for callers that must not wait. The data may be
  // deleted after synchronize().
  Error free_without_waiting(Ioasid id);

  // ioasid_find. -ENOENT: the active group does not know the id. -EACCES: `set` is not nullptr and
  // not the id's set. Lock-free: after the thread's first call of the library, which may need
  // memory and the system's thread-specific data, it waits for nothing. The data stays valid as
  // long as a ReadGuard around this call is held.
  Found find(SetToken set, Ioasid id) const {
    const detail::ReadSection section;  // around the group, too
    return active_.load(std::memory_order_acquire)->ids.find(set, id);
  }

  // The same with the kernel's getter: bool getter(void* data), not a null pointer, is called once,
  // only if the id was found, under a ReadGuard. false: the answer is nullptr, as for data that is
  // nullptr. What it throws leaves here, and the guard is given back. The first guard of a process,
  // here or elsewhere, is a system call that makes all its threads fence; where a sandbox has come
  // to forbid that (README.md) the process is aborted.
  template <class Getter>
  Found find(SetToken set, Ioasid id, Getter&& getter) const {
    const ReadGuard guard;
    Found found = find(set, id);
    if (found && !std::forward<Getter>(getter)(found.data)) found.data = nullptr;
    return found;
  }

  // ioasid_set_data. -ENOENT as for free. After success the old data may be deleted: it waits
  // until every ReadGuard of other threads that may see it is gone. Throws UsageError inside a
  // ReadGuard of this thread, and inside a callback of any space that has the built-in lock.
  Error set_data(Ioasid id, void* data);

  // Added: the same without waiting. The old data may be deleted after synchronize().
  Error set_data_without_waiting(Ioasid id, void* data);

  // ioasid_register_allocator. 0: it is active, or stands by behind others, or shares the group of
  // those with the same helpers. -EAGAIN: the default allocator has ids. -EEXIST: it is registered
  // already (linux_6_1 says so of the head of a group alone, also of one that has left it, and 0 of
  // other sharers). -ENOMEM. -EINVAL: it lacks a helper (the kernel does not look). Nothing has
  // changed unless 0.
  Error register_allocator(const AllocatorOps& ops);
  Error register_allocator(const AllocatorOps&& temporary) = delete;  // its address is not its own

  // ioasid_unregister_allocator. The last of a group takes the group with it: its ids are orphans
  // then, unknown to everybody, and the backend is not told, but the layers are; they are appended
  // to *orphans if that is given. The first registered group that remains becomes active, else the
  // default. -ENOENT (the kernel returns nothing): it was not registered (linux_6_1 takes it for
  // the last sharer of its helpers, if one is left). -EBUSY: see the policy
  // above. Needs no memory but for *orphans; where that is short std::bad_alloc is thrown and
  // nothing has changed. After success it waits as free does: the orphans' data may be deleted
  // (called inside a ReadGuard or a callback, after synchronize()).
  Error unregister_allocator(const AllocatorOps& ops, std::vector<Ioasid>* orphans = nullptr);

  // Of the active group. These have no counterpart in the kernel; they take the lock, except
  // custom_active().
  std::size_t size() const;                               // live ids
  std::vector<Ioasid> ids(SetToken set = nullptr) const;  // ascending; nullptr: of every set
  bool custom_active() const;
  // What the helpers of the active group are given as pdata. nullptr: the default is active.
  const void* active_pdata() const;
  // Bytes, with this object and with the groups that left while a find may have been in them. What
  // a find under way was holding up when the last id or the group went is given back at the next of
  // these calls, or at one that is refused or adds an id.
  std::size_t memory() const;

 private:
  class Locked;
  friend class Layer;
  using Group = detail::Group;
  using Groups = std::vector<std::unique_ptr<Group>>;

  void say(Message message, Ioasid id = invalid_ioasid) const {
    if (options_.listener == nullptr) [[likely]]
      return;
    const detail::Callback callback(options_.lock == nullptr);
    options_.listener->message(message, id);
  }
  bool inside() const { return options_.lock == nullptr ? lock_.held() : options_.lock->held(); }
  // With the lock held, also for the layers.
  Ioasid alloc_locked(SetToken set, Range range, void* data);
  Error free_locked(Ioasid id, const Layer* by);  // by a layer, or nullptr
  Error set_data_locked(Ioasid id, void* data);
  Ioasid alloc_default(SetToken set, Range range, void* data);
  Ioasid alloc_custom(Group& group, SetToken set, Range range, void* data);
  bool free_custom(Group& group, Ioasid id);
  Ioasid ask(const Group& group, Range range) const;  // the helpers, called
  void give_back(const Group& group, Ioasid id) const;
  bool track(Group& group, Ioasid id, SetToken set, void* data);
  Error join_or_queue(const AllocatorOps& ops);
  Error refuse_duplicate() const;
  Error leave(std::size_t index, std::vector<Ioasid>* orphans);
  Error unregister_without_waiting(const AllocatorOps& ops, std::vector<Ioasid>* orphans);
  std::size_t group_that_knows(const AllocatorOps& ops) const;
  std::size_t group_with_helpers_of(const AllocatorOps& ops) const;
  std::size_t group_of(const AllocatorOps& ops) const;
  void drop_group(std::size_t index);
  void reclaim_groups() const noexcept;
  void give_memory_back() const noexcept;

  std::atomic<Group*> active_;
  const SpaceOptions options_;
  Layer* layers_ = nullptr;  // the first of a list; beside what every call looks at
  // Without groups they keep no room for any.
  mutable Groups groups_;       // in order of precedence
  mutable Groups retired_;      // a find may still be looking at these
  std::uint32_t last_set_ = 0;  // that a layer numbered
  std::uint32_t last_layer_ = 0;

  // The spinlock of the lock, at its end, shares a cache line with what the default group's writers
  // touch first.
  alignas(64) mutable detail::BiasedLock lock_;
  Group default_;
};

}  // namespace ioasid
