// Reference counts on ids.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/references.hpp"

#include "ioasid/locked.hpp"
#include "ioasid/readers.hpp"

namespace ioasid {

Ioasid References::alloc(SetToken set, Range range, void* data) {
  const Locked locked(*this, "References::alloc");
  return alloc_locked(set, range, data);
}

Error References::get(Ioasid id) {
  const Locked locked(*this, "References::get");
  if (!space_.find(nullptr, id)) {
    const detail::Callback telling = callback();
    if (listener_ != nullptr) listener_->message(Message::warn_get_unknown, id);
    return Error::enoent;
  }
  ++further_[id];
  return Error::ok;
}

bool References::put(Ioasid id) {
  std::exception_ptr thrown;
  if (!drop(id, thrown)) return false;
  detail::let_readers_go();
  if (thrown) std::rethrow_exception(thrown);
  return true;
}

bool References::drop(Ioasid id, std::exception_ptr& thrown) {
  const Locked locked(*this, "References::put");
  const auto further = further_.find(id);
  // The space decides whether the id is known.
  if (further == further_.end()) return free_locked(id, thrown) == Error::ok;
  if (--further->second == 0) further_.erase(further);
  return false;
}

std::uint64_t References::count(Ioasid id) const {
  const Locked locked(*this, "References::count");
  const auto further = further_.find(id);
  if (further != further_.end()) return 1 + further->second;
  return space_.find(nullptr, id) ? 1 : 0;
}

}  // namespace ioasid
