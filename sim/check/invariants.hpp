// The invariants of the simulated protocols: what always holds, and which mistake breaks it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace viosim::check {

// As DOMAIN.md numbers them.
enum class Invariant : std::uint8_t {
  one_owner = 1,
  in_range = 2,
  tracked = 3,
  own_free = 4,
  one_free = 5,
  use_of_live = 6,
  free_unbound = 7,
  clean_reuse = 8,
  no_old_requests = 9,
  answer_to_group = 10,
  every_answer = 11,
  credits = 12,
  whole_groups = 13,
  active_is_there = 14,
  empty_switch = 15,
  late_allocator = 16,
  registered_once = 17,
  one_command = 18,
  idle_eject = 19,
  nothing_left = 20,
  within_quota = 21,
  same_numbers = 22,
  reserved_number = 23,
  number_fits = 24,
  whole_entry = 25,
  flush_before_reuse = 26,
  flush_order = 27,
  no_stale_use = 28,
  own_second_stage = 29,
  cpu_translation = 30,
  announced = 31,
  lock_order = 32,
  aborts_seen = 33,
  trace_order = 34,
  quiet_fault = 35,
  domain_kinds = 36
};

struct InvariantInfo {
  Invariant invariant;
  std::string_view sentence;   // what holds
  std::string_view bug_class;  // what it is when it does not
};

// Those that are checked, by number.
std::span<const InvariantInfo> invariants();
const InvariantInfo& info_of(Invariant invariant);
std::string name_of(Invariant invariant);  // "I8"
std::vector<std::string> names();          // of all that are checked

}  // namespace viosim::check
