// A guest's descriptors that its hypervisor loses, carries out later, twice, behind the next one, or for one
// page only, though it goes on as if they were done.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/descriptor_injection.hpp"
#include "models/vmm/viommu.hpp"

#include <utility>

namespace viosim {

void Viommu::carry_out_disturbed(Thread& thread, const vtd::Descriptor& descriptor) {
  const bool wait = descriptor.type == vtd::DescriptorType::wait;
  const Ruling ruling = wait ? injection.ask(Message::wait) : vtd::ruling_on(injection, descriptor);
  switch (ruling.fate) {
    case Fate::drop:
      return;
    case Fate::delay:
      return carry_out_later(descriptor, ruling.by);
    case Fate::reorder:
      return held_back_.push_back(descriptor);
    case Fate::duplicate:
      carry_out(thread, descriptor);
      break;
    default:
      break;
  }
  carry_out(thread, ruling.fate == Fate::truncate ? vtd::truncated(descriptor) : descriptor);
  if (wait) return;
  for (const vtd::Descriptor& held : std::exchange(held_back_, {})) carry_out(thread, held);
}

void Viommu::carry_out_later(const vtd::Descriptor& descriptor, Ps by) {
  machine_.post_to_hypervisor([this, descriptor, by](Thread& worker) {
    worker.sleep(by);
    const Guard guard(machine_.emulation(), worker);
    carry_out(worker, descriptor);
    send_flushes(worker);
  });
}

}  // namespace viosim
