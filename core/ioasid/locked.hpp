// Holds the lock of a space for a scope, or says who would have waited for himself.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/layer.hpp"
#include "ioasid/space.hpp"

namespace ioasid {

namespace detail {
[[noreturn]] void refuse_nested(const char* call);
[[gnu::noinline, gnu::cold]] void take(ExternalLock& lock, const char* call);
}  // namespace detail

class Space::Locked {
 public:
  [[gnu::always_inline]] Locked(const Space& space, const char* call) : space_(space) {
    if (space.options_.lock == nullptr) [[likely]] {
      if (!space.lock_.lock()) [[unlikely]]
        detail::refuse_nested(call);
      return;
    }
    detail::take(*space.options_.lock, call);
  }
  [[gnu::always_inline]] ~Locked() {
    if (space_.options_.lock == nullptr) [[likely]]
      space_.lock_.unlock();
    else
      space_.options_.lock->unlock();
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  const Space& space_;
};

class Layer::Locked {
 public:
  Locked(const Layer& layer, const char* call) : locked_(layer.space_, call) {}

 private:
  Space::Locked locked_;
};

}  // namespace ioasid
