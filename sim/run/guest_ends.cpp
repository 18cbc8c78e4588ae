// Looks at all guests of all hosts.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/guest_ends.hpp"

#include <fmt/format.h>

namespace viosim {
namespace {

template <class Look>
void for_each_guest(const System& system, Look look) {
  for (const System::HostSystem& host : system.hosts()) {
    if (!host.software) continue;
    for (const HostSoftware::GuestSystem& guest : host.software->guests()) look(guest);
  }
}

std::string text_of(const Panic& panic) {
  return fmt::format("panicked at {}: {}", format_time(panic.at.since_start(), 12), panic.reason);
}

}  // namespace

std::vector<std::string> panic_notes(const System& system) {
  std::vector<std::string> notes;
  for_each_guest(system, [&](const HostSoftware::GuestSystem& one) {
    const VirtualMachine& machine = one.guest->machine;
    if (machine.panicked())
      notes.push_back(fmt::format("{} {}", machine.path(), text_of(*machine.panicked())));
  });
  return notes;
}

std::vector<Verdict> verdicts_of_guests(const System& system, const Expectations& expectations) {
  std::vector<Verdict> verdicts;
  const auto add = [&](std::string expected, std::string found) {
    Verdict& verdict = verdicts.emplace_back();
    verdict.expected = std::move(expected);
    verdict.found = std::move(found);
  };
  for_each_guest(system, [&](const HostSoftware::GuestSystem& one) {
    const VirtualMachine& machine = one.guest->machine;
    if (machine.panicked() && !expectations.about(one.component, "panics"))
      add(fmt::format("{} does not panic", machine.path()), "it " + text_of(*machine.panicked()));
    if (!one.config->boots && !one.boots)
      add(fmt::format("{} boots", machine.path()), "no event has booted it");
  });
  return verdicts;
}

}  // namespace viosim
