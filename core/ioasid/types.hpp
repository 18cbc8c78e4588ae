// The vocabulary of the library: ids, ranges, sets, errors by their kernel names.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <iosfwd>
#include <stdexcept>
#include <string_view>

namespace ioasid {

static_assert(sizeof(void*) == 8, "ioasid is for processors with 64 bits");

// An I/O address space id (a PASID where the hardware is PCIe): any 32-bit number but the last.
using Ioasid = std::uint32_t;
inline constexpr Ioasid invalid_ioasid = 0xffffffffu;

// Both bounds are inclusive, as everywhere in this library. min > max is legal and holds no id.
struct Range {
  Ioasid min = 0;
  Ioasid max = invalid_ioasid;

  constexpr bool contains(Ioasid id) const { return min <= id && id <= max; }
  bool operator==(const Range&) const = default;
};

// A set is only an address: that of any object works, nothing is ever read through it, and nullptr
// is the set that belongs to nobody. Sets do not partition the ids. The addresses from 2^63 up,
// where no program has objects, are those by which a SetSpace names its sets: an id that somebody
// else allocates for one of them is found by that set's number, but is not in the set.
using SetToken = const void*;

// Outcomes, with the values and the names the kernel gives them.
enum class Error : int {
  ok = 0,
  eperm = -1,    // the set is another process's
  enoent = -2,   // no such id, set, alias, allocator or notifier
  eagain = -11,  // the default allocator still has ids
  enomem = -12,  // out of memory; nothing changed
  eacces = -13,  // the id belongs to another set
  ebusy = -16,   // in use: references, ids, sets or data are in the way
  eexist = -17,  // registered already; or the token has a set already
  enodev = -19,  // the host did not answer a virtual command as it should
  einval = -22,  // an argument that can never work
  enospc = -28,  // quota or capacity is used up
};
std::string_view name_of(Error error);  // "-EAGAIN"; "0" for ok
std::ostream& operator<<(std::ostream& out, Error error);

// What find() answers (the kernel's returns the data, or ERR_PTR). data is what was stored, and may
// be nullptr also when error is ok.
struct Found {
  Error error = Error::ok;
  void* data = nullptr;

  explicit operator bool() const { return error == Error::ok; }
  bool operator==(const Found&) const = default;
};

// The caller's program is wrong: a call from a place where it would wait for itself, or for a
// thread that waits for it, thrown instead of a deadlock; or a layer on a space where it cannot be
// (layer.hpp). Nothing was changed. Where memory is too short for its text std::bad_alloc is thrown
// in its stead.
class UsageError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace ioasid
