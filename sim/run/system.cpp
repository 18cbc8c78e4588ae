// Builds the simulated machines that a scenario describes.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/system.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
namespace {

constexpr std::uint32_t first_domain =
    2;  // 0 is reserved by caching mode; Linux keeps 1 for first-level entries of SVA
constexpr std::uint64_t first_frame = 0x100;  // 1 MiB: below lies what firmware uses
constexpr Bdf first_function{1, 0, 0};
constexpr unsigned table_levels = 4;

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

// Writes the table entries that lead requests of `source` to the space.
void attach(vtd::Tables& tables, Bdf source, const HostSpace& space) {
  using Type = vtd::PasidEntry::Type;
  constexpr auto width = static_cast<std::uint8_t>(table_levels - 2);
  if (tables.mode() == vtd::Mode::legacy) {
    vtd::LegacyContext context;
    context.present = true;
    context.address_width = width;
    context.translation_type = space.table == nullptr ? 2 : 0;
    if (space.table != nullptr) context.table = space.table->root();
    context.domain = space.domain;
    tables.attach(source, context);
    return;
  }
  vtd::PasidEntry entry;
  entry.present = true;
  entry.domain = space.domain;
  entry.address_width = width;
  entry.type = space.table == nullptr          ? Type::pass_through
               : space.second_stage != nullptr ? Type::nested
               : space.first_level             ? Type::first_level
                                               : Type::second_level;
  if (space.first_level) entry.first_level = space.table->root();
  if (entry.type == Type::second_level) entry.second_level = space.table->root();
  if (entry.type == Type::nested) entry.second_level = space.second_stage->root();
  const Pasid pasid = space.pasid == no_pasid ? Pasid(0) : space.pasid;
  tables.attach(source, pasid.value() + 1, Pasid(0));
  tables.set_entry(source, pasid, entry);
}

}  // namespace

System::System(const Scenario& scenario, const Recordings& recordings, Tracer& tracer,
               const std::function<std::uint32_t(std::string_view)>& add_component)
    : scenario_(scenario),
      recordings_(recordings),
      tracer_(tracer),
      add_component_(add_component),
      until_(scenario.duration ? Instant(*scenario.duration) : Instant(Ps::max())),
      fabric_(engine_.agenda(), tracer) {
  engine_.set_run_ahead(fabric_);
  fabric_.set_fault_service(*this);
  for (const HostConfig& host : scenario.hosts) build_host(host);
}

void System::build_host(const HostConfig& config) {
  HostSystem& host = hosts_.emplace_back();
  host.path = config.name;
  host.component = add_component_(host.path);
  next_function_ = first_function.value();
  next_frame_ = first_frame;
  host.kernel = std::make_unique<HostKernel>(host.path + ".kernel", config.kernel, engine_, fabric_,
                                             tracer_, host.component, scenario_.seed);
  for (const IommuConfig& iommu : config.iommus)
    build_iommu(std::get<VtdIommu>(iommu), config, host);
  for (const DeviceConfig& device : config.devices) {
    if (const auto* dma = std::get_if<DmaDevice>(&device)) {
      build_dma(*dma, config, host);
    } else {
      build_recorded(std::get<RecordedDevice>(device), host);
    }
  }
  host.kernel->start(until_);
}

void System::build_iommu(const VtdIommu& config, const HostConfig& host_config, HostSystem& host) {
  IommuSystem& system = iommus_.emplace_back();
  const std::string path = host.path + '.' + config.name;
  system.component = add_component_(path);
  system.context_cache = add_component_(path + ".context_cache");
  system.pasid_cache = add_component_(path + ".pasid_cache");
  system.iotlb = add_component_(path + ".iotlb");
  system.queue = add_component_(path + ".invalidation_queue");
  system.unit = std::make_unique<vtd::Unit>(path, config.params, next_number_++, engine_.agenda(),
                                            host.memory, scenario_.seed);
  for (const Stage stage : {Stage::first, Stage::second}) {
    for (unsigned level = WalkCaches::lowest; level <= WalkCaches::highest; ++level) {
      if (system.unit->iommu().walk_caches().stats(stage, level) == nullptr) continue;
      const auto name = fmt::format("{}.walk_caches.{}.level{}", path,
                                    stage == Stage::first ? "first" : "second", level);
      system.walk_caches.push_back({stage, level, add_component_(name)});
    }
  }
  system.unit->iommu().trace_to(tracer_, system.component);
  system.unit->queue().trace_to(tracer_, system.queue);
  system.driver = std::make_unique<InvalidationDriver>(engine_, host.memory, system.unit->queue(),
                                                       host_config.kernel.poll);
}

System::IommuSystem& System::iommu_named(const std::string& path) {
  const auto found = std::find_if(iommus_.begin(), iommus_.end(), [&](const IommuSystem& system) {
    return system.unit->path() == path;
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
      shared_spaces_.try_emplace(iommu.unit->path() + '/' + *config.domain, 0);
  if (is_new) known->second = build_space(config, host, iommu);
  return known->second;
}

std::size_t System::build_space(const DmaDevice& config, HostSystem& host, IommuSystem& iommu) {
  const TableKind kind = kind_of(config);
  const std::uint64_t pages = pages_of(config);
  HostSpace space;
  space.first_level = kind == TableKind::first_level || kind == TableKind::nested;
  space.domain =
      DomainId(static_cast<std::uint16_t>(first_domain + domains_used_[iommu.unit->path()]++));
  space.pasid = config.pasid.value_or(no_pasid);
  space.base = config.base;
  space.size = config.dma.traffic.window;
  const std::uint64_t each = config.page_size.count() >> 12U;
  next_frame_ = (next_frame_ + each - 1) / each * each;
  space.frames = Hpa(next_frame_ << 12U);
  space.driver = iommu.driver.get();
  next_frame_ += pages;
  const TableFormat format =
      space.first_level ? TableFormat::first_level : TableFormat::second_level;
  if (kind == TableKind::nested) {
    build_guest(config, host, space);
  } else if (kind != TableKind::pass_through) {
    space.table = &page_tables_.emplace_back(host.memory, format, table_levels);
  }
  if (config.populate && space.table != nullptr) {
    space.table->map(space.base, space.frames, pages, {true, true}, leaf_level(config.page_size));
  }
  return host.kernel->add_space(space);
}

// A guest whose memory is what the device uses, and what the tables that map it take. The guest's
// frames are where the space's pages are from its point of view.
void System::build_guest(const DmaDevice& config, HostSystem& host, HostSpace& space) {
  constexpr Hpa tables_at(std::uint64_t{1} << 28U);
  constexpr Hpa data_at(std::uint64_t{1} << 40U);
  const std::uint64_t pages = pages_of(config);
  PageTable& second =
      page_tables_.emplace_back(host.memory, TableFormat::second_level, table_levels);
  const std::uint64_t tables =
      pages / 512 + pages / 512 / 512 + 16;  // of 4 KiB pages, and to spare
  GuestMemory& guest =
      guests_.emplace_back(host.memory, second, tables_at, Bytes(tables << 12U), 1);
  second.map(Iova(data_at.value()), space.frames, pages, {true, true},
             leaf_level(config.page_size));
  space.frames = data_at;
  space.second_stage = &second;
  space.table = &page_tables_.emplace_back(guest, TableFormat::first_level, table_levels);
}

void System::build_dma(const DmaDevice& config, const HostConfig& host_config, HostSystem& host) {
  IommuSystem& iommu = iommu_named(host.path + '.' + config.iommu);
  for (std::uint32_t i = 0; i < config.count; ++i) {
    DmaFabric::Device device;
    device.path = indexed(host.path + '.' + config.name, config.count, i);
    device.iommu = &iommu.unit->iommu();
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
    attach(iommu.unit->tables(), device.source, host.kernel->space(space));
    const std::uint32_t number = fabric_.add(device);
    host.kernel->give(number, space);
    kernel_of_device_.push_back(host.kernel.get());
    dma_devices_.push_back({device.component, number});
  }
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
      TracePlayer::Wiring{engine_, host.memory, *iommu.unit, *iommu.driver, tracer_},
      next_number_++, std::move(components));
  players_.back().start(until_);
}

void System::request_faulted(const FaultedRequest& request) {
  kernel_of_device_[request.device]->request_faulted(request);
}

void System::run() {
  engine_.run();
  end_ = std::max(engine_.now(), fabric_.last_completion());
  // A hit's completion is no event of its own.
  if (end_ > Instant::latest()) throw TimeLimitError("a device's last completion");
}

}  // namespace viosim
