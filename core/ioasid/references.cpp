// Reference counts on ids.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/references.hpp"

#include "ioasid/readers.hpp"
#include "ioasid/scoped_lock.hpp"

namespace ioasid {

Ioasid References::alloc(SetToken set, Range range, void* data) {
  const detail::ScopedLock locked(lock_, "References");
  const Ioasid id = space_.alloc(set, range, data);
  further_.erase(id);  // of an orphan with the same number
  return id;
}

Error References::get(Ioasid id) {
  const detail::ScopedLock locked(lock_, "References");
  if (!space_.find(nullptr, id)) {
    const detail::Callback callback;
    if (listener_ != nullptr) listener_->message(Message::warn_get_unknown, id);
    return Error::enoent;
  }
  ++further_[id];
  return Error::ok;
}

bool References::put(Ioasid id) {
  if (!drop(id)) return false;
  if (!detail::must_not_wait()) synchronize();
  return true;
}

bool References::drop(Ioasid id) {
  const detail::ScopedLock locked(lock_, "References");
  const auto further = further_.find(id);
  // An orphan's references mean nothing: the space decides whether the id is known.
  if (further == further_.end() || !space_.find(nullptr, id)) {
    if (further != further_.end()) further_.erase(further);
    return space_.free_without_waiting(id) == Error::ok;
  }
  if (--further->second == 0) further_.erase(further);
  return false;
}

std::uint32_t References::count(Ioasid id) const {
  const detail::ScopedLock locked(lock_, "References");
  if (!space_.find(nullptr, id)) return 0;
  const auto further = further_.find(id);
  return 1 + (further == further_.end() ? 0 : further->second);
}

}  // namespace ioasid
