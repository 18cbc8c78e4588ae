// vIOMMUs and functions that come and go while the guest runs.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/guest.hpp"

#include <algorithm>
#include <utility>

namespace viosim {
namespace {

using Due = HotplugSlot::Due;

constexpr Ps look_again = 20us;  // whether processes have given their PASIDs back

}  // namespace

Guest::Unit& Guest::unit_named(const std::string& name) {
  const auto found = std::find_if(units.rbegin(), units.rend(),
                                  [&](const Unit& unit) { return unit.name == name; });
  ensure(found != units.rend(), "a vIOMMU was asked for that the guest never had");
  return *found;
}

// vIOMMUs go.

std::string_view Guest::cannot_hotplug() const {
  if (!machine.guest_runs()) return "its guest does not run any more";
  return booted_ ? "" : "its guest has not booted";
}

// It has stopped: nobody is left who would begin with it.
void Guest::nothing_is_due() {
  for (Unit& unit : units) unit.due.set(Due::nothing);
  for (HotplugSlot& slot : slots_) slot.set(Due::nothing);
}

// What is not probed yet nobody uses, so it needs no window; pressed again, the button does nothing.
std::string_view Guest::unplug_unit(const std::string& name, Unplug how) {
  Unit& unit = unit_named(name);
  if (const std::string_view why = cannot_hotplug(); !why.empty()) return why;
  if (unit.slot == Slot::empty || unit.slot == Slot::filling) return "it is not there";
  if (unit.slot == Slot::leaving && (how == Unplug::orderly || !unit.viommu.present()))
    return "it is leaving";
  const bool pressed_before = unit.due.take(Due::removal);
  if (how == Unplug::orderly && pressed_before) return {};
  if (unit.due.is(Due::probe) || how == Unplug::surprise) {
    remove_unit(unit, how);
    return {};
  }
  unit.due.set(Due::removal);
  unit.due.after(params_.hotplug.slots.attention_window,
                 [this, &unit] { remove_unit(unit, Unplug::orderly); });
  return {};
}

// Orderly: the hypervisor asks the guest, which lets go of it and has it ejected. Otherwise it is gone,
// and then the guest is told, before the host is asked to unbind what was bound: that takes long.
void Guest::remove_unit(Unit& unit, Unplug how) {
  unit.due.take(Due::removal);
  unit.slot = Slot::leaving;
  ++unit.releases;
  machine.post_to_hypervisor([this, &unit, how](Thread& thread) {
    if (how == Unplug::surprise) return unit.viommu.vanish(thread, [&] { post_release(unit); });
    machine.inject(thread);
    post_release(unit);
  });
}

// A kernel removes what it has probed: one that goes while it is taken up is let go of afterwards. One whose
// probe has not begun is not probed any more.
void Guest::post_release(Unit& unit) {
  if (unit.taking_up) {
    ++unit.asked_to_go;
    const bool waits = unit.due.waits();
    if (unit.due.take(Due::probe) && waits) post_hot_add(unit);
    return;
  }
  kernel.workers.post([this, &unit](Thread& worker) { release(worker, unit); });
}

// One that vanishes while it is being removed is released twice, and gone when both have ended.
void Guest::release(Thread& thread, Unit& unit) {
  const bool left = let_go(thread, unit);
  if (left && unit.viommu.present())
    machine.exit_to_user(thread, [&] { unit.viommu.eject(thread); });
  if (--unit.releases > 0) return;
  if (!left) {
    ++hotplug.not_unplugged;
    unit.slot = Slot::taken;
    unit.plug_again = false;
    take_up(thread, unit);
    return;
  }
  unit.slot = Slot::empty;
  ++hotplug.unplugged;
  if (unit.plug_again) insert_unit(unit);
}

// Its functions are stopped, and unbound; then, where nobody else serves its id space, processes give their
// PASIDs back, and the kernel what it has reserved; then its allocator goes. Of a unit that is not there any more
// the allocator goes first: the hypervisor answers commands until then.
bool Guest::let_go(Thread& thread, Unit& unit) {
  if (!unit.viommu.present()) {
    unregister_allocator(unit);
    machine.exit_to_user(thread, [&] { unit.viommu.end_commands(thread); });
  }
  for (const std::size_t function : unit.functions) drivers_[function]->remove(thread);
  const Instant limit = thread.now() + params_.hotplug.wait_for_processes;
  const auto of_processes = [&] {
    return kernel.pasids.space().size() > kernel.sva.reserved_held();
  };
  while (serves_alone(unit) && of_processes() && thread.now() < limit) thread.sleep(look_again);
  if (!serves_alone(unit)) return unregister_allocator(unit);
  kernel.sva.lay_reserved_down(thread);
  const bool left = unregister_allocator(unit);
  kernel.sva.take_reserved_again(thread);
  return left;
}

// Allocators that stand by have no numbers.
bool Guest::serves_alone(const Unit& unit) const {
  const Unit* const asked = serving();
  const bool serves = unit.registered && asked != nullptr && asked->ops.same_helpers(unit.ops);
  return serves && std::none_of(units.begin(), units.end(), [&](const Unit& other) {
           return &other != &unit && other.registered && other.ops.same_helpers(unit.ops);
         });
}

bool Guest::unregister_allocator(Unit& unit) {
  if (!unit.to_unregister) return true;
  std::vector<ioasid::Ioasid> orphans;
  const ioasid::Error error = kernel.pasids.space().unregister_allocator(unit.ops, &orphans);
  const bool busy = error == ioasid::Error::ebusy;
  if (busy && unit.viommu.present()) return false;
  unit.to_unregister = busy;
  if (error == ioasid::Error::enoent) return true;
  unit.registered = busy;
  tell_allocator(unit, unit.registered ? trace_code::allocator_kept : trace_code::allocator_left);
  hotplug.orphans += orphans.size();
  for (const ioasid::Ioasid id : orphans)
    kernel.pasids.ends(id, {machine.engine().now(), 0, trace_code::orphaned});
  return true;
}

// And come.

void Guest::Unit::trace_like(Unit& before) {
  kernel.driver.trace = before.kernel.driver.trace;
  kernel.driver.injection = before.kernel.driver.injection;
  viommu.injection = before.viommu.injection;
  kernel.driver.lock().trace = before.kernel.driver.lock().trace;
  iommu.queue_lock().trace = before.iommu.queue_lock().trace;
  viommu.command_trace() = before.viommu.command_trace();
  viommu.queue_trace = before.viommu.queue_trace;
  kernel.faults.trace = before.kernel.faults.trace;
  commands.lock().trace = before.commands.lock().trace;
}

std::string_view Guest::plug_unit(const std::string& name) {
  Unit& before = unit_named(name);
  if (const std::string_view why = cannot_hotplug(); !why.empty()) return why;
  if (before.slot == Slot::taken || before.slot == Slot::filling || before.plug_again)
    return "it is there";
  if (before.slot == Slot::leaving) {
    before.plug_again = true;
  } else {
    insert_unit(before);
  }
  return {};
}

void Guest::insert_unit(Unit& before) {
  before.slot = Slot::filling;
  machine.post_to_hypervisor([this, &before](Thread& thread) {
    Unit& unit = units.emplace_back(*this, before.name, before.viommu.params(), before.backend,
                                    before.number);
    unit.functions = before.functions;
    unit.taking_up = true;
    unit.due.set(Due::probe);
    unit.trace_like(before);
    unit.viommu.tell_presence();
    {
      const Guard guard(machine.emulation(), thread);
      for (const std::size_t function : unit.functions)
        unit.viommu.add_device(drivers_[function]->function().source, function);
    }
    machine.inject(thread);
    ++hotplug.plugged;
    if (!unit.due.is(Due::probe)) return post_hot_add(unit);
    unit.due.after(params_.hotplug.slots.probe_delay, [this, &unit] { post_hot_add(unit); });
  });
}

void Guest::post_hot_add(Unit& unit) {
  kernel.workers.post([this, &unit](Thread& worker) {
    if (unit.due.take(Due::probe)) hot_add(worker, unit);
    unit.taking_up = false;
    for (std::uint32_t left = std::exchange(unit.asked_to_go, 0); left > 0; --left)
      post_release(unit);
  });
}

void Guest::hot_add(Thread& thread, Unit& unit) {
  const Errno unfit = may_hot_add(running_abilities(unit), unit.viommu.abilities());
  unit.unfit = unfit != Errno::ok;
  if (unfit == Errno::efault) ++hotplug.narrower;
  if (unfit == Errno::enxio) ++hotplug.incapable;
  if (unfit != Errno::ok || take_up(thread, unit) != Errno::ok) ++hotplug.refused;
}

// What all that run can do.
IommuAbilities Guest::running_abilities(const Unit& but) const {
  IommuAbilities all = but.viommu.abilities();
  bool first = true;
  for (const Unit& unit : units) {
    if (&unit == &but || unit.unfit || !unit.viommu.present()) continue;
    const IommuAbilities& one = unit.viommu.abilities();
    if (std::exchange(first, false)) {
      all = one;
      continue;
    }
    all.address_width = std::min(all.address_width, one.address_width);
    all.address_widths &= one.address_widths;
    all.pasid_bits = std::min(all.pasid_bits, one.pasid_bits);
    all.domain_bits = std::min(all.domain_bits, one.domain_bits);
    all.max_address_mask = std::min(all.max_address_mask, one.max_address_mask);
    all.large_pages &= one.large_pages;
    all.pass_through = all.pass_through && one.pass_through;
  }
  return all;
}

// Its allocator, where it is to have one, and the functions behind it that are there.
Errno Guest::take_up(Thread& thread, Unit& unit) {
  Errno first = Errno::ok;
  if (!unit.registered && params_.hotplug.register_on_hot_add)
    first = register_allocator(thread, unit);
  for (const std::size_t function : unit.functions) {
    FunctionDriver& driver = *drivers_[function];
    if (driver.known()) continue;
    driver.put_behind(unit.kernel);
    if (!residence_->present(function) || slots_[function].leaving()) continue;
    slots_[function].take(Due::probe);
    const Errno error = driver.probe(thread);
    if (first == Errno::ok) first = error;
  }
  return first;
}

// Functions.

// One that waits for its vIOMMU is not probed either.
std::string_view Guest::unplug_function(std::size_t function, Unplug how) {
  ensure(!residence_->function(function).slice() || how == Unplug::orderly,
         "a slice of a function vanished");
  if (!machine.alive()) return "its guest does not run any more";
  if (!residence_->present(function)) return "it is not there";
  HotplugSlot& slot = slots_[function];
  const bool pressed_before = slot.take(Due::removal);
  if (how == Unplug::orderly && pressed_before) return {};
  if (!drivers_[function]->known() || how == Unplug::surprise) {
    remove_function(function, how);
    return {};
  }
  slot.set(Due::removal);
  slot.after(params_.hotplug.slots.attention_window, [this, function] {
    if (residence_->present(function)) remove_function(function, Unplug::orderly);
  });
  return {};
}

// Orderly: as vIOMMUs do; then the host takes it back. Otherwise both kernels learn it after a
// while, and clear up without it. A guest that has moved meanwhile may have another one in its place.
void Guest::remove_function(std::size_t function, Unplug how) {
  const Residence::Function& its = residence_->function(function);
  slots_[function].leave();
  if (how == Unplug::surprise) its.device->remove();
  machine.post_to_hypervisor([this, &its, function, how](Thread& thread) {
    if (how == Unplug::surprise) {
      thread.sleep(host().params().unplug_notice);
      its.unit->kernel.driver.gone(its.device->source());
      if (&its != &residence_->function(function) && residence_->attached(function))
        return slots_[function].left();
    }
    machine.inject(thread);
    kernel.workers.post([this, function, how](Thread& worker) { release(worker, function, how); });
  });
}

void Guest::lose_slice(std::size_t function, Unplug how) {
  slots_[function].leave();
  machine.post_to_hypervisor([this, function, how](Thread& thread) {
    if (!machine.guest_runs()) {
      slots_[function].left();
      return residence_->detach(thread, function);
    }
    machine.inject(thread);
    kernel.workers.post([this, function, how](Thread& worker) { release(worker, function, how); });
  });
}

void Guest::slice_is_gone(std::size_t function) {
  machine.post_to_hypervisor([this, function](Thread& thread) {
    if (!machine.guest_runs()) return;
    machine.inject(thread);
    kernel.workers.post([this, function](Thread& /*worker*/) { drivers_[function]->gone(); });
  });
}

void Guest::release(Thread& thread, std::size_t function, Unplug how) {
  FunctionDriver& driver = *drivers_[function];
  if (how == Unplug::surprise) driver.gone();
  driver.remove(thread);
  ++hotplug.unplugged;
  machine.exit_to_user(thread, [&] { residence_->detach(thread, function); });
  if (!residence_->function(function).slice()) residence_->take_out(function);
  slots_[function].left();
}

std::string_view Guest::plug_function(std::size_t function) {
  const Residence::Function& its = residence_->function(function);
  if (!machine.alive()) return "its guest does not run any more";
  if (residence_->present(function)) return "it is there";
  // A slot is switched on when software has let go of what was in it.
  if (drivers_[function]->known() || slots_[function].leaving())
    return "its kernel has not let go of what was there";
  if (!its.slice()) residence_->put_in(function);
  slots_[function].set(Due::probe);
  machine.post_to_hypervisor([this, &its, function](Thread& thread) {
    const AtsDevice& now = *residence_->function(function).device;
    if (&now != its.device && !now.present())
      residence_->put_in(function);  // it has moved meanwhile
    const Errno error = residence_->attach(thread, function);
    ++hotplug.plugged;
    if (error != Errno::ok) {
      ++hotplug.refused;
      return;
    }
    if (slots_[function].leaving() || !residence_->present(function))
      return residence_->detach(thread, function);  // it went while it was attached
    machine.inject(thread);
    probe_plugged(function);
  });
  return {};
}

// Behind a vIOMMU that leaves, or has left, nothing begins: what comes meanwhile is taken up with the next one.
Errno Guest::probe(Thread& thread, std::size_t function) {
  FunctionDriver& driver = *drivers_[function];
  const auto behind = std::find_if(
      units.begin(), units.end(), [&](const Unit& unit) { return &unit.kernel == &driver.unit(); });
  return behind->slot == Slot::taken ? driver.probe(thread) : Errno::ok;
}

void Guest::probe_plugged(std::size_t function) {
  HotplugSlot& slot = slots_[function];
  if (!slot.is(Due::probe)) return;
  slot.after(params_.hotplug.slots.probe_delay, [this, &slot, function] {
    kernel.workers.post([this, &slot, function](Thread& worker) {
      if (slot.take(Due::probe) && probe(worker, function) != Errno::ok) ++hotplug.refused;
    });
  });
}

}  // namespace viosim
