// A scenario: what a user writes to say what is simulated. Typed, with defaults filled in.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/device/ats_params.hpp"
#include "models/device/dma_fabric.hpp"
#include "models/device/trace_player.hpp"
#include "models/host/host_kernel.hpp"
#include "models/iommu/riscv/unit.hpp"
#include "models/iommu/vtd/unit.hpp"
#include "sim/check/limits.hpp"
#include "sim/inject/defects.hpp"
#include "sim/inject/injection.hpp"
#include "sim/json/described.hpp"
#include "sim/json/value.hpp"
#include "sim/scenario/event.hpp"
#include "sim/scenario/expectation.hpp"
#include "sim/scenario/links.hpp"
#include "sim/scenario/name_rule.hpp"
#include "sim/scenario/origins.hpp"
#include "sim/scenario/software.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

struct VtdIommu {
  static constexpr Alternative alternative{"vtd", "An Intel VT-d IOMMU, legacy or scalable mode."};
  std::string name;
  vtd::UnitParams params;

  static constexpr auto fields() {
    return Fields{required("name", &VtdIommu::name, "How devices and results call it.")
                      .matching(component_name),
                  embedded(&VtdIommu::params)};
  }
  bool operator==(const VtdIommu&) const = default;
};

// How the requests of a device are translated.
enum class TableKind : std::uint8_t { first_level, second_level, nested, pass_through };

constexpr auto choices(TableKind) {
  return std::array{
      Choice{TableKind::first_level, "first-level", "one table in the processor's format"},
      Choice{TableKind::second_level, "second-level", "one table in the IOMMU's own format"},
      Choice{TableKind::nested, "nested",
             "a first-level table in a guest's memory, under a second-level table of the host"},
      Choice{TableKind::pass_through, "pass-through", "not at all: addresses are physical"}};
}

struct RiscvIommu {
  static constexpr Alternative alternative{"riscv", "An IOMMU of the RISC-V architecture."};
  std::string name;
  riscv::UnitParams params;

  static constexpr auto fields() {
    return Fields{required("name", &RiscvIommu::name, "How devices and results call it.")
                      .matching(component_name),
                  embedded(&RiscvIommu::params)};
  }
  bool operator==(const RiscvIommu&) const = default;
};

struct DmaDevice {
  static constexpr Alternative alternative{
      "dma", "A PCIe function, or many alike, with a DMA engine that generates traffic."};
  static constexpr std::uint32_t most_functions = AcceleratorDevice::most;  // of both on a host
  std::string name;
  std::uint32_t count = 1;
  std::string iommu;
  std::optional<std::string> domain;
  std::optional<Pasid> pasid;
  std::optional<TableKind> table;
  std::uint32_t levels = 4;
  std::uint32_t second_levels = 4;
  Iova base{0x1'0000'0000};
  Bytes page_size = page_4k;
  bool populate = true;
  Ps start{0};
  LinkParams link;
  std::optional<AtsParams> ats;
  std::optional<PriParams> pri;
  DmaParams dma;

  static constexpr auto fields() {
    using D = DmaDevice;
    return Fields{
        required("name", &D::name, "How results call it; with `count`, name[0], name[1] ...")
            .matching(component_name),
        field("count", &D::count, "How many devices like this there are.")
            .from(1)
            .to(most_functions),
        required("iommu", &D::iommu, "The IOMMU of this host that translates its requests."),
        field("domain", &D::domain,
              "Devices that name the same domain share a domain id and a page table; without it "
              "each has its own."),
        field("pasid", &D::pasid,
              "The PASID (RISC-V: process id) of its requests; without it they carry none. PASID 0 "
              "belongs to those. VT-d: scalable mode only. Where a host's kernel allocates "
              "PASIDs, it is taken when the run begins.")
            .from(Pasid(1))
            .to(pasid_max),
        field("table", &D::table,
              "Its page tables; by default second-level, and first-level with a PASID. VT-d: "
              "first-level and nested need scalable mode. RISC-V: the levels are its stages, and "
              "second-level has no PASIDs."),
        field("levels", &D::levels,
              "Levels of its page table, when nested of the first one. Of a first level VT-d has "
              "no 3.")
            .from(3)
            .to(5),
        field("second_levels", &D::second_levels, "When nested: levels of the second table.")
            .from(3)
            .to(5),
        field("base", &D::base,
              "Where its window of addresses begins; it ends at 2^47 or below (3 levels: 2^38, 5: "
              "2^56), whatever the tables.")
            .multiple_of(Iova(page_4k.count())),
        field("page_size", &D::page_size,
              "The pages that map its window from the start, of both tables when nested, where "
              "pages of 4 KiB map the first one's own. On demand, pages of 4 KiB are mapped.")
            .any_of(page_4k, page_2m, page_1g),
        field("populate", &D::populate,
              "Whether the window is mapped from the start; otherwise on demand (`on_fault`)."),
        field("start", &D::start, "When it issues its first request."),
        field("link", &D::link, "Its PCIe link."),
        field("ats", &D::ats,
              "Its device TLB, filled by Address Translation Services; without it the IOMMU "
              "translates each request.",
              "256 entries, a look-up of 2 ns: assumed"),
        field("pri", &D::pri,
              "Its page requests; without them a page that is missing is an error. Needs `ats` and "
              "a `pasid`."),
        embedded(&D::dma)};
  }
  void check(const Where& where) const;
  bool operator==(const DmaDevice&) const = default;

 private:
  void check_levels(const Where& where) const;
};

inline constexpr TextRule recording_path{[](std::string_view path) { return !path.empty(); },
                                         "the path of a recording", "^.+$"};

struct RecordedDevice {
  static constexpr Alternative alternative{
      "recording",
      "The devices of a recorded trace, with what the recorded guest's software did around them."};
  std::string name;
  std::string iommu;
  std::string trace;
  TracePlayerParams player;

  static constexpr auto fields() {
    using D = RecordedDevice;
    return Fields{
        required("name", &D::name,
                 "How results call it: name[01:00.0] for each recorded requester.")
            .matching(component_name),
        required("iommu", &D::iommu,
                 "The IOMMU of this host that translates its requests; nobody else uses it."),
        required("trace", &D::trace,
                 "The recording, a .jsonl.zst file; relative to the scenario file.")
            .matching(recording_path),
        embedded(&D::player)};
  }
  bool operator==(const RecordedDevice&) const = default;
};

using IommuConfig = OneOf<"model", VtdIommu, RiscvIommu>;
using DeviceConfig = OneOf<"model", DmaDevice, RecordedDevice, AcceleratorDevice>;

struct MemoryParams {
  Ps latency = 80ns;
  static constexpr auto fields() {
    return Fields{field("latency", &MemoryParams::latency,
                        "A translated request's access to memory.", "assumed, 70-100 ns DRAM")};
  }
  bool operator==(const MemoryParams&) const = default;
};

struct HostConfig {
  static constexpr std::uint32_t most = 10'000;  // of all scenarios' hosts together, too
  std::string name;
  std::uint32_t count = 1;
  MemoryParams memory;
  HostKernelParams kernel;
  HostParams software;
  std::vector<IommuConfig> iommus;
  std::vector<DeviceConfig> devices;
  std::vector<GuestConfig> guests;
  std::vector<ProcessesConfig> processes;

  static constexpr auto fields() {
    using H = HostConfig;
    return Fields{
        required("name", &H::name, "How results call it; with `count`, name[0], name[1] ...")
            .matching(component_name),
        field("count", &H::count, "How many hosts like this there are.").from(1).to(most),
        field("memory", &H::memory, "Its memory."),
        field(
            "kernel", &H::kernel,
            "What its kernel does for devices of model \"dma\" and \"recording\", and its costs."),
        field(
            "software", &H::software,
            "What drives accelerators, and runs processes and guests: processors, kernel, costs."),
        required("iommus", &H::iommus, "Its IOMMUs."),
        required("devices", &H::devices, "Its devices."),
        field("guests", &H::guests, "Virtual machines on it."),
        field("processes", &H::processes, "Its own processes.")};
  }
  // It has accelerators, processes or guests.
  bool has_software() const;
  void check(const Where& where) const;
  bool operator==(const HostConfig&) const = default;
};

struct Scenario {
  std::optional<std::string> schema;
  std::string name;
  std::string description;
  std::uint64_t seed = 1;
  std::optional<Ps> duration;
  std::vector<HostConfig> hosts;
  std::vector<LinkConfig> links;
  std::vector<EventConfig> events;
  std::vector<InjectionConfig> injections;
  std::vector<Defect> defects;
  check::Limits checks;
  std::vector<Expectation> expect;
  Origins origins;

  static constexpr auto fields() {
    using S = Scenario;
    return Fields{
        field("$schema", &S::schema, "The JSON Schema of this file, for editors."),
        required("name", &S::name, "Names the run.").matching(component_name),
        field("description", &S::description, "What it shows."),
        field("seed", &S::seed, "Everything random comes from it."),
        field(
            "duration", &S::duration,
            "No device issues requests from this instant on, and no process begins a further round "
            "of work; what is in flight completes. Without it the run ends with its traffic.")
            .above(Ps(0)),
        required("hosts", &S::hosts, "The machines.").items({1}),
        field("links", &S::links, "Links of a network between hosts."),
        field("events", &S::events, "What happens to them during the run."),
        field("injections", &S::injections,
              "What is disturbed on purpose: messages, steps of software, functions, allocators."),
        field("defects", &S::defects,
              "Bugs of real kernels and hypervisors that its own have, by name."),
        field("checks", &S::checks, "What the invariants allow."),
        field("expect", &S::expect,
              "What is expected of the run; what is not met is exit code 1.")};
  }
  void check(const Where& where) const;
  bool operator==(const Scenario&) const = default;
};

// Requester ids of a host are given from this one on, in the order of its DMA devices.
inline constexpr Bdf first_function{1, 0, 0};

const std::string& name_of(const IommuConfig& iommu);

// Throws ConfigError with everything that is wrong.
Scenario read_scenario(const Value& document, const std::string& file);

// Compiled in read_scenario.cpp (sim/json/described.hpp).
extern template const KeyedType& reflect::object<VtdIommu>();
extern template const KeyedType& reflect::object<RiscvIommu>();
extern template const KeyedType& reflect::object<DmaDevice>();
extern template const KeyedType& reflect::object<RecordedDevice>();
extern template const KeyedType& reflect::object<MemoryParams>();
extern template const KeyedType& reflect::object<HostConfig>();
extern template const KeyedType& reflect::object<Scenario>();
extern template const KeyedType& reflect::object<AcceleratorDevice>();
extern template const KeyedType& reflect::object<ProcessesConfig>();
extern template const KeyedType& reflect::object<GuestConfig>();
extern template const KeyedType& reflect::object<EventConfig>();
extern template const KeyedType& reflect::object<InjectionConfig>();
extern template const KeyedType& reflect::object<MetricClause>();
extern template const KeyedType& reflect::object<FailureClause>();
extern template const KeyedType& reflect::object<ViolationClause>();
extern template const KeyedType& reflect::object<HostKernelParams>();
extern template const KeyedType& reflect::object<HostParams>();

}  // namespace viosim
