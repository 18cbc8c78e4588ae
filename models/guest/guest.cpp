// Boot, shutdown, and what a guest's end leaves to its host.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/guest.hpp"

#include <utility>

namespace viosim {
namespace {

constexpr Bytes large_page{std::uint64_t{2} << 20U};
constexpr unsigned large_leaf = 2;

vtd::PasidEntry entry_of(const PageTable& second_stage, DomainId domain) {
  vtd::PasidEntry entry;
  entry.type = vtd::PasidEntry::Type::second_level;
  entry.address_width = static_cast<std::uint8_t>(second_stage.levels() - 2);
  entry.second_level = second_stage.root();
  entry.domain = domain;
  return entry;
}

ioasid::SpaceOptions space_of(const GuestParams& params) {
  ioasid::SpaceOptions options;
  options.keep_live_on_duplicate = true;
  options.refuse_unregister_with_live_ids = params.refuse_unregister_with_live_ids;
  return options;
}

}  // namespace

void GuestParams::check(const Where& where) const {
  if (vcpus == 0) (where / "vcpus").reject("read 0; expected at least one");
  if (memory < Bytes(16 * large_page.count()) || memory.count() % large_page.count() != 0)
    (where / "memory").reject("expected a multiple of 2 MiB, at least 32 MiB");
}

// How its kernel reaches a function that is assigned to it. The function's registers are mapped into
// the guest. Where its numbers are not the host's, the page with the PASIDs is not: the
// hypervisor writes them.
class Guest::Access final : public FunctionAccess {
 public:
  Access(Guest& guest, std::size_t device) : guest_(guest), device_(device) {}
  Result<Pasid> program(Thread& thread, Pasid pasid) override {
    if (guest_.hypervisor.host().same_numbers(device_)) return pasid;
    return guest_.machine.exit_to_user(thread, [&]() -> Result<Pasid> {
      const Guard guard(guest_.machine.emulation(), thread);
      return translated(pasid);
    });
  }
  Result<Pasid> enqcmd(Thread& /*thread*/, Pasid pasid) override { return translated(pasid); }

 private:
  Result<Pasid> translated(Pasid pasid) const {
    const auto found = guest_.hypervisor.host_of(device_, pasid);
    if (!found) return Errno::enoent;
    return *found;
  }
  Guest& guest_;
  std::size_t device_;  // as the hypervisor knows it
};

Guest::Guest(Host& on, const std::string& path, const GuestParams& params, std::uint32_t number)
    : host(on),
      kernel(on.engine, path, params.kernel, params.vcpus, number, space_of(params)),
      machine(on.engine, path, params.world_switch, on.kernel.workers, kernel.workers),
      second_stage(on.memory, TableFormat::second_level, 4),
      memory(on.memory, second_stage, Hpa(0), params.memory, large_leaf),
      frames(memory.allocate_frames(params.memory.count() >> 13U), params.memory.count() >> 13U),
      params_(params),
      number_(number),
      host_entry_(entry_of(second_stage, on.take_domain())),
      container(on.engine, path, params.vfio, on.ids, on.kernel.workers, host_entry_, number + 1),
      hypervisor(machine, container, params.pasids),
      virtual_commands(on.engine, params.virtual_commands, kernel.pasids.space()) {}

Guest::~Guest() = default;

Guest::Unit::Unit(Guest& guest, std::string its_name, const ViommuParams& params,
                  PasidBackend its_backend, std::uint32_t its_number)
    : name(std::move(its_name)),
      number(its_number),
      viommu(guest.machine.path() + "." + name, params, guest.hypervisor, guest.memory),
      tables(guest.memory, vtd::Mode::scalable),
      iommu(viommu, tables.root(), guest.params_.iommu),
      registers(viommu),
      commands(viommu, guest.params_.virtual_commands, number),
      kernel(guest.kernel.add_unit(iommu, tables, registers)),
      backend(its_backend) {
  if (backend == PasidBackend::virtual_command) ops = guest.virtual_commands.ops(commands);
  if (backend == PasidBackend::guest_local) {
    own = std::make_unique<ioasid::GuestLocalBackend>();
    ops = {own.get(), own.get(), this};
  }
}

Guest::Unit& Guest::add_unit(const std::string& name, const ViommuParams& params,
                             PasidBackend backend) {
  return units.emplace_back(*this, name, params, backend, next_number());
}

FunctionDriver& Guest::assign(const std::string& name, const Assignment& assignment, Unit& behind) {
  AtsDevice& device = *assignment.device;
  Assigned& assigned = assigned_.emplace_back(Assigned{assignment, AtsFunctionConfig(device)});
  assigned.is.capabilities.config = &assigned.config;
  const std::size_t number =
      container.add_device({device.source(), &assignment.host_unit->kernel.driver,
                            &assignment.host_unit->kernel.requests});
  behind.viommu.add_device(device.source(), number);
  behind.functions.push_back(number);
  FunctionDriver::Function function;
  function.path = machine.path() + "." + name;
  function.source = device.source();
  function.device = &device;
  function.shared = assignment.shared;
  function.link = assignment.link;
  function.access = accesses_.emplace_back(std::make_unique<Access>(*this, number)).get();
  function.capabilities = assignment.capabilities;
  function.sva = assignment.sva;
  if (!assignment.shows_ats) {
    function.capabilities.ats = function.capabilities.page_requests = false;
    function.sva.features = 0;
  }
  function.number = next_number();
  return *drivers_.emplace_back(
      std::make_unique<FunctionDriver>(kernel, behind.kernel, assignment.driver, function));
}

// Boot.

void Guest::boot(std::function<void(Thread&)> booted) {
  machine.on_close([this](Thread& thread) { close_files(thread); });
  machine.post_to_hypervisor([this, booted = std::move(booted)](Thread& thread) {
    open_files(thread);
    kernel.workers.post([this, booted](Thread& worker) { start_kernel(worker, booted); });
  });
}

void Guest::boot_error(std::string what, Errno error) {
  if (error != Errno::ok) boot_errors_.push_back({std::move(what), error});
}

void Guest::open_files(Thread& thread) {
  boot_error("container", machine.ioctl(thread, [&] { return container.open(thread); }));
  for (std::size_t number = 0; number < assigned_.size(); ++number) {
    const Errno error = machine.ioctl(thread, [&] { return attach(thread, number); });
    boot_error(drivers_[number]->function().path, error);
  }
}

// Its requests without a PASID use the guest's memory.
Errno Guest::attach(Thread& thread, std::size_t number) {
  Assigned& assigned = assigned_[number];
  Host::Unit& unit = *assigned.is.host_unit;
  const Bdf source = assigned.is.device->source();
  const Guard guard(host.kernel.pasid_mutex, thread);
  Errno error = unit.kernel.driver.add(thread, source, assigned.is.capabilities);
  if (error != Errno::ok) return error;
  error = unit.kernel.driver.attach(thread, source, host_entry_);
  if (error != Errno::ok) {
    unit.kernel.driver.remove(thread, source);
    return error;
  }
  unit.router.add(container, number);
  assigned.attached = true;
  return unit.kernel.requests.register_handler(source, unit.router);
}

void Guest::start_kernel(Thread& thread, const std::function<void(Thread&)>& booted) {
  for (Unit& unit : units) boot_error(unit.viommu.path(), register_allocator(thread, unit));
  for (const auto& driver : drivers_) boot_error(driver->function().path, driver->probe(thread));
  booted_ = true;
  booted(thread);
}

Errno Guest::register_allocator(Thread& thread, Unit& unit) {
  if (unit.backend == PasidBackend::none) return Errno::ok;
  if (unit.backend == PasidBackend::virtual_command && !unit.commands.offers_pasids(thread))
    return Errno::ok;
  const ioasid::Error error = kernel.pasids.space().register_allocator(unit.ops);
  unit.registered = error == ioasid::Error::ok;
  return errno_of(error);
}

// The end.

void Guest::shut_down(Thread& thread) {
  for (const auto& driver : drivers_) driver->remove(thread);
  for (Unit& unit : units) {
    if (std::exchange(unit.registered, false)) kernel.pasids.space().unregister_allocator(unit.ops);
  }
  machine.kill();
}

// The hypervisor's process is gone. Nothing of the guest's runs on while its address spaces are taken
// down.
void Guest::close_files(Thread& thread) {
  bool reset = false;
  for (const Assigned& assigned : assigned_) {
    if (!assigned.attached || !assigned.is.device->present()) continue;
    assigned.is.device->reset_function();
    reset = true;
  }
  if (reset) thread.sleep(host.params().function_reset);
  container.close(thread);
  for (std::size_t number = 0; number < assigned_.size(); ++number) detach(thread, number);
}

void Guest::detach(Thread& thread, std::size_t number) {
  Assigned& assigned = assigned_[number];
  if (!std::exchange(assigned.attached, false)) return;
  Host::Unit& unit = *assigned.is.host_unit;
  const Bdf source = assigned.is.device->source();
  unit.router.remove(container, number);
  unit.kernel.requests.unregister_handler(source);
  const Guard guard(host.kernel.pasid_mutex, thread);
  unit.kernel.driver.detach(thread, source);
  unit.kernel.driver.remove(thread, source);
}

}  // namespace viosim
