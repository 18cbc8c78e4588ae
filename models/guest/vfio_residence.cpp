// Functions and slices by a container: each is one call.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/vfio_residence.hpp"

namespace viosim {

VfioResidence::VfioResidence(Host& host, VirtualMachine& machine, const VfioParams& params,
                             PasidScope scope, std::uint32_t number)
    : Residence(host, machine),
      container_(host.engine, machine.path(), params, host.ids, host.kernel.workers, entry(),
                 number),
      flow_(machine, container_, scope) {}

// The kernel's part of the hypervisor listens to what the machine's PASIDs are bound to.
Errno VfioResidence::open_files(Thread& thread) {
  return machine_.ioctl(thread, [&] {
    const Errno error = container_.open(thread);
    if (error != Errno::ok || pasid_translation() == nullptr) return error;
    HostIds& ids = host().ids;
    const Guard guard(ids.lock, thread);
    return errno_of(
        ids.sets.register_notifier(*pasid_translation(), ioasid::Priority::cpu, container_.set()));
  });
}

Errno VfioResidence::take(Thread& thread, std::size_t number) {
  return machine_.ioctl(thread, [&] {
    return function(number).slice() ? take_slice(thread, number) : take_whole(thread, number);
  });
}

// Its requests without a PASID use the guest's memory.
Errno VfioResidence::take_whole(Thread& thread, std::size_t number) {
  const Function& is = function(number);
  const Guard guard(host().kernel.pasid_mutex, thread);
  Errno error = know(thread, number);
  if (error != Errno::ok) return error;
  error = is.unit->kernel.driver.attach(thread, is.device->source(), entry());
  if (error == Errno::ok) return route(number);
  forget(thread, number);
  return error;
}

// A slice's have one of the host's PASIDs for that.
Errno VfioResidence::take_slice(Thread& thread, std::size_t number) {
  const Result<Pasid> by_default = container_.attach_default(thread, number);
  return by_default.ok() ? route(number) : by_default.error();
}

void VfioResidence::give_back(Thread& thread, std::size_t number) {
  machine_.ioctl(thread, [&] {
    reclaim(thread, number);
    return Errno::ok;
  });
}

void VfioResidence::reclaim(Thread& thread, std::size_t number) {
  if (!attached(number)) return;
  const Function& is = function(number);
  // A guest whose vIOMMU is gone has not announced that it unbinds.
  container_.unbind_device(thread, number);
  unroute(number);
  if (is.slice()) return container_.detach_default(thread, number);
  const Guard guard(host().kernel.pasid_mutex, thread);
  is.unit->kernel.driver.detach(thread, is.device->source());
  forget(thread, number);
}

}  // namespace viosim
