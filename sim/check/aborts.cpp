// What is due after an abort, and what takes care of it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/check/aborts.hpp"

#include "models/iommu/vtd/descriptor.hpp"
#include "models/iommu/vtd/descriptor_text.hpp"

#include <fmt/format.h>

namespace viosim::check {

void Aborts::observe(const TraceEvent& event) {
  switch (static_cast<EventKind>(event.kind)) {
    case EventKind::aborted:
      return aborted(event);
    case EventKind::submit:
    case EventKind::given_up:
      return taken_care_of(event);
    case EventKind::vanish:
      lost_.insert({scene_.machine_of(event.component), static_cast<std::uint16_t>(event.value)});
      return forgets(event);
    case EventKind::unplug:  // by the host, or by a guest that has it
      lost_.erase({scene_.host_of(scene_.machine_of(event.component)),
                   static_cast<std::uint16_t>(event.value)});
      return;
    case EventKind::reset:
      return forgets(event);
    default:
      return;
  }
}

void Aborts::aborted(const TraceEvent& event) {
  constexpr auto response = static_cast<std::uint16_t>(vtd::DescriptorType::page_response);
  const auto descriptor = vtd::Descriptor::decode(event.value, event.address);
  const std::uint32_t machine = scene_.machine_of(event.component);
  const bool of_gone =
      descriptor.of_device_tlb() && (scene_.gone(machine, descriptor.source.value()) ||
                                     lost_.contains({machine, descriptor.source.value()}));
  if (event.code == response || of_gone) return;
  due_[scene_.unit_of(event.component)].emplace(Bits{event.value, event.address},
                                                scene_.link(event));
}

void Aborts::taken_care_of(const TraceEvent& event) {
  if (due_.empty()) return;
  const auto unit = due_.find(scene_.unit_of(event.component));
  if (unit == due_.end()) return;
  const auto found = unit->second.find({event.value, event.address});
  if (found == unit->second.end()) return;
  unit->second.erase(found);
  if (unit->second.empty()) due_.erase(unit);
}

void Aborts::forgets(const TraceEvent& event) {
  const std::uint32_t machine = scene_.machine_of(event.component);
  for (auto& [unit, due] : due_) {
    std::erase_if(due, [&](const auto& one) {
      const auto descriptor = vtd::Descriptor::decode(one.first.first, one.first.second);
      return descriptor.of_device_tlb() && descriptor.source.value() == event.value &&
             scene_.machine_of(one.second.event.component) == machine;
    });
  }
}

void Aborts::finish() {
  for (const auto& [unit, due] : due_) {
    for (const auto& [bits, link] : due) {
      const TraceEvent& event = link.event;
      scene_.violate(
          event, {.invariant = Invariant::aborts_seen,
                  .number = scene_.number_of(event),
                  .epoch = event.epoch,
                  .message = fmt::format("{} was aborted, and neither submitted again nor reported",
                                         vtd::text_of(event.value, event.address)),
                  .evidence = {link},
                  .overdue = true});
    }
  }
}

}  // namespace viosim::check
