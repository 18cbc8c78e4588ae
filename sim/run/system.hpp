// A scenario, built: the engine, the hosts with their memory and IOMMUs, the devices, all wired together.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/engine.hpp"
#include "core/des/trace.hpp"
#include "models/device/ats_device.hpp"
#include "models/device/dma_fabric.hpp"
#include "models/device/recorded_stream.hpp"
#include "models/device/trace_player.hpp"
#include "models/host/guest_memory.hpp"
#include "models/host/host_kernel.hpp"
#include "models/host/invalidation_driver.hpp"
#include "models/host/page_request_handler.hpp"
#include "models/host/riscv_command_driver.hpp"
#include "models/iommu/riscv/unit.hpp"
#include "models/iommu/vtd/unit.hpp"
#include "models/network/network_link.hpp"
#include "sim/run/software.hpp"
#include "sim/scenario/scenario.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace viosim {

// The recordings that a scenario names, by the name in the file; read before anything is built.
using Recordings = std::map<std::string, RecordedStream>;

// Whether there are accelerators behind it.
bool has_accelerators(const HostConfig& host, const IommuConfig& iommu);

class System : private FaultService {
 public:
  // The scenario is valid; scenario and recordings outlive the system. Gives every component path to
  // `add_component`, which returns its number: 0, 1, 2 ...
  System(const Scenario& scenario, const Recordings& recordings, Tracer& tracer,
         const std::function<std::uint32_t(std::string_view)>& add_component);
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  void run();

  struct HostSystem {
    std::string path;
    std::uint32_t component = 0;
    PhysicalMemory memory;
    std::unique_ptr<HostKernel> kernel;
    std::unique_ptr<HostSoftware> software;  // where there are accelerators, processes or guests
  };
  // A unit, and the software that uses its queue.
  template <class Unit, class Driver>
  struct UnitSystem {
    template <class Params>
    UnitSystem(const std::string& path, const Params& params, std::uint32_t number, Engine& engine,
               PhysicalMemory& memory, std::uint64_t seed, Ps poll)
        : unit(path, params, number, engine.agenda(), memory, seed),
          driver(engine, memory, unit.queue(), poll) {}
    Unit unit;
    Driver driver;
  };
  using VtdSystem = UnitSystem<vtd::Unit, InvalidationDriver>;
  using RiscvSystem = UnitSystem<riscv::Unit, RiscvCommandDriver>;
  struct IommuSystem {
    // One of them; the pointers are to its parts.
    std::unique_ptr<VtdSystem> vtd;
    std::unique_ptr<RiscvSystem> riscv;
    Iommu* iommu = nullptr;
    Invalidator* invalidator = nullptr;
    std::uint32_t component = 0;
    std::uint32_t context_cache = 0;
    std::uint32_t pasid_cache = 0;
    std::uint32_t iotlb = 0;
    std::uint32_t queue = 0;
    struct WalkCache {
      Stage stage;
      unsigned level;
      std::uint32_t component;
    };
    std::vector<WalkCache> walk_caches;                 // those that there are
    std::uint32_t page_request_queue = 0;               // component; where there is a handler
    std::unique_ptr<PageRequestHandler> page_requests;  // where devices send any
  };
  struct DmaSystem {
    std::uint32_t component = 0;
    std::uint32_t device = 0;  // as numbered by fabric()
    Bytes request{};           // what each of its requests moves
  };
  struct AtsSystem {
    std::uint32_t component = 0;
    std::uint32_t tlb = 0;
    std::unique_ptr<AtsDevice> device;
    Bytes request{};
  };

  struct LinkSystem {
    LinkSystem(Engine& engine, const std::string& path, const NetworkLinkParams& params)
        : link(engine, path, params) {}
    NetworkLink link;
    std::uint32_t forth = 0;  // components
    std::uint32_t back = 0;
    Host* first = nullptr;  // null: a host without software
    Host* second = nullptr;
  };

  Engine& engine() { return engine_; }
  const DmaFabric& fabric() const { return fabric_; }
  DmaFabric& fabric() { return fabric_; }
  const std::deque<HostSystem>& hosts() const { return hosts_; }
  std::deque<HostSystem>& hosts() { return hosts_; }
  const std::deque<IommuSystem>& iommus() const { return iommus_; }
  std::deque<IommuSystem>& iommus() { return iommus_; }
  const std::vector<DmaSystem>& dma_devices() const { return dma_devices_; }
  const std::vector<AtsSystem>& ats_devices() const { return ats_devices_; }
  const std::deque<TracePlayer>& players() const { return players_; }
  const std::deque<LinkSystem>& links() const { return links_; }
  // There and back, over the link between the two; null: there is none.
  std::pair<NetworkLane*, NetworkLane*> lanes(const Host& from, const Host& to);
  // When the last thing happened.
  Instant end() const { return end_; }

 private:
  void build_host(const HostConfig& config, std::uint32_t index);
  void build_software(const HostConfig& config, HostSystem& host);
  void build_links();
  std::vector<std::string> guest_moves_to(std::string_view path) const;
  Host* software_at(const std::string& path);
  void build_iommu(const IommuConfig& config, const HostConfig& host_config, HostSystem& host);
  void build_unit(const IommuConfig& config, const HostConfig& host_config, HostSystem& host,
                  const std::string& path, IommuSystem& system);
  void build_dma(const DmaDevice& config, const HostConfig& host_config, HostSystem& host);
  void build_ats(const DmaDevice& config, const DmaFabric::Device& device, std::size_t space,
                 HostSystem& host, IommuSystem& iommu, const HostConfig& host_config);
  PageRequestHandler& page_requests_of(IommuSystem& iommu, HostSystem& host,
                                       const HostConfig& host_config);
  void build_accelerators(const AcceleratorDevice& config, const HostConfig& host_config,
                          HostSystem& host);
  void build_recorded(const RecordedDevice& config, HostSystem& host);
  std::size_t space_for(const DmaDevice& config, HostSystem& host, IommuSystem& iommu);
  std::size_t build_space(const DmaDevice& config, HostSystem& host, IommuSystem& iommu);
  const ZipfTable* zipf_for(const TrafficParams& traffic);
  GuestMemory& build_guest(const DmaDevice& config, HostSystem& host, const IommuSystem& iommu,
                           HostSpace& space);
  IommuSystem& iommu_named(const std::string& path);
  void request_faulted(const FaultedRequest& request) override;

  const Scenario& scenario_;
  const Recordings& recordings_;
  Tracer& tracer_;
  std::function<std::uint32_t(std::string_view)> add_component_;
  std::map<std::string, std::uint32_t, std::less<>> components_;
  Instant until_;
  Engine engine_;
  DmaFabric fabric_;
  std::deque<HostSystem> hosts_;
  std::deque<IommuSystem> iommus_;
  std::deque<PageTable> page_tables_;
  // RISC-V: of spaces with a PASID, by their number in their kernel.
  std::map<std::pair<const HostKernel*, std::size_t>, riscv::Root> process_tables_;
  std::deque<GuestMemory> guests_;
  std::vector<DmaSystem> dma_devices_;
  std::vector<AtsSystem> ats_devices_;
  std::deque<TracePlayer> players_;
  std::deque<LinkSystem> links_;
  std::map<std::pair<std::uint64_t, double>, std::unique_ptr<ZipfTable>> zipf_tables_;
  std::map<std::string, std::size_t>
      shared_spaces_;  // host.iommu/domain -> number of the space in its kernel
  std::map<std::string, std::uint32_t> domains_used_;  // by IOMMU path
  std::vector<HostKernel*> kernel_of_device_;          // by number in fabric_
  std::uint32_t next_number_ = 0;                      // places in the order of events
  std::uint32_t next_function_ = 0;  // requester ids of the host that is being built
  std::uint64_t next_frame_ = 0;     // memory behind the devices' windows, in frames
  Instant end_;
};

}  // namespace viosim
