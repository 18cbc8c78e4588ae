// Putting a host together.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/host.hpp"

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

std::string_view Host::unplug(FunctionDriver& driver, Unplug how,
                              std::function<void(Thread&)> let_go) {
  AtsDevice& device = *driver.function().device;
  if (!device.present()) return "it is not there";
  if (how == Unplug::surprise) device.remove();
  driver.give_no_slices();
  kernel.workers.post([this, &driver, how, let_go = std::move(let_go)](Thread& thread) {
    if (how == Unplug::surprise) notice_gone(thread, driver);
    if (let_go) let_go(thread);
    driver.remove(thread);
    if (driver.function().device->present()) driver.function().device->remove();
  });
  return {};
}

void Host::notice_gone(Thread& thread, FunctionDriver& driver) const {
  thread.sleep(params_.unplug_notice);
  driver.gone();
}

std::string_view Host::plug(FunctionDriver& driver) {
  AtsDevice& device = *driver.function().device;
  if (device.present()) return "it is there";
  // A slot is switched on when software has let go of what was in it.
  if (driver.known()) return "its kernel has not let go of what was there";
  device.insert();
  kernel.workers.post([&driver](Thread& thread) { driver.probe(thread); });
  return {};
}

}  // namespace viosim
