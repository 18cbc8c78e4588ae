// Accelerators, the processes that use them, and guests, as a scenario names them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/guest/guest.hpp"
#include "models/kernel/process.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

// What its driver tells the kernel of the PASIDs that processes may get with it.
struct PasidLimits {
  std::uint32_t min_pasid = 0;
  std::uint32_t max_pasid = 0;
  std::vector<std::uint32_t> reserved;

  static constexpr auto fields() {
    using P = PasidLimits;
    return Fields{
        field("min_pasid", &P::min_pasid,
              "The lowest PASID; 0: the kernel's own lowest. Virtual commands know no range: a "
              "guest's kernel asks until one is high enough, and has the lower ones meanwhile, "
              "within its quota (`vfio`); with a `vfio.lowest_pasid` as high there are none."),
        field("max_pasid", &P::max_pasid,
              "The highest PASID; 0: the highest that the IOMMU and the accelerator have."),
        field("reserved", &P::reserved,
              "PASIDs that no process gets, with whichever device; taken when the driver begins, "
              "from "
              "a host behind virtual commands when they come.")};
  }
  bool operator==(const PasidLimits&) const = default;
};

struct AcceleratorDevice {
  static constexpr Alternative alternative{
      "accelerator",
      "A PCIe function, or many alike, with ATS and work queues that processes use, each by its "
      "own "
      "PASID: processes of the host, or of a guest that it is assigned to."};
  static constexpr std::uint32_t most = 65'000;  // of a host: requester ids have 16 bits
  std::string name;
  std::uint32_t count = 1;
  std::string iommu;
  LinkParams link;
  AtsParams ats;
  bool page_requests = true;
  PriParams pri;
  std::uint32_t pasid_width = 20;
  FunctionParams function;
  std::optional<SharedQueueParams> shared_queue;
  FunctionDriverParams driver;
  PasidLimits pasids;

  static constexpr auto fields() {
    using A = AcceleratorDevice;
    return Fields{
        required("name", &A::name, "How results call it; with `count`, name[0], name[1] ...")
            .matching(component_name),
        field("count", &A::count, "How many accelerators like this there are.").from(1).to(most),
        required(
            "iommu", &A::iommu,
            "The IOMMU of this host that translates its requests: of model \"vtd\", in scalable "
            "mode, with accelerators only."),
        field("link", &A::link, "Its PCIe link."),
        field("ats", &A::ats, "Its device TLB.", "256 entries, a look-up of 2 ns: assumed"),
        field("page_requests", &A::page_requests,
              "It asks for pages that are missing. Otherwise all of a process' memory is mapped "
              "when it opens the device."),
        field("pri", &A::pri, "How it asks for pages."),
        field("pasid_width", &A::pasid_width,
              "Bits of its PASIDs. Where a guest has it by VFIO, no PASID can be bound to it "
              "unless it "
              "has all 20.")
            .from(1)
            .to(20),
        embedded(&A::function),
        field(
            "shared_queue", &A::shared_queue,
            "One queue for all processes, which they submit to by ENQCMD; its engines are the "
            "function's queues. Without it each process has a queue to itself, and waits until one "
            "is free."),
        field("driver", &A::driver, "Its driver, in whichever kernel."),
        field("pasids", &A::pasids, "PASIDs that its driver lets processes have.")};
  }
  void check(const Where& where) const;
  bool operator==(const AcceleratorDevice&) const = default;
  std::uint32_t queues() const { return shared_queue ? shared_queue->engines : function.queues; }
};

struct ProcessesConfig {
  static constexpr std::uint32_t most = 100'000;
  std::string name;
  std::uint32_t count = 1;
  Ps start{0};
  Ps every{0};
  bool starts = true;
  std::vector<std::string> devices;
  ProcessParams params;

  static constexpr auto fields() {
    using P = ProcessesConfig;
    return Fields{
        required("name", &P::name, "How results call them, all together.").matching(component_name),
        field("count", &P::count, "How many there are.").from(1).to(most),
        field("start", &P::start, "When the first one starts; in a guest, after its boot."),
        field("every", &P::every, "From the start of one to the start of the next."),
        field("starts", &P::starts,
              "They start by themselves; otherwise an event says when (`start`), and the first one "
              "starts `start` after it."),
        required("devices", &P::devices,
                 "Accelerators that each of them opens: \"acc\", \"acc[0]\", \"acc[0-3]\", "
                 "\"acc[*]\". In a guest those that it has, counted anew. They are opened in the "
                 "order in which the scenario has them.")
            .items({1}),
        embedded(&P::params)};
  }
  void check(const Where& where) const;
  bool operator==(const ProcessesConfig&) const = default;
};

struct ViommuConfig {
  std::string name;
  PasidBackend backend = PasidBackend::virtual_command;
  ViommuParams params;

  static constexpr auto fields() {
    using V = ViommuConfig;
    return Fields{required("name", &V::name, "How the guest's assignments and results call it.")
                      .matching(component_name),
                  field("backend", &V::backend, "Where the guest's kernel gets PASIDs by it."),
                  embedded(&V::params)};
  }
  bool operator==(const ViommuConfig&) const = default;
};

struct SliceConfig {
  std::uint32_t queues = 1;

  static constexpr auto fields() {
    return Fields{field("queues", &SliceConfig::queues,
                        "How many of its queues are the slice's. Of an accelerator with a "
                        "shared queue there are none to give: all submit to that.")
                      .from(1)};
  }
  bool operator==(const SliceConfig&) const = default;
};

struct AssignConfig {
  std::string devices;
  std::uint32_t number = 1;
  std::string viommu;
  bool ats = true;
  std::optional<SliceConfig> slice;

  static constexpr auto fields() {
    using A = AssignConfig;
    return Fields{
        required("devices", &A::devices,
                 "Accelerators of the host: by their name, and each guest gets the next ones that "
                 "nobody has; or certain ones, such as \"acc[3]\" or \"acc[0-3]\". In the guest "
                 "those of one name are acc[0], acc[1] ..., a single one is acc."),
        field("number", &A::number, "How many each guest gets, where they are given by name.")
            .from(1),
        required("viommu", &A::viommu, "The vIOMMU of the guest that they are behind."),
        field(
            "ats", &A::ats,
            "The guest sees that they have ATS and page requests; otherwise its processes' memory "
            "is mapped when they open them."),
        field("slice", &A::slice,
              "Each guest gets a slice of each of them (a mediated device): the host keeps them, "
              "for its own processes and for other slices, which are told apart by their PASIDs "
              "only. They are certain ones; a single one by its name.")};
  }
  bool operator==(const AssignConfig&) const = default;
};

struct GuestConfig {
  static constexpr std::uint32_t most = 10'000;
  std::string name;
  std::uint32_t count = 1;
  Ps start{0};
  Ps every{0};
  bool boots = true;
  bool shut_down = false;
  GuestParams params;
  std::vector<ViommuConfig> viommus;
  std::vector<AssignConfig> assign;
  std::vector<ProcessesConfig> processes;

  static constexpr auto fields() {
    using G = GuestConfig;
    return Fields{
        required("name", &G::name, "How results call it; with `count`, name[0], name[1] ...")
            .matching(component_name),
        field("count", &G::count, "How many guests like this there are.").from(1).to(most),
        field("start", &G::start, "When the first one boots."),
        field("every", &G::every, "From the boot of one to the boot of the next."),
        field("boots", &G::boots, "It boots by itself; otherwise an event says when (`boot`)."),
        field("shut_down", &G::shut_down, "It shuts down when all of its processes have exited."),
        embedded(&G::params),
        field("viommus", &G::viommus, "Its vIOMMUs."),
        field("assign", &G::assign, "Accelerators of the host that are its own."),
        field("processes", &G::processes, "Its processes.")};
  }
  void check(const Where& where) const;
  bool operator==(const GuestConfig&) const = default;
};

}  // namespace viosim
