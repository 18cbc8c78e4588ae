// Functions of a host that a machine has: attached to its memory, reset, given back.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/residence.hpp"

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

}  // namespace

Residence::Residence(Host& host, VirtualMachine& machine)
    : machine_(machine),
      host_(host),
      second_stage_(host.memory, TableFormat::second_level, 4),
      entry_(entry_of(second_stage_, host.take_domain())) {}

std::size_t Residence::add(const Function& function, Bdf guest_address) {
  Held& held = functions_.emplace_back(Held{function, AtsFunctionConfig(*function.device)});
  held.is.capabilities.config = &held.switches;
  const std::size_t number = add_device(
      {function.device->source(), &function.unit->kernel.driver, &function.unit->kernel.requests},
      guest_address);
  ensure(number + 1 == functions_.size(), "a machine's files count its functions otherwise");
  return number;
}

Errno Residence::attach(Thread& thread, std::size_t number) {
  return machine_.ioctl(thread, [&] { return take(thread, number); });
}

// Its requests without a PASID use the guest's memory.
Errno Residence::take(Thread& thread, std::size_t number) {
  Held& held = functions_[number];
  Host::Unit& unit = *held.is.unit;
  const Bdf source = held.is.device->source();
  const Guard guard(host_.kernel.pasid_mutex, thread);
  Errno error = unit.kernel.driver.add(thread, source, held.is.capabilities);
  if (error != Errno::ok) return error;
  error = unit.kernel.driver.attach(thread, source, entry_);
  if (error != Errno::ok) {
    unit.kernel.driver.remove(thread, source);
    return error;
  }
  unit.router.add(faults(), number);
  held.attached = true;
  return unit.kernel.requests.register_handler(source, unit.router);
}

void Residence::detach(Thread& thread, std::size_t number) {
  Held& held = functions_[number];
  if (!std::exchange(held.attached, false)) return;
  Host::Unit& unit = *held.is.unit;
  const Bdf source = held.is.device->source();
  unit.router.remove(faults(), number);
  unit.kernel.requests.unregister_handler(source);
  const Guard guard(host_.kernel.pasid_mutex, thread);
  unit.kernel.driver.detach(thread, source);
  unit.kernel.driver.remove(thread, source);
}

void Residence::close(Thread& thread) {
  bool reset = false;
  for (const Held& held : functions_) {
    if (!held.attached || !held.is.device->present()) continue;
    held.is.device->reset_function();
    reset = true;
  }
  if (reset) thread.sleep(host_.params().function_reset);
  close_files(thread);
  for (std::size_t number = 0; number < functions_.size(); ++number) detach(thread, number);
}

}  // namespace viosim
