// Putting a host together.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/host.hpp"

#include <algorithm>
#include <utility>

namespace viosim {
namespace {

constexpr std::uint64_t frames_in(Bytes memory) { return memory.count() >> 12U; }

}  // namespace

Host::Host(Engine& of, const std::string& path, const HostParams& params,
           PhysicalMemory& its_memory, std::uint32_t number)
    : engine(of),
      memory(its_memory),
      kernel(of, path, params.kernel, params.cpus, number),
      ids(of, path, kernel.pasids, params.sets_lock_handover),
      global_pasids(kernel.pasids),
      iommufd{global_pasids, {}},
      frames(its_memory.allocate_ram(frames_in(params.process_memory), 1),
             frames_in(params.process_memory)),
      params_(params) {}

Host::Unit::Unit(Host& host, vtd::Unit& its_hardware, InvalidationDriver& queue)
    : hardware(its_hardware),
      iommu(host.engine, hardware, queue, host.memory, abilities_of(hardware.params()),
            host.params_.iommu),
      registers(hardware.page_requests(), host.params_.page_request_registers),
      kernel(host.kernel.add_unit(iommu, hardware.tables(), registers)),
      router(&kernel.faults) {}

Host::Unit& Host::add_unit(vtd::Unit& hardware, InvalidationDriver& queue) {
  return units.emplace_back(*this, hardware, queue);
}

HotplugSlot& Host::slot_of(FunctionDriver& driver) {
  const auto found = std::find_if(slots_.begin(), slots_.end(),
                                  [&](const Slot& slot) { return &slot.driver == &driver; });
  if (found != slots_.end()) return found->due;
  return slots_.emplace_back(driver, engine, driver.function().number).due;
}

// What is not probed yet nobody uses, so it needs no window.
std::string_view Host::unplug(FunctionDriver& driver, Unplug how,
                              std::function<void(Thread&)> let_go) {
  if (!driver.function().device->present()) return "it is not there";
  HotplugSlot& slot = slot_of(driver);
  const bool pressed_before = slot.take(HotplugSlot::Due::removal);
  if (how == Unplug::orderly && pressed_before) return {};
  if (slot.is(HotplugSlot::Due::probe) || how == Unplug::surprise) {
    remove(driver, how, std::move(let_go));
    return {};
  }
  slot.set(HotplugSlot::Due::removal);
  slot.after(params_.slots.attention_window, [this, &driver, let_go = std::move(let_go)] {
    remove(driver, Unplug::orderly, let_go);
  });
  return {};
}

void Host::remove(FunctionDriver& driver, Unplug how, std::function<void(Thread&)> let_go) {
  HotplugSlot& slot = slot_of(driver);
  slot.leave();
  if (how == Unplug::surprise) driver.function().device->remove();
  driver.give_no_slices();
  kernel.workers.post([this, &slot, &driver, how, let_go = std::move(let_go)](Thread& thread) {
    if (how == Unplug::surprise) notice_gone(thread, driver);
    if (let_go) let_go(thread);
    driver.remove(thread);
    if (driver.function().device->present()) driver.function().device->remove();
    slot.left();
  });
}

void Host::notice_gone(Thread& thread, FunctionDriver& driver) const {
  thread.sleep(params_.unplug_notice);
  driver.gone();
}

std::string_view Host::plug(FunctionDriver& driver) {
  AtsDevice& device = *driver.function().device;
  if (device.present()) return "it is there";
  // A slot is switched on when software has let go of what was in it.
  HotplugSlot& slot = slot_of(driver);
  if (driver.known() || slot.leaving()) return "its kernel has not let go of what was there";
  device.insert();
  slot.set(HotplugSlot::Due::probe);
  slot.after(params_.slots.probe_delay, [this, &slot, &driver] {
    kernel.workers.post([&slot, &driver](Thread& thread) {
      if (slot.take(HotplugSlot::Due::probe)) driver.probe(thread);
    });
  });
  return {};
}

}  // namespace viosim
