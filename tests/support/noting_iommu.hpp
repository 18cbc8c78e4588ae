// An IOMMU that takes every descriptor and notes it as text: for tests of the software above.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/host/physical_memory.hpp"
#include "models/kernel/kernel_iommu.hpp"

#include <fmt/format.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace viosim::test {

// "pasid-cache pasid 5 did 2", "device-tlb 01:00.0 all": what counts of a descriptor.
inline std::string text_of(const vtd::Descriptor& d) {
  using Kind = vtd::DescriptorType;
  using By = vtd::Granularity;
  const std::string did = fmt::format("did {}", d.domain.value());
  const std::string whose = fmt::format("pasid {}", d.pasid.value());
  const std::string range =
      d.address_mask == vtd::Descriptor::every_address
          ? "all"
          : fmt::format("{:#x}+2^{}", d.address.value(), static_cast<unsigned>(d.address_mask));
  const std::string pages = range + (d.leaf_only ? " IH" : "");
  switch (d.type) {
    case Kind::context_cache:
      return fmt::format("cc {} {}", d.source.text(), did);
    case Kind::pasid_cache:
      return d.granularity == By::pasid ? fmt::format("pasid-cache {} {}", whose, did)
                                        : fmt::format("pasid-cache {}", did);
    case Kind::iotlb:
      return d.granularity == By::page ? fmt::format("iotlb {} {}", did, pages)
                                       : fmt::format("iotlb {}", did);
    case Kind::pasid_iotlb:
      return d.granularity == By::page ? fmt::format("pasid-iotlb {} {} {}", whose, did, pages)
                                       : fmt::format("pasid-iotlb {} {}", whose, did);
    case Kind::device_tlb:
      return fmt::format("device-tlb {} {}", d.source.text(), range);
    case Kind::pasid_device_tlb:
      return fmt::format("pasid-device-tlb {} {} {}", d.source.text(), whose, range);
    case Kind::page_response:
      return fmt::format("response {} group {} code {}", d.source.text(), d.group,
                         static_cast<unsigned>(d.code));
    case Kind::wait:
      return d.fence ? "fence" : "wait";
    case Kind::interrupt_cache:
      return "interrupt-cache";
  }
  return "?";
}

class NotingIommu final : public KernelIommu {
 public:
  const std::string& path() const override { return path_; }
  const IommuAbilities& abilities() const override { return can; }
  TableMemory& memory() override { return memory_; }
  Errno submit(Thread& thread, std::span<const vtd::Descriptor> descriptors) override {
    return take(thread, descriptors, false);
  }
  Errno submit_and_drain_page_requests(Thread& thread,
                                       std::span<const vtd::Descriptor> descriptors) override {
    return take(thread, descriptors, true);
  }

  PhysicalMemory& physical() { return memory_; }

  IommuAbilities can;
  Ps cost = 1us;
  std::vector<std::string> log;  // a line for each submission; descriptors of one, joined by " + "
  std::function<Errno(const std::string&)> answer;  // instead of 0
  std::function<void(const std::string&)> before;

 private:
  Errno take(Thread& thread, std::span<const vtd::Descriptor> descriptors, bool drain) {
    std::string line;
    for (const vtd::Descriptor& descriptor : descriptors)
      line += (line.empty() ? "" : " + ") + text_of(descriptor);
    if (drain) line += " + drain";
    if (before) before(line);
    thread.run(cost);
    log.push_back(line);
    return answer ? answer(line) : Errno::ok;
  }

  std::string path_ = "dmar0";
  PhysicalMemory memory_;
};

}  // namespace viosim::test
