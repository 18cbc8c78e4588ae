// Builds the simulated machines that a scenario describes.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/system.hpp"

#include "sim/run/actors.hpp"
#include "sim/run/attach.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

namespace viosim {
namespace {

constexpr std::uint32_t first_domain =
    2;  // 0 is reserved by caching mode; Linux keeps 1 for first-level entries of SVA
constexpr std::uint64_t first_frame = 0x100;  // 1 MiB: below lies what firmware uses

TableKind kind_of(const DmaDevice& config) {
  if (config.table) return *config.table;
  return config.pasid ? TableKind::first_level : TableKind::second_level;
}

unsigned leaf_level(Bytes page_size) {
  return page_size == page_1g ? 3 : page_size == page_2m ? 2 : 1;
}

// Of 4 KiB, whole pages of the size that is mapped.
std::uint64_t pages_of(const DmaDevice& config) {
  const std::uint64_t size = config.page_size.count();
  return (config.dma.traffic.window.count() + size - 1) / size * (size >> 12U);
}

std::string indexed(const std::string& path, std::uint32_t count, std::uint32_t index) {
  return count == 1 ? path : fmt::format("{}[{}]", path, index);
}

}  // namespace

System::System(const Scenario& scenario, const Recordings& recordings, Tracer& tracer,
               const std::function<std::uint32_t(std::string_view)>& add_component)
    : scenario_(scenario),
      recordings_(recordings),
      tracer_(tracer),
      add_component_([this, add_component](std::string_view path) {
        const std::uint32_t number = add_component(path);
        components_.emplace(path, number);
        return number;
      }),
      until_(scenario.duration ? Instant(*scenario.duration) : Instant(Ps::max())),
      engine_(stacks_for(scenario)),
      fabric_(engine_.agenda(), tracer) {
  engine_.set_run_ahead(fabric_);
  fabric_.set_fault_service(*this);
  for (const HostConfig& host : scenario.hosts) {
    for (std::uint32_t i = 0; i < host.count; ++i) build_host(host, i);
  }
  build_links();
}

void System::build_host(const HostConfig& config, std::uint32_t index) {
  HostSystem& host = hosts_.emplace_back();
  host.path = indexed(config.name, config.count, index);
  host.component = add_component_(host.path);
  next_function_ = first_function.value();
  next_frame_ = first_frame;
  host.kernel = std::make_unique<HostKernel>(host.path + ".kernel", config.kernel, engine_, fabric_,
                                             tracer_, host.component, scenario_.seed);
  for (const IommuConfig& iommu : config.iommus) build_iommu(iommu, config, host);
  if (config.has_software()) build_software(config, host);
  for (const DeviceConfig& device : config.devices) {
    if (const auto* accelerator = std::get_if<AcceleratorDevice>(&device)) {
      build_accelerators(*accelerator, config, host);
    } else if (const auto* dma = std::get_if<DmaDevice>(&device)) {
      build_dma(*dma, config, host);
    } else {
      build_recorded(std::get<RecordedDevice>(device), host);
    }
  }
  host.kernel->start(until_);
  if (!host.software) return;
  host.software->build();
  host.software->trace(SoftwareTrace(tracer_, [this](std::string_view path) {
    const auto found = components_.find(path);
    ensure(found != components_.end(), "what is traced is no component");
    return found->second;
  }));
}

void System::build_unit(const IommuConfig& config, const HostConfig& host_config, HostSystem& host,
                        const std::string& path, IommuSystem& system) {
  const Ps poll =
      has_accelerators(host_config, config) ? host_config.software.poll : host_config.kernel.poll;
  const std::uint32_t number = next_number_++;
  const auto build = [&](auto& whole, const auto& params) {
    whole = std::make_unique<std::decay_t<decltype(*whole)>>(path, params, number, engine_,
                                                             host.memory, scenario_.seed, poll);
    system.iommu = &whole->unit.iommu();
    system.invalidator = &whole->driver;
    whole->unit.queue().trace_to(tracer_, system.queue);
    if constexpr (std::is_same_v<std::decay_t<decltype(whole->driver)>, InvalidationDriver>)
      whole->driver.trace.trace_to(tracer_, system.queue);
  };
  if (const auto* vtd = std::get_if<VtdIommu>(&config)) {
    build(system.vtd, vtd->params);
    system.vtd->driver.give_up_after(host_config.kernel.tries);
  } else {
    build(system.riscv, std::get<RiscvIommu>(config).params);
  }
}

void System::build_iommu(const IommuConfig& config, const HostConfig& host_config,
                         HostSystem& host) {
  IommuSystem& system = iommus_.emplace_back();
  const std::string path = host.path + '.' + name_of(config);
  system.component = add_component_(path);
  system.context_cache = add_component_(path + ".context_cache");
  system.pasid_cache = add_component_(path + ".pasid_cache");
  system.iotlb = add_component_(path + ".iotlb");
  const bool of_vtd = std::holds_alternative<VtdIommu>(config);
  system.queue = add_component_(path + (of_vtd ? ".invalidation_queue" : ".command_queue"));
  build_unit(config, host_config, host, path, system);
  for (const Stage stage : {Stage::first, Stage::second}) {
    for (unsigned level = WalkCaches::lowest; level <= WalkCaches::highest; ++level) {
      if (system.iommu->walk_caches().stats(stage, level) == nullptr) continue;
      const auto name = fmt::format("{}.walk_caches.{}.level{}", path,
                                    stage == Stage::first ? "first" : "second", level);
      system.walk_caches.push_back({stage, level, add_component_(name)});
    }
  }
  system.iommu->trace_to(tracer_, system.component);
}

System::IommuSystem& System::iommu_named(const std::string& path) {
  const auto found = std::find_if(iommus_.begin(), iommus_.end(), [&](const IommuSystem& system) {
    return system.iommu->path() == path;
  });
  ensure(found != iommus_.end(), "a device names an IOMMU that was not built");
  return *found;
}

const ZipfTable* System::zipf_for(const TrafficParams& traffic) {
  if (traffic.pattern != Pattern::zipf) return nullptr;
  auto& table = zipf_tables_[{traffic.window.count(), traffic.skew}];
  if (!table)
    table = std::make_unique<ZipfTable>(traffic.window.count() / page_4k.count(), traffic.skew);
  return table.get();
}

// The address space of a device: its own, or its domain's. Returns its number in the kernel.
std::size_t System::space_for(const DmaDevice& config, HostSystem& host, IommuSystem& iommu) {
  if (!config.domain) return build_space(config, host, iommu);
  const auto [known, is_new] =
      shared_spaces_.try_emplace(iommu.iommu->path() + '/' + *config.domain, 0);
  if (is_new) known->second = build_space(config, host, iommu);
  return known->second;
}

std::size_t System::build_space(const DmaDevice& config, HostSystem& host, IommuSystem& iommu) {
  const TableKind kind = kind_of(config);
  const std::uint64_t pages = pages_of(config);
  HostSpace space;
  space.first_level = kind == TableKind::first_level || kind == TableKind::nested;
  space.pasid = config.pasid.value_or(no_pasid);
  const std::uint32_t number = first_domain + domains_used_[iommu.iommu->path()]++;
  space.base = config.base;
  space.size = config.dma.traffic.window;
  const std::uint64_t each = config.page_size.count() >> 12U;
  next_frame_ = (next_frame_ + each - 1) / each * each;
  space.frames = Hpa(next_frame_ << 12U);
  space.driver = iommu.invalidator;
  space.absent_cached =
      iommu.iommu->caches_absent_pages(space.first_level ? Stage::first : Stage::second);
  next_frame_ += pages;
  TableMemory* memory = &host.memory;
  if (kind == TableKind::nested) {
    memory = &build_guest(config, host, iommu, space);
  } else if (kind != TableKind::pass_through) {
    space.table = &page_tables_.emplace_back(
        host.memory, format_of(iommu.riscv != nullptr, space.first_level), config.levels);
  }
  tag(space, number, iommu.riscv != nullptr);
  if (config.populate && space.table != nullptr) {
    space.table->map(space.base, space.frames, pages, {true, true}, leaf_level(config.page_size));
  }
  const std::size_t added = host.kernel->add_space(space);
  if (iommu.riscv != nullptr && space.pasid != no_pasid) {
    const riscv::ProcessMode mode = iommu.riscv->unit.params().processes;
    process_tables_[{host.kernel.get(), added}] = process_table(*memory, mode, space);
  }
  return added;
}

// A guest whose memory is what the device uses, and what the tables that map it take. The guest's
// frames are where the space's pages are from its point of view.
GuestMemory& System::build_guest(const DmaDevice& config, HostSystem& host,
                                 const IommuSystem& iommu, HostSpace& space) {
  const bool of_riscv = iommu.riscv != nullptr;
  constexpr Hpa tables_at(std::uint64_t{1} << 28U);
  const Hpa data_at(std::uint64_t{1} << (config.second_levels == 3 ? 38U : 40U));
  const std::uint64_t pages = pages_of(config);
  PageTable& second =
      page_tables_.emplace_back(host.memory, format_of(of_riscv, false), config.second_levels);
  const std::uint64_t tables =
      pages / 512 + pages / 512 / 512 + 16;  // of 4 KiB pages, and to spare
  GuestMemory& guest =
      guests_.emplace_back(host.memory, second, tables_at, Bytes(tables << 12U), 1);
  second.map(Iova(data_at.value()), space.frames, pages, {true, true},
             leaf_level(config.page_size));
  space.frames = data_at;
  space.second_stage = &second;
  space.table = &page_tables_.emplace_back(guest, format_of(of_riscv, true), config.levels);
  return guest;
}

void System::build_dma(const DmaDevice& config, const HostConfig& host_config, HostSystem& host) {
  IommuSystem& iommu = iommu_named(host.path + '.' + config.iommu);
  for (std::uint32_t i = 0; i < config.count; ++i) {
    DmaFabric::Device device;
    device.path = indexed(host.path + '.' + config.name, config.count, i);
    device.iommu = iommu.iommu;
    device.source = Bdf(static_cast<std::uint16_t>(next_function_++));
    device.pasid = config.pasid.value_or(no_pasid);
    device.link = config.link;
    device.dma = config.dma;
    device.base = config.base;
    device.memory_latency = host_config.memory.latency;
    device.start = Instant(config.start);
    device.until = until_;
    device.zipf = zipf_for(config.dma.traffic);
    device.seed = scenario_.seed;
    device.number = next_number_++;
    device.component = add_component_(device.path);

    const std::size_t space = space_for(config, host, iommu);
    const HostSpace& use = host.kernel->space(space);
    if (iommu.riscv != nullptr) {
      attach(iommu.riscv->unit.tables(), device.source, use,
             process_tables_[{host.kernel.get(), space}]);
    } else {
      attach(iommu.vtd->unit.tables(), device.source, use,
             {config.ats.has_value(), config.pri.has_value()});
    }
    if (config.ats) {
      build_ats(config, device, space, host, iommu, host_config);
      continue;
    }
    const std::uint32_t number = fabric_.add(device);
    host.kernel->give(number, space);
    kernel_of_device_.push_back(host.kernel.get());
    dma_devices_.push_back({device.component, number, config.dma.traffic.request});
  }
}

void System::build_ats(const DmaDevice& config, const DmaFabric::Device& device, std::size_t space,
                       HostSystem& host, IommuSystem& iommu, const HostConfig& host_config) {
  AtsSystem& system = ats_devices_.emplace_back();
  system.component = device.component;
  system.request = config.dma.traffic.request;
  system.tlb = add_component_(device.path + ".device_tlb");
  system.device =
      std::make_unique<AtsDevice>(device, *config.ats, config.pri,
                                  AtsDevice::Wiring{engine_.agenda(), tracer_, iommu.vtd->unit});
  iommu.vtd->unit.attach_ats(device.source, *system.device);
  host.kernel->add_device_tlb(space, device.source);
  if (!config.pri) return;
  page_requests_of(iommu, host, host_config)
      .serve(device.source, device.pasid, space, *system.device);
}

// Made with the first device that needs it.
PageRequestHandler& System::page_requests_of(IommuSystem& iommu, HostSystem& host,
                                             const HostConfig& host_config) {
  if (!iommu.page_requests) {
    const std::string path = iommu.iommu->path() + ".page_request_queue";
    iommu.page_request_queue = add_component_(path);
    iommu.vtd->unit.page_requests().trace.trace_to(tracer_, iommu.page_request_queue);
    iommu.page_requests =
        std::make_unique<PageRequestHandler>(path, host_config.kernel, engine_, *host.kernel,
                                             iommu.vtd->unit.page_requests(), &iommu.vtd->driver);
    iommu.page_requests->trace.trace_to(tracer_, iommu.page_request_queue);
    iommu.page_requests->start();
  }
  return *iommu.page_requests;
}

void System::build_recorded(const RecordedDevice& config, HostSystem& host) {
  IommuSystem& iommu = iommu_named(host.path + '.' + config.iommu);
  const RecordedStream& stream = recordings_.at(config.trace);
  const std::string path = host.path + '.' + config.name;
  std::vector<std::uint32_t> components;
  for (const std::uint16_t requester : stream.requesters) {
    components.push_back(add_component_(fmt::format("{}[{}]", path, Bdf(requester).text())));
  }
  components.push_back(add_component_(path + ".software"));
  players_.emplace_back(
      path, config.player, stream,
      TracePlayer::Wiring{engine_, host.memory, iommu.vtd->unit, iommu.vtd->driver, tracer_},
      next_number_++, std::move(components));
  players_.back().start(until_);
}

void System::request_faulted(const FaultedRequest& request) {
  kernel_of_device_[request.device]->request_faulted(request);
}

void System::run() {
  for (const AtsSystem& system : ats_devices_) system.device->tell_plugged();
  for (HostSystem& host : hosts_) {
    if (!host.software) continue;
    host.software->take_fixed_pasids();
    for (const HostSoftware::Accelerator& accelerator : host.software->accelerators())
      accelerator.device->tell_plugged();
  }
  // A run that fails has an end too.
  try {
    engine_.run();
  } catch (...) {
    end_ = engine_.now();
    throw;
  }
  end_ = std::max(engine_.now(), fabric_.last_completion());
  // A hit's completion is no event of its own.
  if (end_ > Instant::latest()) throw TimeLimitError("the completion of a request");
}

}  // namespace viosim
