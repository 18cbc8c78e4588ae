// A recorded stream of device DMA and of what software did around it, ready to be played. Files are
// read in sim/recording.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace viosim {

enum class RecordedKind : std::uint8_t {
  request,     // a device asked for a translation
  attach,      // software attached a requester id to a domain: sid, domain
  detach,      // software took a requester id away from its domain: sid
  map,         // software mapped pages: domain, iova, pa, pages, page_shift, permissions
  unmap,       // software removed mappings: domain, iova, pages
  descriptor,  // an invalidation descriptor reached the IOMMU: raw 128 bits, VT-d layout
  invalidate,  // an SMMUv3 invalidation: domain or every_domain, iova, pages (0: all of the domain)
  drop_all     // root table set or translation switched: every cache is emptied
};

enum class RecordedOutcome : std::uint8_t {
  unknown,  // translated to pa; whether a cache knew it was not recorded (virtio-iommu)
  hit,
  miss,   // the walk succeeded and the entry was cached
  fault,  // no translation; fault_reason
  bypass  // let through untranslated: an interrupt window, or translation was off
};

// One record; which members count is said by the kind.
struct RecordedOp {
  static constexpr std::uint32_t every_domain = std::numeric_limits<std::uint32_t>::max();

  std::int64_t time_ps = 0;
  std::uint64_t iova = 0;  // request: exact; map, unmap, invalidate: page; descriptor: high 64 bits
  std::uint64_t pa = 0;    // request: translated iova; map: of iova; descriptor: low 64 bits
  std::uint32_t pages = 0;   // map, unmap, invalidate: number of 4 KiB pages
  std::uint32_t line = 0;    // line of the file, for messages
  std::uint32_t domain = 0;  // VT-d: DID; SMMUv3: ASID; virtio-iommu: domain
  std::uint16_t sid = 0;
  RecordedKind kind = RecordedKind::request;
  RecordedOutcome outcome = RecordedOutcome::unknown;
  std::uint8_t permissions = 0;  // map: bit 0 read, bit 1 write; request: 1 when it is a write
  std::uint8_t fault_reason = 0;
  std::uint8_t page_shift = 12;  // map: log2 of the size of its table entries

  bool operator==(const RecordedOp&) const = default;
};
static_assert(sizeof(RecordedOp) <= 48);

// Whether a player can say how it agrees with what was recorded.
constexpr bool is_comparable(const RecordedOp& op) {
  return op.kind == RecordedKind::request && op.outcome != RecordedOutcome::unknown &&
         op.outcome != RecordedOutcome::bypass;
}

// Levels of the tables that translate input addresses of this width.
constexpr unsigned table_levels_for(unsigned address_width) {
  return address_width <= 39 ? 3 : address_width <= 48 ? 4 : 5;
}

// What a player may rely on: times do not decrease; maps and unmaps lie within the address width;
// a map covers no page that is mapped in its domain at that moment and is a multiple of its entries'
// size; an unmap may cover pages that are not mapped; descriptors decode,
// but for address masks beyond what one IOMMU or another takes.
struct RecordedStream {
  std::string name;
  std::string iommu;            // "intel-vtd", "virtio-iommu", "arm-smmuv3"
  unsigned address_width = 48;  // input address width of the page tables, from the metadata
  bool caching_mode = false;
  bool scalable_mode = false;
  bool strict = false;
  std::uint32_t iotlb_capacity = 0;
  std::vector<std::uint16_t> requesters;  // every sid with requests, ascending
  std::vector<RecordedOp> ops;
  // Guest probes can miss a call. What other records prove happened is added, and counted here.
  std::uint64_t recovered_maps = 0;
  std::uint64_t recovered_unmaps = 0;
  // Guest mappings of domains without a number (no request ever used them) are left out.
  std::uint64_t unplaced = 0;

  bool operator==(const RecordedStream&) const = default;
};

}  // namespace viosim
