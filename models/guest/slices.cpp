// Waiting until no guest has a slice.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/slices.hpp"

#include <utility>

namespace viosim {
namespace {

// How far one guest is with letting go.
enum class Told : std::uint8_t { nobody, kernel, hypervisor };

// A guest that is killed while it takes a slice, or gives it back, has it until its files are closed.
bool has(const SliceOfGuest& slice) {
  const Residence& residence = slice.guest->residence();
  const bool under_way = residence.attaches(slice.function) || residence.detaches(slice.function);
  return residence.attached(slice.function) || (under_way && !slice.guest->machine.closed());
}

// Whoever dies while its slice is waited for has it given back by others: its hypervisor, or the host.
void tell(const SliceOfGuest& slice, Told& told, Unplug how) {
  Guest& guest = *slice.guest;
  if (!guest.machine.alive() || guest.residence().attaches(slice.function)) return;
  const bool runs = guest.machine.guest_runs();
  if (runs && !guest.booted()) return;
  const Told whom = runs ? Told::kernel : Told::hypervisor;
  if (told >= whom) return;
  told = whom;
  guest.lose_slice(slice.function, how);
}

void let_all_go(Thread& thread, const std::vector<SliceOfGuest>& slices, Unplug how, Ps poll) {
  std::vector<Told> told(slices.size(), Told::nobody);
  for (;;) {
    bool any = false;
    for (std::size_t i = 0; i < slices.size(); ++i) {
      if (!has(slices[i])) continue;
      any = true;
      tell(slices[i], told[i], how);
    }
    if (!any) return;
    thread.sleep(poll);
  }
}

}  // namespace

std::string_view unplug_with_slices(Host& host, FunctionDriver& function,
                                    std::vector<SliceOfGuest> slices, Unplug how) {
  if (slices.empty()) return host.unplug(function, how);
  const Ps poll = host.params().slices_poll;
  return host.unplug(function, how, [slices = std::move(slices), how, poll](Thread& thread) {
    let_all_go(thread, slices, how, poll);
  });
}

}  // namespace viosim
