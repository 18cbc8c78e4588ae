// What an order of the IOMMU driver is about, while its steps are taken.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/kernel/iommu_driver.hpp"

namespace viosim {

// Of what an IOMMU caches. Second-level flushes wait for requests that used what they flush.
inline vtd::Descriptor descriptor_of(vtd::DescriptorType type, vtd::Granularity granularity,
                                     DomainId domain) {
  vtd::Descriptor descriptor;
  descriptor.type = type;
  descriptor.granularity = granularity;
  descriptor.domain = domain;
  const bool drains = type == vtd::DescriptorType::iotlb;
  descriptor.drain_reads = drains;
  descriptor.drain_writes = drains;
  return descriptor;
}

struct IommuDriver::Job {
  Thread& thread;
  Bdf source;
  Pasid pasid;
  DomainId domain;
  vtd::PasidEntry entry{};
  vtd::PasidEntry next{};  // replaces it
  Hpa at{};                // of the PASID entry
  Iova address{};
  std::uint8_t address_mask = 0;
  bool leaf_only = false;
  bool first_level = false;  // a range of a first level
  bool quiet = false;
  Errno error = Errno::ok;  // the first one
  SpinLock* held = nullptr;

  // A thread that ends in the middle of it gives its lock back.
  ~Job() { unlock(); }
  void lock(SpinLock& lock) {
    if (held != nullptr) return;
    lock.lock(thread);
    held = &lock;
  }
  void unlock() {
    if (held != nullptr) std::exchange(held, nullptr)->unlock(thread);
  }
  void failed(Errno with) {
    if (error == Errno::ok) error = with;
  }
};

}  // namespace viosim
