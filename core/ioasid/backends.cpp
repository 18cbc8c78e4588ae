// Backends that need no host.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/backends.hpp"

#include "ioasid/scoped_lock.hpp"

#include <algorithm>
#include <new>

namespace ioasid {

Ioasid DefaultBackend::alloc(Range range, void*) {
  const detail::ScopedLock locked(lock_, "DefaultBackend");
  try {
    return ids_.insert_lowest(range, nullptr, nullptr);
  } catch (const std::bad_alloc&) {
    return invalid_ioasid;
  }
}

void DefaultBackend::free(Ioasid id, void*) {
  const detail::ScopedLock locked(lock_, "DefaultBackend");
  ids_.erase(id);
}

bool DefaultBackend::reserve(Ioasid id) {
  const detail::ScopedLock locked(lock_, "DefaultBackend");
  return id != invalid_ioasid && ids_.insert(id, nullptr, nullptr);
}

std::size_t DefaultBackend::size() const {
  const detail::ScopedLock locked(lock_, "DefaultBackend");
  return ids_.size();
}

Ioasid GuestLocalBackend::alloc(Range range, void* pdata) {
  return DefaultBackend::alloc(
      {std::max(range.min, allowed_.min), std::min(range.max, allowed_.max)}, pdata);
}

bool GuestLocalBackend::reserve(Ioasid id) {
  return allowed_.contains(id) && DefaultBackend::reserve(id);
}

// max_pasids is a count, so the last id is one less; with 0 that would wrap around.
Ioasid GlobalIdAllocator::alloc_global(std::uint32_t max_pasids) {
  if (max_pasids == 0) return invalid_ioasid;
  return alloc({1, max_pasids - 1}, nullptr);
}

void GlobalIdAllocator::free_global(Ioasid id) {
  if (id == invalid_ioasid) {
    if (listener_ != nullptr) listener_->message(Message::warn_free_invalid, id);
    return;
  }
  ids_.free(id, nullptr);
}

Ioasid GlobalIdAllocator::alloc(Range range, void* pdata) {
  return ids_.alloc({std::max(range.min, Ioasid{1}), std::min(range.max, highest)}, pdata);
}

void GlobalIdAllocator::free(Ioasid id, void*) { free_global(id); }

}  // namespace ioasid
