// Holds a lock for a scope, or says who would have waited for himself.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ioasid/lock.hpp"
#include "ioasid/types.hpp"

#include <string>

namespace ioasid::detail {

class ScopedLock {
 public:
  ScopedLock(BiasedLock& lock, const char* who) : lock_(lock) {
    if (!lock.lock()) [[unlikely]]
      throw UsageError(std::string("ioasid: ") + who +
                       " was called from inside one of its own callbacks: it would wait for "
                       "itself");
  }
  ~ScopedLock() { lock_.unlock(); }
  ScopedLock(const ScopedLock&) = delete;
  ScopedLock& operator=(const ScopedLock&) = delete;

 private:
  BiasedLock& lock_;
};

}  // namespace ioasid::detail
