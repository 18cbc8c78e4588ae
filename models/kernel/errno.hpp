// What calls into a kernel answer: Linux' error numbers, and a value or one of them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "ioasid/types.hpp"

#include <cstdint>
#include <string_view>
#include <utility>

namespace viosim {

enum class Errno : std::int16_t {
  ok = 0,
  eperm = -1,
  enoent = -2,
  eio = -5,
  enxio = -6,
  eagain = -11,
  enomem = -12,
  eacces = -13,
  efault = -14,
  ebusy = -16,
  eexist = -17,
  enodev = -19,
  einval = -22,
  enospc = -28,
  erange = -34,
  etimedout = -110,
  eopnotsupp = -95,
  eoverflow = -75,
  enotsupp = -524  // the kernel's own, not seen by user space
};
std::string_view name_of(Errno error);  // "-EBUSY"; "0" for ok

// The allocator's library has the same numbers.
constexpr Errno errno_of(ioasid::Error error) {
  return static_cast<Errno>(static_cast<std::int16_t>(error));
}

// As events of the trace have it: without its sign.
constexpr std::uint16_t number_of(Errno error) {
  return static_cast<std::uint16_t>(-static_cast<int>(error));
}

// A value, or why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  // Implicit, so that a function returns what it found, or what went wrong.
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(T value) : value_(std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(Errno error) : error_(error) { ensure(error != Errno::ok, "a result without its value"); }

  bool ok() const { return error_ == Errno::ok; }
  Errno error() const { return error_; }
  const T& value() const {
    ensure(ok(), "a failed result was used");
    return value_;
  }

 private:
  T value_{};
  Errno error_ = Errno::ok;
};

}  // namespace viosim
