// Functions with work queues behind one IOMMU, with a translation cache or without one: for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/ats_rig.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace viosim::test {

// When a queue stopped.
struct StopNote final : QueueListener {
  explicit StopNote(Engine& engine) : signal(engine, "a queue that stops"), engine_(&engine) {}
  void queue_stopped(Bdf /*source*/, std::uint32_t /*queue*/) override { note(); }
  void pasid_stopped(Bdf /*source*/, Pasid pasid) override {
    pasids.push_back(pasid);
    note();
  }
  Signal signal;
  std::vector<Ps> times;
  std::vector<Pasid> pasids;

 private:
  void note() {
    times.push_back(engine_->now().since_start());
    signal.raise();
  }
  Engine* engine_;
};

// Faults that nobody handles by itself.
struct HeldFaults final : FaultService {
  void request_faulted(const FaultedRequest& request) override { all.push_back(request); }
  std::vector<FaultedRequest> all;
};

class FunctionRig {
 public:
  explicit FunctionRig(const RigParams& params = {}) : rig(params, &ended), host(rig.engine) {}

  EndedRequests ended;
  Rig rig;
  NotingHost host;
  Ps memory_latency = 80ns;

  DeviceFunction config(std::uint32_t number, const FunctionParams& params, LinkParams link = {}) {
    DeviceFunction config;
    config.path = "function[" + std::to_string(number) + "]";
    config.iommu = &rig.iommu();
    config.source = Rig::source_of(number);
    config.link = link;
    config.memory_latency = memory_latency;
    config.seed = 1;
    config.number = number + 1;
    config.component = number;
    config.params = params;
    return config;
  }
  WorkQueues& add(std::uint32_t number, const FunctionParams& params, LinkParams link = {}) {
    return rig.fabric().function(rig.fabric().add(config(number, params, link)));
  }

  // One with a translation cache.
  struct AtsOptions {
    AtsParams ats = {};
    std::optional<PriParams> pri = {};
    LinkParams link = {};
    AtsDevice* physical = nullptr;
    bool to_unit = false;  // its messages go to the IOMMU, not to `host`
    const PasidLives* lives = nullptr;
  };
  AtsDevice& add_ats(std::uint32_t number, const FunctionParams& params,
                     const AtsOptions& options) {
    const DeviceFunction function = config(number, params, options.link);
    AtsHost& to = options.to_unit ? static_cast<AtsHost&>(rig.unit()) : host;
    const AtsDevice::Wiring wiring{rig.engine.agenda(), rig.tracer(), to, options.lives};
    AtsDevice& device = options.physical == nullptr
                            ? ats_.emplace_back(function, options.ats, options.pri, wiring)
                            : ats_.emplace_back(function, options.ats, *options.physical, wiring);
    if (options.to_unit) rig.unit().attach_ats(device.source(), device);
    return device;
  }

  // Address space `number`: 64 pages from 0 on, and where they are.
  static constexpr Bytes window{std::uint64_t{64} << 12U};
  static constexpr Hpa frames_of(std::uint32_t number) {
    return Hpa(std::uint64_t{number + 1} << 30U);
  }
  PageTable& space(std::uint32_t number, bool populate = true) {
    return rig.new_space(Iova(0), window, frames_of(number), populate);
  }
  void attach(std::uint32_t function, Pasid pasid, const PageTable& table) {
    const Bdf source = Rig::source_of(function);
    vtd::ScalableContext context;
    context.pasid_enable = true;
    context.device_tlb_enable = true;
    context.page_request_enable = true;
    vtd::PasidEntry entry;
    entry.present = true;
    entry.domain = DomainId(static_cast<std::uint16_t>(100 + pasid.value()));
    entry.type = vtd::PasidEntry::Type::second_level;
    entry.address_width = 2;
    entry.second_level = table.root();
    if (attached_.size() <= function) attached_.resize(function + 1);
    if (!attached_[function]) rig.unit().tables().attach(source, 1024, context);
    attached_[function] = true;
    rig.unit().tables().set_entry(source, pasid, entry);
  }
  // Its requests without a PASID are not translated.
  void pass_through(std::uint32_t function) {
    vtd::ScalableContext context;
    vtd::PasidEntry entry;
    entry.present = true;
    entry.domain = DomainId(3);
    entry.address_width = 2;
    entry.type = vtd::PasidEntry::Type::pass_through;
    rig.unit().tables().attach(Rig::source_of(function), 64, context);
    rig.unit().tables().set_entry(Rig::source_of(function), Pasid(0), entry);
  }
  void run_at(Ps at, std::function<void()> act) {
    rig.engine.spawn("software", Lifetime::finishes, [this, at, act = std::move(act)] {
      rig.engine.sleep_until(Instant(at));
      act();
    });
  }
  void run() {
    rig.engine.run();
    rig.tracer().finish();
  }

 private:
  std::vector<bool> attached_;
  std::deque<AtsDevice> ats_;
};

}  // namespace viosim::test
