// Names of errors and messages.
// SPDX-License-Identifier: Apache-2.0
#include "ioasid/types.hpp"

#include "ioasid/listener.hpp"

#include <ostream>

namespace ioasid {

std::string_view name_of(Error error) {
  switch (error) {
    case Error::ok:
      return "0";
    case Error::eperm:
      return "-EPERM";
    case Error::enoent:
      return "-ENOENT";
    case Error::eagain:
      return "-EAGAIN";
    case Error::enomem:
      return "-ENOMEM";
    case Error::eacces:
      return "-EACCES";
    case Error::ebusy:
      return "-EBUSY";
    case Error::eexist:
      return "-EEXIST";
    case Error::enodev:
      return "-ENODEV";
    case Error::einval:
      return "-EINVAL";
    case Error::enospc:
      return "-ENOSPC";
  }
  return "unknown error";
}

std::ostream& operator<<(std::ostream& out, Error error) { return out << name_of(error); }

std::string_view name_of(Message message) {
  switch (message) {
    case Message::err_range:
      return "err:range";
    case Message::err_alloc:
      return "err:alloc";
    case Message::err_track:
      return "err:track";
    case Message::err_free_unknown:
      return "err:free_unknown";
    case Message::err_dup:
      return "err:dup";
    case Message::warn_default_busy:
      return "warn:default_busy";
    case Message::warn_no_custom:
      return "warn:no_custom";
    case Message::info_to_default:
      return "info:to_default";
    case Message::info_changed:
      return "info:changed";
    case Message::warn_outstanding:
      return "WARN:outstanding";
    case Message::err_out_of_range:
      return "err:out_of_range";
    case Message::err_live_ids:
      return "err:live_ids";
    case Message::warn_get_unknown:
      return "WARN:get_unknown";
    case Message::warn_free_invalid:
      return "WARN:free_invalid";
  }
  return "unknown message";
}

std::ostream& operator<<(std::ostream& out, Message message) { return out << name_of(message); }

}  // namespace ioasid
