// A host with one IOMMU and any number of DMA devices, for tests and benchmarks: the models without
// scenario files.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/engine.hpp"
#include "core/des/trace.hpp"
#include "models/device/dma_fabric.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/vtd/unit.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

namespace viosim::test {

struct RigParams {
  vtd::UnitParams iommu;
  Ps memory_latency = 80ns;
  std::uint64_t seed = 1;
};

class Rig {
 public:
  static constexpr std::uint32_t iommu_number = 0;
  static constexpr std::uint32_t iommu_component = 0xffffff;  // in the trace

  explicit Rig(const RigParams& params, TraceSink* sink = nullptr)
      : params_(params),
        tracer_(sink == nullptr ? std::make_unique<Tracer>() : std::make_unique<Tracer>(*sink)),
        unit_(std::make_unique<vtd::Unit>("dmar0", params.iommu, iommu_number, engine.agenda(),
                                          memory, params.seed)),
        fabric_(engine.agenda(), *tracer_) {
    engine.set_run_ahead(fabric_);
    if (sink != nullptr) unit_->iommu().trace_to(*tracer_, iommu_component);
  }

  Engine engine;
  PhysicalMemory memory;

  vtd::Unit& unit() { return *unit_; }
  Iommu& iommu() { return unit_->iommu(); }
  DmaFabric& fabric() { return fabric_; }
  Tracer& tracer() { return *tracer_; }

  // An address space of its own, mapped one to one to frames beginning at `frames`, 4 KiB pages,
  // read and write.
  PageTable& new_space(Iova base, Bytes size, Hpa frames, bool populate = true) {
    tables_.emplace_back(memory, TableFormat::second_level, 4);
    if (populate) tables_.back().map(base, frames, size.count() >> 12U, {true, true});
    return tables_.back();
  }

  // What requests of `source` without a PASID use, in either mode.
  void attach(Bdf source, const PageTable& table, DomainId domain, Pasid pasid = Pasid(0)) {
    if (params_.iommu.mode == vtd::Mode::legacy) {
      vtd::LegacyContext context;
      context.present = true;
      context.address_width = static_cast<std::uint8_t>(table.levels() - 2);
      context.table = table.root();
      context.domain = domain;
      unit_->tables().attach(source, context);
      return;
    }
    vtd::PasidEntry entry;
    entry.present = true;
    entry.address_width = static_cast<std::uint8_t>(table.levels() - 2);
    entry.type = vtd::PasidEntry::Type::second_level;
    entry.second_level = table.root();
    entry.domain = domain;
    unit_->tables().attach(source, pasid.value() + 1, Pasid(0));
    unit_->tables().set_entry(source, pasid, entry);
  }

  // A device of its own requester id. Devices are numbered from 1: the IOMMU is 0.
  std::uint32_t add_device(const DmaParams& dma, Iova base, Pasid pasid = no_pasid,
                           LinkParams link = {}, Instant until = Instant::latest()) {
    const auto index = static_cast<std::uint32_t>(fabric_.devices());
    DmaFabric::Device device;
    device.path = "dev[" + std::to_string(index) + "]";
    device.iommu = &unit_->iommu();
    device.source = source_of(index);
    device.pasid = pasid;
    device.link = link;
    device.dma = dma;
    device.base = base;
    device.memory_latency = params_.memory_latency;
    device.until = until;
    device.seed = params_.seed;
    device.number = index + 1;
    device.component = index;
    return fabric_.add(device);
  }
  static Bdf source_of(std::uint32_t index) {
    return Bdf(static_cast<std::uint16_t>(0x100 + index));
  }

 private:
  RigParams params_;
  std::unique_ptr<Tracer> tracer_;
  std::unique_ptr<vtd::Unit> unit_;
  DmaFabric fabric_;
  std::deque<PageTable> tables_;
};

}  // namespace viosim::test
