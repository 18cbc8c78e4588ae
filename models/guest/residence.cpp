// Functions of a host that a machine has: known, routed, reset or stopped, given back.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/residence.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace viosim {
namespace {

vtd::PasidEntry entry_of(const PageTable& second_stage, DomainId domain) {
  vtd::PasidEntry entry;
  entry.type = vtd::PasidEntry::Type::second_level;
  entry.address_width = static_cast<std::uint8_t>(second_stage.levels() - 2);
  entry.second_level = second_stage.root();
  entry.domain = domain;
  return entry;
}

std::uint8_t pasid_width(const IommuFunction& function) {
  const auto bits = static_cast<int>(std::bit_width(function.max_pasids));
  return static_cast<std::uint8_t>(std::max(bits - 1, 0));
}

}  // namespace

Residence::Residence(Host& host, VirtualMachine& machine)
    : machine_(machine),
      host_(host),
      second_stage_(host.memory, TableFormat::second_level, 4),
      entry_(entry_of(second_stage_, host.take_domain())) {}

std::size_t Residence::add(const Function& function, Bdf guest_address) {
  Held& held = functions_.emplace_back(Held{function, AtsFunctionConfig(*function.device)});
  if (!function.slice()) held.is.capabilities.config = &held.switches;
  AssignedDevice device{function.device->source(), &function.unit->kernel.driver,
                        &function.unit->kernel.requests};
  device.pasid_width = pasid_width(function.capabilities);
  device.mediated = function.slice();
  device.parent = function.parent;
  device.forwards_page_requests = function.shows_page_requests;
  if (!translation_ && function.shared != nullptr && translates(function))
    translation_.emplace(host_.engine, host_.memory);
  const std::size_t number = add_device(device, guest_address);
  ensure(number + 1 == functions_.size(), "a machine's files count its functions otherwise");
  return number;
}

bool Residence::present(std::size_t number) const {
  const Held& held = functions_[number];
  return held.is.device->present() && (!held.is.slice() || held.attached);
}

// Whose a function is.

Errno Residence::claim(std::size_t number) {
  const Function& its = function(number);
  if (its.slice()) return Errno::ok;  // many have them
  Host::Given& claimed = given(number);
  if (claimed.machine == this) return Errno::ok;
  if (claimed.machine != nullptr) return Errno::ebusy;
  claimed.machine = this;
  if (claimed.taken_out) put_in(number);
  return Errno::ok;
}

void Residence::take_out(std::size_t number) {
  AtsDevice& device = *function(number).device;
  if (!device.present()) return;
  device.remove();
  given(number).taken_out = true;
}

void Residence::put_in(std::size_t number) {
  function(number).device->insert();
  given(number).taken_out = false;
}

// Attaching and detaching.

Errno Residence::attach(Thread& thread, std::size_t number) {
  Held& held = functions_[number];
  if (held.attached || claim(number) != Errno::ok) return Errno::ebusy;
  if (std::exchange(held.taking, true)) return Errno::ebusy;
  const bool missing = held.is.slice() && !held.is.parent->gives_slices();
  const Errno error = missing ? Errno::enodev : take(thread, number);
  held.taking = false;
  return error;
}

void Residence::detach(Thread& thread, std::size_t number) {
  Held& held = functions_[number];
  if (!held.attached || std::exchange(held.giving_back, true)) return;
  give_back(thread, number);
  held.giving_back = false;
}

Errno Residence::know(Thread& thread, std::size_t number) {
  Held& held = functions_[number];
  const Errno error =
      held.is.unit->kernel.driver.add(thread, held.is.device->source(), held.is.capabilities);
  held.known = error == Errno::ok;
  return error;
}

bool Residence::forget(Thread& thread, std::size_t number) {
  Held& held = functions_[number];
  if (!std::exchange(held.known, false)) return false;
  held.is.unit->kernel.driver.remove(thread, held.is.device->source());
  return true;
}

// Of a function of which there are slices the host's driver has routed them.
Errno Residence::route(std::size_t number) {
  Held& held = functions_[number];
  Host::Unit& unit = *held.is.unit;
  unit.router.add(faults(), number_of_faults(number));
  held.attached = true;
  if (held.is.slice()) return Errno::ok;
  return unit.kernel.requests.register_handler(held.is.device->source(), unit.router);
}

void Residence::unroute(std::size_t number) {
  Held& held = functions_[number];
  Host::Unit& unit = *held.is.unit;
  if (!std::exchange(held.attached, false)) return;
  unit.router.remove(faults(), number_of_faults(number));
  if (!held.is.slice()) unit.kernel.requests.unregister_handler(held.is.device->source());
}

// The end.

// Of a slice others use the same function, so it is not reset: who closes the files stops what the machine's
// PASIDs do in it, before their numbers can be another's.
void Residence::close(Thread& thread) {
  bool reset = false;
  for (const Held& held : functions_) {
    if (!held.attached || held.is.slice() || !held.is.device->present()) continue;
    held.is.device->reset_function();
    reset = true;
  }
  if (reset) thread.sleep(host_.params().function_reset);
  close_files(thread);
  for (std::size_t number = 0; number < functions_.size(); ++number) {
    reclaim(thread, number);
    if (!function(number).slice() && given(number).machine == this) given(number).machine = nullptr;
  }
}

}  // namespace viosim
