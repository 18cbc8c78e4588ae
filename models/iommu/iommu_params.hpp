// The parameters of an IOMMU that all architectures share, and what is counted.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "models/iommu/cache.hpp"
#include "models/iommu/walk_caches.hpp"

#include <array>
#include <cstdint>

namespace viosim {

enum class IotlbTag : std::uint8_t { domain, source };

constexpr auto choices(IotlbTag) {
  return std::array{
      Choice{IotlbTag::domain, "domain",
             "domain id and PASID, as the specification says: devices of a domain share entries"},
      Choice{IotlbTag::source, "source",
             "requester id and PASID, as software emulations do: found without the context cache"}};
}

struct IommuParams {
  CacheParams context_cache{64, 0, Replacement::lru, 2ns};
  CacheParams pasid_cache{64, 0, Replacement::lru, 2ns};
  CacheParams iotlb{64, 0, Replacement::lru, 5ns};
  IotlbTag iotlb_tag = IotlbTag::domain;
  std::uint32_t page_match_bits = 52;
  std::uint32_t walkers = 6;
  Ps walk_read = 80ns;
  double walk_llc_hit = 0;
  Ps walk_llc_read = 25ns;
  Ps walk_update = 80ns;
  Ps fault_record = 100ns;
  bool merge_walks = true;
  bool caching_mode = false;
  bool devices_with_processes = false;
  WalkCachesParams walk_caches;

  // Of all its caches. In caching mode what is absent is kept in two more, as large as those of what is there.
  std::uint64_t cache_entries() const {
    const std::uint64_t tables =
        std::uint64_t{context_cache.entries} + std::uint64_t{pasid_cache.entries};
    return tables * (caching_mode ? 2 : 1) + iotlb.entries + walk_caches.entries();
  }

  static constexpr auto fields() {
    using P = IommuParams;
    return Fields{
        field("context_cache", &P::context_cache, "Caches context entries, tagged by requester id.",
              "sizes and latencies assumed; 1-5 ns"),
        field("pasid_cache", &P::pasid_cache,
              "Caches PASID table entries, tagged by requester id and PASID.", "assumed"),
        field("iotlb", &P::iotlb, "Caches finished translations.",
              "64 entries: Neugebauer et al., SIGCOMM 2018; latency assumed, 2-10 ns"),
        field("iotlb_tag", &P::iotlb_tag,
              "What an IOTLB entry is tagged with, besides page and size.",
              "domain: VT-d 3.x, 6.2.5; source: QEMU 7.2, hw/i386/intel_iommu.c"),
        field("page_match_bits", &P::page_match_bits,
              "How many low bits of the page number a page-selective IOTLB invalidation compares; "
              "52 compares all.",
              "52: VT-d 3.x, 6.5.2.3; QEMU 7.2 compares 8")
            .from(1)
            .to(52),
        field("walkers", &P::walkers, "Page walks in flight at a time; further misses queue.",
              "about 6: derived from pcie-bench throughput")
            .from(1),
        field("walk_read", &P::walk_read, "One read of a table by a walker, from memory.",
              "assumed: DRAM, 70-100 ns")
            .from(Ps(1)),
        field("walk_llc_hit", &P::walk_llc_hit,
              "Which part of these reads the last-level cache answers, 0 to 1, drawn for each walk "
              "and line.",
              "0: cold tables, as in sums of 80 ns a read; 0.5 assumed of tables in use")
            .from(0)
            .to(1),
        field("walk_llc_read", &P::walk_llc_read, "Such a read.", "assumed").from(Ps(1)),
        field("walk_update", &P::walk_update,
              "Setting accessed or dirty in an entry: an atomic access to memory.",
              "assumed: as a read")
            .from(Ps(1)),
        field("fault_record", &P::fault_record,
              "Detecting a fault and writing its record, before device and software learn of it.",
              "assumed")
            .from(Ps(1)),
        field("merge_walks", &P::merge_walks,
              "A miss on a page that is being walked for the same requester and PASID waits for "
              "that walk.",
              "assumed: caches merge misses so; off: each miss walks"),
        field(
            "caching_mode", &P::caching_mode,
            "What was not there is cached as such (pages of a second stage, RISC-V: of a first "
            "one, too; VT-d: root, context "
            "and PASID entries), as emulated IOMMUs may: software has to invalidate after mapping, "
            "too.",
            "off, as hardware: VT-d 3.x, 6.1; emulated VT-d sets it (CAP.CM)"),
        field("devices_with_processes", &P::devices_with_processes,
              "Invalidating device entries also removes their process (PASID) entries.",
              "unclear in the specification; software always does both"),
        field("walk_caches", &P::walk_caches, "Caches of upper page table entries.")};
  }
  void check(const Where& where) const;
  bool operator==(const IommuParams&) const = default;
};

struct IommuStats {
  std::uint64_t requests = 0;
  std::uint64_t walks = 0;
  std::uint64_t walk_reads = 0;
  std::uint64_t walks_queued = 0;
  std::uint64_t walk_queue_longest = 0;
  std::uint64_t walk_wait = 0;
  std::uint64_t walks_merged = 0;
  std::uint64_t entries_updated = 0;
  std::uint64_t fills_withheld = 0;
  std::uint64_t faults = 0;
  std::uint64_t faults_reported = 0;
  static constexpr auto fields() {
    using S = IommuStats;
    return Fields{
        metric("requests", &S::requests, Unit::count, "Translation requests that arrived."),
        metric("walks", &S::walks, Unit::count, "Requests that needed a walk."),
        metric("walk_reads", &S::walk_reads, Unit::count, "Memory reads by walkers."),
        metric("walks_queued", &S::walks_queued, Unit::count,
               "Misses that lined up for a walker: every one was taken when they came. Each once."),
        metric("walk_queue_longest", &S::walk_queue_longest, Unit::count,
               "Most misses that were lined up for a walker at a time."),
        metric("walk_wait", &S::walk_wait, Unit::picoseconds,
               "Time that misses waited for a walker, in all."),
        metric("walks_merged", &S::walks_merged, Unit::count,
               "Misses that waited for another walk of the same page."),
        metric("entries_updated", &S::entries_updated, Unit::count,
               "Page table entries in which accessed or dirty was set."),
        metric("fills_withheld", &S::fills_withheld, Unit::count,
               "Walks whose result was not cached: an invalidation overtook them."),
        metric("faults", &S::faults, Unit::count, "Requests that were refused."),
        metric("faults_reported", &S::faults_reported, Unit::count,
               "Faults recorded for software: FPD was clear.")};
  }
};

}  // namespace viosim
