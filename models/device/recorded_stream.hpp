// A recorded stream of device DMA and of what software did around it, ready to be played. Files are
// read in sim/recording. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "core/base/time.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace viosim {

enum class RecordedKind : std::uint8_t {
  request,     // a device asked for a translation
  attach,      // software attached a requester id to a domain: sid, domain
  map,         // software mapped pages: domain, iova, pa, pages, permissions
  unmap,       // software removed mappings: domain, iova, pages
  descriptor,  // an invalidation descriptor reached the IOMMU: lo, hi (raw 128 bits, VT-d layout)
  drop_all     // root table set or translation switched: every cache is emptied
};

enum class RecordedOutcome : std::uint8_t { unknown, hit, miss, fault };

// One record, 48 bytes; which members count is said by the kind.
struct RecordedOp {
  std::int64_t time_ps = 0;
  std::uint64_t iova = 0;  // request, map, unmap; descriptor: high 64 bits
  std::uint64_t pa =
      0;  // request: expected physical address; map: of iova; descriptor: low 64 bits
  std::uint32_t pages = 0;  // map, unmap: number of 4 KiB pages
  std::uint32_t line = 0;   // line of the file, for messages
  std::uint32_t domain = 0;
  std::uint16_t sid = 0;
  RecordedKind kind = RecordedKind::request;
  RecordedOutcome outcome = RecordedOutcome::unknown;
  std::uint8_t permissions = 0;  // map: bit 0 read, bit 1 write; request: 1 when it is a write
  std::uint8_t fault_reason = 0;
};
static_assert(sizeof(RecordedOp) <= 48);

struct RecordedStream {
  std::string name;
  std::string iommu;            // "intel-vtd", "virtio-iommu", "arm-smmuv3"
  unsigned address_width = 48;  // input address width of the page tables, from the metadata
  bool caching_mode = false;
  bool scalable_mode = false;
  bool strict = false;
  std::uint32_t iotlb_capacity = 0;
  std::vector<std::uint16_t> requesters;  // every sid with requests, ascending
  std::vector<RecordedOp> ops;            // times do not decrease
  // Guest probes can miss a call. What other records prove happened is added, and counted here.
  std::uint64_t recovered_maps = 0;
  std::uint64_t recovered_unmaps = 0;
};

}  // namespace viosim
