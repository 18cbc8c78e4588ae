// Linux' error numbers by their names.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/errno.hpp"

namespace viosim {

std::string_view name_of(Errno error) {
  switch (error) {
    case Errno::ok:
      return "0";
    case Errno::eperm:
      return "-EPERM";
    case Errno::enoent:
      return "-ENOENT";
    case Errno::eio:
      return "-EIO";
    case Errno::enxio:
      return "-ENXIO";
    case Errno::eagain:
      return "-EAGAIN";
    case Errno::enomem:
      return "-ENOMEM";
    case Errno::eacces:
      return "-EACCES";
    case Errno::efault:
      return "-EFAULT";
    case Errno::ebusy:
      return "-EBUSY";
    case Errno::eexist:
      return "-EEXIST";
    case Errno::enodev:
      return "-ENODEV";
    case Errno::einval:
      return "-EINVAL";
    case Errno::enospc:
      return "-ENOSPC";
    case Errno::erange:
      return "-ERANGE";
    case Errno::etimedout:
      return "-ETIMEDOUT";
    case Errno::eopnotsupp:
      return "-EOPNOTSUPP";
    case Errno::eoverflow:
      return "-EOVERFLOW";
    case Errno::enotsupp:
      return "-ENOTSUPP";
  }
  return "?";
}

}  // namespace viosim
