// Boot, shutdown, and what a guest's end leaves to its host.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/guest.hpp"

#include "models/guest/files_path.hpp"

#include <algorithm>
#include <utility>

namespace viosim {
namespace {

constexpr unsigned large_leaf = 2;

}  // namespace

// How its kernel reaches a function that is assigned to it. The function's registers are mapped into
// the guest. Of a slice, which is isolated by PASIDs alone, and where its numbers are not the host's, the page
// with the PASIDs is not: the hypervisor writes them, if they are bound there.
class Guest::Access final : public FunctionAccess {
 public:
  Access(Guest& guest, std::size_t device) : guest_(guest), device_(device) {}
  Result<Pasid> program(Thread& thread, Pasid pasid) override {
    if (guest_.hypervisor.host().same_numbers(device_)) return pasid;
    return guest_.machine.exit_to_user(thread, [&]() -> Result<Pasid> {
      const Guard guard(guest_.machine.emulation(), thread);
      return checked(pasid);
    });
  }
  // Where its vCPU finds no number of the host's the instruction leaves the guest. If there is none by then, it
  // has failed; otherwise the vCPU executes it again.
  Result<Pasid> enqcmd(Thread& thread, Pasid pasid) override {
    for (;;) {
      PasidTranslation* const translation = guest_.residence().pasid_translation();
      if (translation == nullptr) return translated(pasid);
      if (const auto host = translation->translate(pasid, PasidTranslation::Instruction::enqcmd))
        return *host;
      const bool found = guest_.machine.exit_to_user(thread, [&] {
        const Guard guard(guest_.machine.emulation(), thread);
        return translation->find(pasid).has_value();
      });
      if (!found) return Errno::enoent;
    }
  }
  Result<Pasid> on_wire(Pasid pasid) override {
    const bool shared = guest_.residence().function(device_).shared != nullptr;
    const bool trapped = !shared && !guest_.hypervisor.host().same_numbers(device_);
    return trapped ? checked(pasid) : translated(pasid);
  }
  void sent(Pasid pasid, Pasid wire) override {
    const Residence& residence = guest_.residence();
    const TracePoint& trace = residence.trace();
    const Residence::Function& function = residence.function(device_);
    if (!function.slice() || !trace.on()) return;
    trace.emit({.kind = EventKind::work,
                .time = guest_.engine().now(),
                .pasid = wire,
                .address = pasid.value(),
                .value = function.device->source().value(),
                .code = function.shared != nullptr ? trace_code::by_enqcmd : std::uint16_t{0}});
  }

 private:
  Result<Pasid> checked(Pasid pasid) const {
    if (guest_.residence().injection().skips(FlowStep::queue_check_bound, pasid))
      return guest_.hypervisor.host_of(device_, pasid).value_or(pasid);
    return guest_.hypervisor.host().bound(device_, pasid) ? translated(pasid) : Errno::enoent;
  }
  Result<Pasid> translated(Pasid pasid) const {
    const auto found = guest_.hypervisor.host_of(device_, pasid);
    if (!found) return Errno::enoent;
    return *found;
  }
  Guest& guest_;
  std::size_t device_;  // as the hypervisor knows it
};

Guest::Guest(Host& on, const std::string& path, const GuestParams& params, std::uint32_t number)
    : kernel(on.engine, path, params.kernel, params.vcpus, number, params.allocator.options()),
      machine(on.engine, path, params.world_switch, on.kernel.workers, kernel.workers),
      params_(params),
      number_(number),
      residence_(&add_residence(on)),
      memory(on.memory, residence_->second_stage(), Hpa(0), params.memory, large_leaf),
      frames(memory.allocate_frames(params.memory.count() >> 13U), params.memory.count() >> 13U),
      hypervisor(machine, residence_->flow()),
      virtual_commands(on.engine, params.virtual_commands, kernel.pasids.space()) {
  machine.on_stop([this] { nothing_is_due(); });
}

Residence& Guest::add_residence(Host& on) { return *residences_.emplace_back(make_residence(on)); }

std::unique_ptr<Residence> Guest::make_residence(Host& on) {
  const std::uint32_t number = number_ + 1;
  if (params_.host_interface == HostInterface::iommufd)
    return std::make_unique<IommufdResidence>(on, machine, params_.iommufd, params_.memory, number);
  return std::make_unique<VfioResidence>(on, machine, params_.vfio, params_.pasids, number);
}

void Guest::follow(std::function<void(Residence&)> follower) {
  for (const auto& residence : residences_) follower(*residence);
  followers_.push_back(std::move(follower));
}

std::string Guest::path_of(const Residence& residence) const {
  return path_of_part(residence, name_of(params_.host_interface));
}

std::string Guest::path_of_translation(const Residence& residence) const {
  return path_of_part(residence, "pasid_translation");
}

std::string Guest::path_of_part(const Residence& residence, std::string_view part) const {
  const Host& home = residences_.front()->host();
  const bool is_home = &residence.host() == &home;
  return path_on_host(machine.path(), part, is_home ? "" : residence.host().kernel.path());
}

bool Guest::nothing_left() const {
  return std::all_of(residences_.begin(), residences_.end(),
                     [](const auto& residence) { return residence->empty(); });
}

VfioContainer& Guest::container() const {
  VfioContainer* const container = residence_->container();
  ensure(container != nullptr, "a guest without a container was asked for it");
  return *container;
}

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
      backend(its_backend),
      due(guest.engine(), number, viommu.command_trace()) {
  if (backend == PasidBackend::virtual_command) {
    ops = guest.virtual_commands.ops(commands);
    guest.kernel.pasids.backends_know_no_range();
  }
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
  const std::size_t number =
      residence_->add({assignment.device, assignment.shared, assignment.host_unit, assignment.link,
                       assignment.capabilities, assignment.parent, assignment.shows_ats},
                      device.source());
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
  // A slice's configuration space is emulated.
  if (assignment.parent == nullptr)
    function.capabilities.config = &residence_->switches(number);
  else
    function.slice = assignment.slice;
  function.sva = assignment.sva;
  if (!assignment.shows_ats) {
    function.capabilities.ats = function.capabilities.page_requests = false;
    function.sva.features = 0;
  }
  function.number = next_number();
  FunctionDriver& driver = *drivers_.emplace_back(
      std::make_unique<FunctionDriver>(kernel, behind.kernel, assignment.driver, function));
  slots_.emplace_back(engine(), function.number, driver.trace);
  return driver;
}

// Boot.

void Guest::boot(std::function<void(Thread&)> booted) {
  machine.on_close([this](Thread& thread) {
    if (migration_) migration_->wait_until_decided(thread);
    residence_->close(thread);
  });
  machine.post_to_hypervisor([this, booted = std::move(booted)](Thread& thread) {
    move_in(thread);
    tell_memory();
    kernel.workers.post([this, booted](Thread& worker) { start_kernel(worker, booted); });
  });
}

void Guest::boot_error(std::string what, Errno error) {
  if (error != Errno::ok) boot_errors_.push_back({std::move(what), error});
}

void Guest::move_in(Thread& thread) {
  boot_error("files", residence_->open(thread));
  for (std::size_t number = 0; number < drivers_.size(); ++number)
    boot_error(drivers_[number]->function().path, residence_->attach(thread, number));
}

void Guest::tell_memory() const {
  const TracePoint& trace = residence_->trace();
  if (!trace.on()) return;
  trace.emit({.kind = EventKind::guest_memory,
              .time = engine().now(),
              .value = memory.begin_in_host().value()});
}

void Guest::start_kernel(Thread& thread, const std::function<void(Thread&)>& booted) {
  for (Unit& unit : units) boot_error(unit.viommu.path(), register_allocator(thread, unit));
  for (std::size_t number = 0; number < drivers_.size(); ++number) {
    FunctionDriver& driver = *drivers_[number];
    // A slice that could not be attached is not in the machine.
    if (residence_->function(number).slice() && !residence_->attached(number)) continue;
    boot_error(driver.function().path, driver.probe(thread));
  }
  booted_ = true;
  booted(thread);
}

Errno Guest::register_allocator(Thread& thread, Unit& unit) {
  if (unit.backend == PasidBackend::none) return Errno::ok;
  if (unit.backend == PasidBackend::virtual_command && !unit.commands.offers_pasids(thread))
    return Errno::ok;
  unit.to_unregister = true;
  const Ruling ruling = unit.viommu.injection.ask(Message::registration);
  if (ruling.fate == Fate::drop) return Errno::ok;
  if (ruling.fate == Fate::delay) thread.sleep(ruling.by);
  const Errno error = register_once(unit);
  if (ruling.fate == Fate::duplicate) register_once(unit);
  return error;
}

Errno Guest::register_once(Unit& unit) {
  const ioasid::Error error = kernel.pasids.space().register_allocator(unit.ops);
  if (error == ioasid::Error::ok) {
    unit.registered = true;
    tell_allocator(unit, trace_code::allocator_registered);
  }
  if (error == ioasid::Error::eagain) {
    ++kernel.pasids.stats.late_allocators;
    if (params_.disable_sva_on_late_allocator) kernel.sva.disable();
  }
  return errno_of(error);
}

// With who is asked for numbers from now on.
void Guest::tell_allocator(const Unit& unit, std::uint16_t what) const {
  const TracePoint& trace = unit.viommu.command_trace();
  if (!trace.on()) return;
  const auto same = std::find_if(units.begin(), units.end(), [&](const Unit& other) {
    return other.ops.same_helpers(unit.ops);
  });
  const Unit* const asked = serving();
  trace.emit(
      {.kind = EventKind::allocator,
       .time = engine().now(),
       .address = static_cast<std::uint64_t>(same - units.begin()) + 1,
       .value = asked == nullptr ? 0 : std::uint64_t{1} + asked->viommu.command_trace().component(),
       .code = what});
}

const Guest::Unit* Guest::serving() const {
  const void* const active =
      kernel.pasids.peek([&] { return kernel.pasids.space().active_pdata(); });
  const auto asked = std::find_if(units.begin(), units.end(), [&](const Unit& other) {
    return active != nullptr && other.ops.pdata == active;
  });
  return asked == units.end() ? nullptr : &*asked;
}

// The end.

void Guest::shut_down(Thread& thread) {
  for (const auto& driver : drivers_) driver->remove(thread);
  for (Unit& unit : units) {
    if (!std::exchange(unit.registered, false)) continue;
    kernel.pasids.space().unregister_allocator(unit.ops);
    tell_allocator(unit, trace_code::allocator_ended);
  }
  machine.kill();
}

}  // namespace viosim
