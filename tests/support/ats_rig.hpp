// Functions with a device TLB behind one IOMMU, and someone who notes what they send: for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/device/ats_device.hpp"
#include "models/trace_events.hpp"
#include "tests/support/rig.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace viosim::test {

// An AtsHost that notes what arrives, and passes page requests on where somebody wants them.
class NotingHost final : public AtsHost {
 public:
  explicit NotingHost(Engine& engine) : engine_(engine) {}
  void invalidated(Bdf, std::uint32_t tags) override {
    answers.emplace_back(engine_.now().since_start(), tags);
  }
  void request_page(const PageRequest& request) override {
    page_requests.push_back(request);
    page_request_times.push_back(engine_.now().since_start());
    if (on_page_request) on_page_request(request);
  }
  std::vector<std::pair<Ps, std::uint32_t>> answers;
  std::vector<PageRequest> page_requests;
  std::vector<Ps> page_request_times;
  std::function<void(const PageRequest&)> on_page_request;

 private:
  Engine& engine_;
};

// The instants and addresses of requests that ended well or badly.
struct Ended {
  Ps at;
  Ps took;
  std::uint64_t iova;
  std::uint64_t hpa;
  std::uint16_t code;
};
class EndedRequests : public TraceSink {
 public:
  std::vector<TraceEvent> take(std::vector<TraceEvent> events) override {
    for (const TraceEvent& e : events) {
      if (e.kind == static_cast<std::uint16_t>(EventKind::translate))
        all.push_back({Ps(e.time), Ps(e.duration), e.address, e.value, e.code});
    }
    return {};
  }
  std::vector<Ended> all;
};

struct AtsContext {
  bool translations = true;   // DTE
  bool page_requests = true;  // PRE
  bool pasids = true;         // PASIDE
};

class AtsRig {
 public:
  static constexpr Pasid pasid{5};

  explicit AtsRig(const RigParams& params = {}) : rig(params, &ended), host(rig.engine) {}

  EndedRequests ended;
  Rig rig;
  NotingHost host;

  // What requests of `source` with the PASID use.
  void attach(Bdf source, const PageTable& table, AtsContext allowed = {}) {
    vtd::ScalableContext context;
    context.pasid_enable = allowed.pasids;
    context.device_tlb_enable = allowed.translations;
    context.page_request_enable = allowed.page_requests;
    vtd::PasidEntry entry;
    entry.present = true;
    entry.domain = DomainId(2);
    if (table.format() == TableFormat::first_level) {
      entry.type = vtd::PasidEntry::Type::first_level;
      entry.first_level = table.root();
    } else {
      entry.type = vtd::PasidEntry::Type::second_level;
      entry.address_width = 2;
      entry.second_level = table.root();
    }
    rig.unit().tables().attach(source, 64, context);
    rig.unit().tables().set_entry(source, pasid, entry);
    rig.unit().tables().set_entry(source, Pasid(0), entry);
  }
  Bdf source(std::uint32_t number = 0) const { return Rig::source_of(number); }

  struct Options {
    AtsParams ats = {};
    std::optional<PriParams> pri = {};
    LinkParams link = {};
    Iova base = {};
    Pasid pasid = AtsRig::pasid;
    Instant start = {};
    AtsHost* host = nullptr;
  };
  AtsDevice& add(const DmaParams& dma, const Options& options) {
    const auto number = static_cast<std::uint32_t>(devices_.size());
    DmaFabric::Device device;
    device.path = "ats[" + std::to_string(number) + "]";
    device.iommu = &rig.iommu();
    device.source = source(number);
    device.pasid = options.pasid;
    device.link = options.link;
    device.dma = dma;
    device.base = options.base;
    device.memory_latency = memory_latency;
    device.start = options.start;
    device.until = Instant::latest();
    device.seed = 1;
    device.number = number + 1;
    device.component = number;
    AtsHost& to = options.host == nullptr ? host : *options.host;
    return devices_.emplace_back(device, options.ats, options.pri,
                                 AtsDevice::Wiring{rig.engine.agenda(), rig.tracer(), to});
  }
  void run() {
    rig.engine.run();
    rig.tracer().finish();
  }
  Ps memory_latency = 80ns;

 private:
  std::deque<AtsDevice> devices_;
};

// One request after the other through a window of `pages`, one for each.
inline DmaParams one_per_page(std::uint64_t pages, std::uint64_t requests,
                              Direction direction = Direction::read) {
  DmaParams dma;
  dma.traffic.pattern = Pattern::sequential;
  dma.traffic.window = Bytes(pages << 12U);
  dma.traffic.request = 4_KiB;
  dma.traffic.direction = direction;
  dma.requests = requests;
  return dma;
}

}  // namespace viosim::test
