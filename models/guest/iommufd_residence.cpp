// Functions and slices by an iommufd file: objects, made and attached by a call each.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/iommufd_residence.hpp"

#include <algorithm>

namespace viosim {

IommufdResidence::IommufdResidence(Host& host, VirtualMachine& machine, const IommufdParams& params,
                                   Bytes memory, std::uint32_t number)
    : Residence(host, machine),
      memory_(memory),
      file_(host.engine, machine.path() + ".iommufd", params, host.iommufd, host.kernel.workers,
            number),
      flow_(machine, file_, {}) {}

Errno IommufdResidence::open_files(Thread& thread) {
  if (pasid_translation() != nullptr) file_.listen_to_pasids(*pasid_translation());
  return flow_.open_file(thread, {.size = memory_, .frames = *second_stage().find(Iova(0))});
}

// The machine may die between two calls; then reclaim() finds how far this came.
Errno IommufdResidence::take(Thread& thread, std::size_t number) {
  Mutex& mutex = host().kernel.pasid_mutex;
  if (!function(number).slice()) {
    const Guard guard(mutex, thread);
    if (const Errno error = know(thread, number); error != Errno::ok) return error;
    tell_own_numbers(thread, number, true);
  }
  const Errno error = plug(thread, number);
  if (error == Errno::ok) {
    routed_.resize(std::max(routed_.size(), number + 1));
    routed_[number] = flow_.object_of(number).value();
    return route(number);
  }
  const Guard guard(mutex, thread);
  forget_numbers(thread, number);
  return error;
}

Errno IommufdResidence::plug(Thread& thread, std::size_t number) {
  const Guard emulation(machine_.emulation(), thread);
  const Errno error = flow_.plug(thread, number);
  if (error != Errno::ok) flow_.unplug(thread, number);
  return error;
}

// Page requests that wait are answered while they still have a handler.
void IommufdResidence::give_back(Thread& thread, std::size_t number) {
  {
    const Guard emulation(machine_.emulation(), thread);
    flow_.unplug(thread, number);
  }
  reclaim(thread, number);
}

void IommufdResidence::reclaim(Thread& thread, std::size_t number) {
  unroute(number);
  const Guard guard(host().kernel.pasid_mutex, thread);
  forget_numbers(thread, number);
}

// One that it never got may be another machine's, and a slice has the host's numbers.
void IommufdResidence::forget_numbers(Thread& thread, std::size_t number) {
  if (forget(thread, number)) tell_own_numbers(thread, number, false);
}

// The guest's, which mean nothing to the host's kernel.
void IommufdResidence::tell_own_numbers(Thread& thread, std::size_t number, bool own) const {
  const Function& is = function(number);
  is.unit->kernel.driver.tell_own_numbers(thread, is.device->source(), own);
}

}  // namespace viosim
