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

class LettingGo {
 public:
  LettingGo(Host& host, FunctionDriver& function, const std::vector<SliceOfGuest>& slices,
            Unplug how)
      : host_(host),
        function_(function),
        slices_(slices),
        how_(how),
        told_(slices.size(), Told::nobody) {}

  void run(Thread& thread) {
    const Instant limit = thread.now() + host_.params().slices_limit;
    while (tell_those_that_have_one()) {
      if (how_ == Unplug::orderly && thread.now() >= limit) {
        take_away(thread);
      } else {
        thread.sleep(host_.params().slices_poll);
      }
    }
  }

 private:
  // Whether there are any.
  bool tell_those_that_have_one() {
    bool any = false;
    for (std::size_t i = 0; i < slices_.size(); ++i) {
      if (!has(slices_[i])) continue;
      any = true;
      tell(slices_[i], told_[i], how_);
    }
    return any;
  }
  // Whoever waits in it, to let go of it in order, learns that it is gone.
  void take_away(Thread& thread) {
    how_ = Unplug::surprise;
    function_.function().device->remove();
    host_.notice_gone(thread, function_);
    for (std::size_t i = 0; i < slices_.size(); ++i) {
      if (has(slices_[i]) && told_[i] == Told::kernel)
        slices_[i].guest->slice_is_gone(slices_[i].function);
    }
  }

  Host& host_;
  FunctionDriver& function_;
  const std::vector<SliceOfGuest>& slices_;
  Unplug how_;
  std::vector<Told> told_;
};

}  // namespace

std::string_view unplug_with_slices(Host& host, FunctionDriver& function,
                                    std::vector<SliceOfGuest> slices, Unplug how) {
  if (slices.empty()) return host.unplug(function, how);
  return host.unplug(function, how,
                     [&host, &function, slices = std::move(slices), how](Thread& thread) {
                       LettingGo(host, function, slices, how).run(thread);
                     });
}

}  // namespace viosim
