// What a report makes of each kind of event, found by its name in the file that is read: numbers of kinds may
// differ from file to file.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/run_reader.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace viosim::report {

enum class Role : std::uint8_t {
  none,
  translate,
  part,  // of a request's time
  allocate,
  free,
  submit,
  invalidate,
  command,
  command_done,
  page_request,
  group_answered,
  lock_wait,
  mark  // seldom, and shown one by one
};

class Roles {
 public:
  explicit Roles(const std::vector<EventKindRow>& kinds);

  Role of(std::uint16_t kind) const { return kind < roles_.size() ? roles_[kind] : Role::none; }
  const std::string& name(std::uint16_t kind) const { return names_.at(kind); }
  // Of a part: of what, such as "miss"; empty otherwise.
  const std::string& whole(std::uint16_t kind) const { return wholes_.at(kind); }

 private:
  std::vector<Role> roles_;  // by kind
  std::vector<std::string> names_;
  std::vector<std::string> wholes_;
};

// When it began; times that no run has are cut.
inline std::int64_t begin_of(const TraceEvent& event) {
  return event.duration < 0 || event.duration > event.time ? 0 : event.time - event.duration;
}

}  // namespace viosim::report
