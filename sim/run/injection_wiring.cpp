// Connects models with the run's injections.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/injection_wiring.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace viosim {
namespace {

constexpr bool is_step_of(FlowStep step, FlowStep first, FlowStep last) {
  return first <= step && step <= last;
}

bool has_message(PointHolder holder, Message message) {
  using H = PointHolder;
  switch (message) {
    case Message::command:
    case Message::command_completion:
    case Message::registration:
      return holder == H::viommu;
    case Message::page_request:
    case Message::page_request_interrupt:
      return holder == H::page_request_queue;
    case Message::fault_event:
      return holder == H::vfio;
    case Message::bind_notice:
    case Message::unbind_notice:
      return holder == H::pasid_translation;
    case Message::unmap_notice:
    case Message::exit_notice:
      return holder == H::sva;
    case Message::invalidation_completion:
      return holder == H::invalidation_queue;
    default:
      return holder == H::invalidation_queue || holder == H::viommu;
  }
}

bool has_flow_step(PointHolder holder, FlowStep step) {
  using H = PointHolder;
  using F = FlowStep;
  if (is_step_of(step, F::bind_lock_order, F::exit_tear_down)) return holder == H::sva;
  if (is_step_of(step, F::guest_unbind_tear_down, F::guest_unbind_drain) ||
      step == F::queue_check_bound)
    return holder == H::vfio || holder == H::iommufd;
  if (is_step_of(step, F::guest_bind_second_level, F::guest_bind_own_memory) ||
      step == F::vm_close_tear_down)
    return holder == H::vfio;
  if (step == F::overflow_discard) return holder == H::driver || holder == H::page_request_handler;
  if (step == F::submit_again) return holder == H::driver;
  return holder == H::viommu;
}

class Wiring {
 public:
  Wiring(Injector& injector, const ComponentIndex& components) : injector_(injector) {
    for (std::uint32_t i = 0; i < components.paths().size(); ++i)
      numbers_->emplace(components.path(i), i);
  }

  void add(PointHolder holder, InjectionPort& port, const std::string& path) {
    const std::uint32_t component = number_of(path);
    port.connect(injector_, component);
    wired.push_back({component, holder});
  }

  void add(System::IommuSystem& iommu) {
    if (iommu.vtd == nullptr) return;
    vtd::InvalidationQueue& queue = iommu.vtd->unit.queue();
    queue.injection.connect(injector_, iommu.queue);
    queue.devices().injection.connect(injector_, iommu.queue);
    wired.push_back({iommu.queue, PointHolder::invalidation_queue});
    const std::string pages = iommu.iommu->path() + ".page_request_queue";
    if (numbers_->contains(pages))
      add(PointHolder::page_request_queue, iommu.vtd->unit.page_requests().injection, pages);
    if (iommu.page_requests)
      add(PointHolder::page_request_handler, iommu.page_requests->injection, pages);
  }

  void add(AtsDevice& function) {
    function.inject_by(injector_);
    wired.push_back({number_of(function.path()), PointHolder::function});
  }

  void add(Kernel& kernel, const std::string& path) {
    add(PointHolder::sva, kernel.sva.injection, path + ".kernel.sva");
    add(PointHolder::allocator, kernel.pasids.injection, path + ".kernel.pasids");
  }

  void add(Guest& guest) {
    const std::string& path = guest.machine.path();
    add(guest.kernel, path);
    Residence& home = guest.residence();
    add_on_hosts(guest.path_of(home),
                 home.container() != nullptr ? PointHolder::vfio : PointHolder::iommufd);
    add_on_hosts(guest.path_of_translation(home), PointHolder::pasid_translation);
    follow(guest);
    for (Guest::Unit& unit : guest.units) {
      add(PointHolder::viommu, unit.viommu.injection, unit.viommu.path());
      add(PointHolder::driver, unit.kernel.driver.injection, unit.viommu.path() + ".driver");
    }
  }

  void add(HostSoftware& software) {
    Host& host = software.host();
    add(host.kernel, software.path());
    for (Host::Unit& unit : host.units)
      add(PointHolder::driver, unit.kernel.driver.injection, unit.iommu.path() + ".driver");
    for (HostSoftware::Accelerator& accelerator : software.accelerators()) add(*accelerator.device);
    for (HostSoftware::GuestSystem& guest : software.guests()) add(*guest.guest);
  }

  void add(System& system) {
    for (System::IommuSystem& iommu : system.iommus()) add(iommu);
    for (const System::AtsSystem& ats : system.ats_devices()) add(*ats.device);
    for (System::HostSystem& host : system.hosts())
      if (host.software) add(*host.software);
  }

  std::vector<WiredComponent> wired;

 private:
  // What it has on its host, and what it will have on hosts that it moves to.
  void add_on_hosts(const std::string& home, PointHolder holder) {
    for (const auto& [path, number] : *numbers_) {
      const bool elsewhere = path.starts_with(home + '[') && path.ends_with(']');
      if (path == home || elsewhere) wired.push_back({number, holder});
    }
  }

  void follow(Guest& guest) {
    guest.follow([&guest, &injector = injector_, numbers = numbers_](Residence& residence) {
      residence.injection().connect(injector, numbers->at(guest.path_of(residence)));
      if (PasidTranslation* const translation = residence.pasid_translation())
        translation->injection.connect(injector, numbers->at(guest.path_of_translation(residence)));
    });
  }

  std::uint32_t number_of(const std::string& path) const {
    const auto found = numbers_->find(path);
    ensure(found != numbers_->end(), "what lets itself be disturbed is no component");
    return found->second;
  }

  Injector& injector_;
  using Numbers = std::map<std::string, std::uint32_t, std::less<>>;
  std::shared_ptr<Numbers> numbers_ = std::make_shared<Numbers>();  // guests are followed by them
};

}  // namespace

bool has_point(PointHolder holder, InjectionPoint point) {
  using Kind = InjectionPoint::Kind;
  switch (point.kind) {
    case Kind::message:
      return has_message(holder, static_cast<Message>(point.which));
    case Kind::order_step:
      return holder == PointHolder::driver;
    case Kind::flow_step:
      return has_flow_step(holder, static_cast<FlowStep>(point.which));
    case Kind::misdeed:
      return holder == PointHolder::function;
    case Kind::allocation:
      return holder == PointHolder::allocator || holder == PointHolder::vfio;
  }
  return false;
}

std::vector<WiredComponent> wire_injections(Injector& injector, System& system,
                                            const ComponentIndex& components) {
  Wiring wiring(injector, components);
  wiring.add(system);
  return std::move(wiring.wired);
}

}  // namespace viosim
