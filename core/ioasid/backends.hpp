// Backends that need no host: the default algorithm, numbers of one guest, the modern global ids.
// SPDX-License-Identifier: Apache-2.0
//
// Memory: of their calls only those that take an id need any. Where it is short alloc() and
// alloc_global() answer invalid_ioasid, and reserve() throws std::bad_alloc; nothing has changed
// then. As a thread's first call of the library (space.hpp) each that locks throws it: all but
// alloc_global(0), free_global(invalid_ioasid) and a reserve() of what is not allowed. A space that
// calls a backend has seen to that before.
#pragma once

#include "ioasid/backend.hpp"
#include "ioasid/id_map.hpp"
#include "ioasid/listener.hpp"
#include "ioasid/lock.hpp"
#include "ioasid/types.hpp"

#include <cstddef>
#include <cstdint>

namespace ioasid {

// What the built-in default allocator of drivers/iommu/ioasid.c does (default_alloc, default_free),
// as a backend: the lowest free id of the range, freed ids reusable at once. pdata is not used.
// Thread-safe, since several spaces may share it.
class DefaultBackend : public Backend {
 public:
  // Both bounds included. invalid_ioasid: the range is full or inverted, or memory is short.
  Ioasid alloc(Range range, void* pdata) override;
  void free(Ioasid id, void* pdata) override;  // an id that is not out is let pass

  // Added: somebody else takes an id (false: it is out already, or the invalid one).
  virtual bool reserve(Ioasid id);
  std::size_t size() const;  // added: how many are out

 private:
  mutable detail::BiasedLock lock_;
  detail::IdMap ids_;
};

// Added; Linux's core has no such backend. A vIOMMU whose numbers mean something inside one guest
// only: no host is asked, and two guests may hold the same number. Each object is a helper pair,
// and so a group, of its own.
class GuestLocalBackend : public DefaultBackend {
 public:
  // The numbers the guest may use at all, any range; a caller's range is cut to it.
  explicit GuestLocalBackend(Range allowed = {1, 0xfffff}) : allowed_(allowed) {}
  Ioasid alloc(Range range, void* pdata) override;  // as DefaultBackend's
  bool reserve(Ioasid id) override;  // false also for a number that the guest may not use

 private:
  Range allowed_;
};

// iommu_alloc_global_pasid() of Linux 6.6 and later: one space for all devices, from 1 up, without
// sets, lookup or custom allocators. Thread-safe.
class GlobalIdAllocator : public Backend {
 public:
  explicit GlobalIdAllocator(Listener* listener = nullptr) : listener_(listener) {}

  // iommu_alloc_global_pasid. The lowest free id in [1, max_pasids - 1]; invalid_ioasid if there is
  // none, as always for a device with max_pasids 0 or 1, or if memory is short. Any max_pasids is
  // taken, but no id is above 2^31 - 1.
  Ioasid alloc_global(std::uint32_t max_pasids);
  // iommu_free_global_pasid. The invalid id is warned about; one that is not out is let pass
  // without a word, where the kernel's ida warns.
  void free_global(Ioasid id);

  // The same as a backend: the range is cut to what the kernel would use; pdata is not used.
  Ioasid alloc(Range range, void* pdata) override;
  void free(Ioasid id, void* pdata) override;

  std::size_t size() const { return ids_.size(); }  // added: how many are out

 private:
  static constexpr Ioasid highest = 0x7fffffff;
  Listener* listener_;
  DefaultBackend ids_;
};

}  // namespace ioasid
