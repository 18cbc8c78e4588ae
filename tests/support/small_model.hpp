// A small model that is simulated twice: by the engine and its models, and by the reference of one
// actor per device. Here: what is simulated, and the software's part of it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/rng.hpp"
#include "models/device/dma_fabric.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/page_table.hpp"
#include "models/iommu/vtd/descriptor.hpp"
#include "models/iommu/vtd/tables.hpp"
#include "models/iommu/vtd/unit.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace viosim::test {

struct SmallModel {
  // An address space: one page table, one domain. A third of the pages may be absent or read-only.
  struct Space {
    Iova base;
    std::uint64_t pages = 0;
    DomainId domain;
    TableFormat format = TableFormat::second_level;
    unsigned levels = 4;
    unsigned leaf = 1;  // the level of its leaves: 2 and 3 are large pages
    bool pass_through = false;
    bool fault_disable = false;
    bool holes = false;
  };
  struct Device {
    std::size_t space = 0;
    Bdf source{};
    Pasid pasid = no_pasid;
    LinkParams link;
    DmaParams dma;
    Instant start;
    Instant until = Instant::latest();
    // Its driver lets it run for a while, stops it, waits until nothing is in flight, and enables it
    // again after another while.
    struct Turn {
      Ps on{0};
      Ps off{0};
    };
    std::vector<Turn> turns{};
  };
  // What an operator does to some pages, or to a device; then it tells the IOMMU, and waits.
  struct Step {
    enum class What : std::uint8_t { migrate, unmap, protect, detach, flush };
    What what = What::flush;
    Ps pause{0};  // before it
    std::size_t space = 0;
    std::size_t device = 0;
    std::uint64_t page = 0;  // of the space
    std::uint64_t pages = 1;
    std::uint64_t moved_to = 0;  // migrate: added to the frame number
    Ps rest{0};                  // what was taken away comes back this much later
    std::vector<vtd::Descriptor> descriptors{};
    bool broken = false;  // before them, one that does not decode
  };

  std::uint64_t seed = 1;
  // The reference lets every miss walk.
  vtd::UnitParams iommu = [] {
    vtd::UnitParams params;
    params.merge_walks = false;
    params.invalidation.drain = false;  // nor does it drain
    params.invalidation.pasid_drain = false;
    return params;
  }();
  Ps memory_latency{0};
  std::vector<Space> spaces;
  std::vector<Device> devices;
  std::vector<std::vector<Step>> operators;
  std::uint32_t fault_handlers = 0;
  Ps fault_handling{0};

  std::string path_of(std::size_t device) const { return "dev[" + std::to_string(device) + "]"; }
  // Of its random numbers, from the second time that it is enabled on.
  std::string path_of(std::size_t device, unsigned life) const {
    return life == 0 ? path_of(device) : path_of(device) + "." + std::to_string(life);
  }
  // Places in the order of events: the IOMMU is 0.
  static std::uint32_t number_of(std::size_t device) {
    return static_cast<std::uint32_t>(device) + 1;
  }
};

// Anything the models can do, small, and with so few and round latencies that equal dates abound.
SmallModel random_model(std::uint64_t seed);

// The model's tables in a memory, and what its software does to them.
class SmallMemory {
 public:
  SmallMemory(const SmallModel& model, PhysicalMemory& memory, vtd::Tables& tables, Hpa ring);

  // The fault handler's decision. True: the page is mapped now, the request may be sent again.
  bool resolve(std::size_t device, Iova iova);
  // An operator's step, in three parts: the tables change; the descriptors and a wait are written
  // to the ring, which gives the new tail; what was taken away comes back.
  void apply(const SmallModel::Step& step);
  std::uint32_t submit(const SmallModel::Step& step, std::size_t number);
  void undo(const SmallModel::Step& step);
  // The queue stopped at this descriptor: a harmless one takes its place.
  void repair(std::uint32_t head);
  // The address that an operator's wait descriptors write to.
  Hpa status_of(std::size_t number) const { return status_ + Bytes(number * 64); }

 private:
  void put(std::uint32_t place, const vtd::DescriptorBits& descriptor);
  void attach(Bdf source);
  void populate(std::size_t space);
  // Some 4 KiB pages, or the large page that holds the first of them.
  void map(std::size_t space, Iova first, std::uint64_t pages, Hpa to, Permissions permissions);
  void unmap(std::size_t space, Iova first, std::uint64_t pages);
  Hpa large_entry(std::size_t space, Iova iova);
  static Hpa home_of(Iova page) { return Hpa((std::uint64_t{1} << 40U) + page.value()); }

  const SmallModel& model_;
  PhysicalMemory& memory_;
  vtd::Tables& tables_;
  Hpa ring_;
  Hpa status_;
  std::uint32_t tail_ = 0;
  std::deque<PageTable> page_tables_;
};

// The tables that the zipf pattern draws from, one per device that needs it.
std::vector<std::unique_ptr<ZipfTable>> zipf_tables(const SmallModel& model);

// One thing that a request's device was told: its completion, or a fault on the way to it.
struct RequestRecord {
  std::int64_t issue = 0;
  std::int64_t told = 0;  // when
  std::uint64_t iova = 0;
  std::uint64_t address = 0;
  std::uint16_t code = 0;  // as in the trace
  auto operator<=>(const RequestRecord&) const = default;
};

// All that a run leaves behind.
struct SmallRun {
  struct Device {
    std::vector<RequestRecord> requests;  // in the order of issue, then of being told
    DeviceStats stats;
    Histogram latency;
    std::vector<std::int64_t> stopped;  // when its driver learned that nothing is in flight
  };
  std::vector<Device> devices;
  IommuStats iommu;
  CacheStats contexts;
  CacheStats pasids;
  CacheStats iotlb;
  vtd::InvalidationQueueStats queue;
  Histogram translation_latency;
  Histogram batch_latency;
  std::vector<std::int64_t> operators_done;  // when
};

// The run by the engine and its models.
SmallRun run_production(const SmallModel& model);

}  // namespace viosim::test
