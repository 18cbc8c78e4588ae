// What a custom allocator is: two helpers and the data they are given.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/types.hpp"

namespace ioasid {

// The two helpers of a custom allocator: ioasid_alloc_fn_t and ioasid_free_fn_t of
// include/linux/ioasid.h of Linux 6.1. They are called with the space locked: they may call find()
// and custom_active() of the same space; every other call on the same space or a layer on it throws
// UsageError. Of other spaces they may call anything that does not wait for readers: set_data()
// throws UsageError there, too (set_data_without_waiting() does not), and what a free() there
// removed may be deleted after a synchronize() once the outermost call has returned, since free()
// does not wait. A space with SpaceOptions::lock cannot tell who is inside, and refuses neither:
// its helpers must see to it themselves that they do not wait for readers who wait for that lock.
// Where helpers of several spaces call one another's, a thread holds several locks: let them do so
// in one direction. Where threads would wait for one another's spaces for ever, the last call to
// come throws UsageError, which leaves its helper if that does not catch it. What a helper throws
// leaves through the call that used it: an id that was being allocated is then not allocated, an id
// that was being freed is freed nevertheless.
class AllocHelper {
 public:
  virtual ~AllocHelper() = default;
  // Any number but invalid_ioasid and those that are live is taken as the id, also one outside the
  // range unless the space has enforce_range. range is the caller's, and may be inverted.
  virtual Ioasid alloc(Range range, void* pdata) = 0;
};
class FreeHelper {
 public:
  virtual ~FreeHelper() = default;
  // An id that alloc() returned and that is freed, or given back: because it is live, outside the
  // range (enforce_range) or cannot be recorded for want of memory.
  virtual void free(Ioasid id, void* pdata) = 0;
};

// Added. The usual case: one object is both.
class Backend : public AllocHelper, public FreeHelper {};

// A custom allocator as it is registered: struct ioasid_allocator_ops. Its address is its identity.
// Allocators whose two helpers are the same objects share one group, and so one id space, whatever
// their pdata are (one driver, several vIOMMUs: pdata says which). The helpers and pdata of one
// that is registered were read at its registration: what is written into it later changes nothing.
// (Under linux_6_1 a stranger's helpers are read when it is unregistered.) The helpers must live
// until the last of their allocators has left, or the space is gone, and so must what pdata points
// to if they use it: under Behaviour::linux_6_1 a head that leaves a shared group leaves its pdata
// in use.
struct AllocatorOps {
  AllocHelper* alloc = nullptr;
  FreeHelper* free = nullptr;
  void* pdata = nullptr;

  bool same_helpers(const AllocatorOps& other) const {
    return alloc == other.alloc && free == other.free;
  }
};

}  // namespace ioasid
