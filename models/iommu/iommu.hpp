// A VT-d IOMMU with time: context cache, PASID cache, IOTLB, and a bounded number of walkers that
// read tables from memory.
// SPDX-License-Identifier: Apache-2.0
//
// What the answer is, is said by vtd::Walk and the caches; how long it takes, here. A request is
// looked up at the instant it arrives. A hit is answered after the look-up latencies. A miss waits
// for a walker, which begins with what the caches know by then; each read of a walk takes
// `walk_read` and sees memory as it is when the read returns. Finished walks fill the caches at that
// instant.
//
// Reads of page tables do not take an event each. A walk reads ahead to its end and is told before
// memory changes (ReadsAhead); then it goes back to the first read that has not returned by then,
// and takes an event for that one. So every read still sees memory of its own instant.
#pragma once

#include "core/base/stats.hpp"
#include "core/des/agenda.hpp"
#include "models/event_order.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/cache.hpp"
#include "models/iommu/invalidation_queue.hpp"
#include "models/iommu/request.hpp"
#include "models/iommu/vtd/descriptor.hpp"
#include "models/iommu/vtd/walk.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

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
  vtd::Mode mode = vtd::Mode::scalable;
  CacheParams context_cache{64, 0, Replacement::lru, 2ns};
  CacheParams pasid_cache{64, 0, Replacement::lru, 2ns};
  CacheParams iotlb{64, 0, Replacement::lru, 5ns};
  IotlbTag iotlb_tag = IotlbTag::domain;
  std::uint32_t page_match_bits = 52;
  std::uint32_t walkers = 6;
  Ps walk_read = 80ns;
  Ps fault_record = 100ns;
  InvalidationQueueParams invalidation;

  static constexpr auto fields() {
    using P = IommuParams;
    return std::tuple{
        field("mode", &P::mode, "How requests find their page table."),
        field("context_cache", &P::context_cache, "Caches context entries, tagged by requester id.",
              "sizes and latencies assumed; 1-5 ns"),
        field("pasid_cache", &P::pasid_cache,
              "Caches PASID table entries, tagged by requester id and PASID.", "assumed"),
        field("iotlb", &P::iotlb, "Caches finished translations.",
              "64 entries: Neugebauer et al., SIGCOMM 2018; latency assumed, 2-10 ns"),
        field("iotlb_tag", &P::iotlb_tag,
              "What an IOTLB entry is tagged with, besides page and size."),
        field("page_match_bits", &P::page_match_bits,
              "How many low bits of the page number a page-selective IOTLB invalidation compares; "
              "52 compares all, as specified. "
              "QEMU 7.2 compares 8."),
        field("walkers", &P::walkers, "Page walks in flight at a time; further misses queue.",
              "about 6: derived from pcie-bench throughput"),
        field("walk_read", &P::walk_read, "One read of a table by a walker.",
              "assumed: 80 ns DRAM, about 25 ns when the last-level cache has it"),
        field("fault_record", &P::fault_record,
              "Detecting a fault and writing its record, before device and software learn of it.",
              "assumed"),
        field("invalidation", &P::invalidation, "The invalidation queue.")};
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
  std::uint64_t fills_withheld = 0;
  std::uint64_t faults = 0;
  std::uint64_t faults_reported = 0;
  static constexpr auto fields() {
    using S = IommuStats;
    return std::tuple{
        metric("requests", &S::requests, Unit::count, "Translation requests that arrived."),
        metric("walks", &S::walks, Unit::count, "Requests that needed a walk."),
        metric("walk_reads", &S::walk_reads, Unit::count, "Memory reads by walkers."),
        metric("walks_queued", &S::walks_queued, Unit::count,
               "Walks that found every walker busy."),
        metric("walk_queue_longest", &S::walk_queue_longest, Unit::count,
               "Most walks waiting for a walker at a time."),
        metric("walk_wait", &S::walk_wait, Unit::picoseconds,
               "Time that walks waited for a walker, in all."),
        metric("fills_withheld", &S::fills_withheld, Unit::count,
               "Walks whose result was not cached: an invalidation overtook them."),
        metric("faults", &S::faults, Unit::count, "Requests that were refused."),
        metric("faults_reported", &S::faults_reported, Unit::count,
               "Faults recorded for software: FPD was clear.")};
  }
};

// What a request's owner is told at the end of a walk.
struct WalkResult {
  FaultReason fault = FaultReason::none;
  Translation translation;  // when fault is none
};

class WalkClient {
 public:
  // Called at the instant at which the answer leaves the IOMMU. `cookie` is the number given to
  // start_walk().
  virtual void walked(std::uint64_t cookie, const WalkResult& result) = 0;

 protected:
  ~WalkClient() = default;
};

// A requester as the IOMMU sees it: who it is, and where its cache entries were last found.
struct IommuPort {
  Bdf source{};
  Pasid pasid = no_pasid;
  std::uint32_t device = 0;  // its place in the order of events at one instant
  std::uint32_t context_hint = 0xffffffff;
  std::uint32_t pasid_hint = 0xffffffff;
  std::uint32_t iotlb_hint = 0xffffffff;
  std::uint64_t iotlb_space = 0;  // the space of the last look-up
  std::uint64_t iotlb_page = 0;   // the tag's page at the hint: another one need not look there
};

struct ContextTag {
  Bdf source{};
  std::uint64_t hash() const { return source.value() * 0x9e3779b97f4a7c15U; }
  std::uint32_t set_number() const { return source.value(); }
  bool operator==(const ContextTag&) const = default;
};

struct PasidTag {
  Bdf source{};
  Pasid pasid;
  std::uint64_t hash() const {
    return (source.value() * 0xd6e8feb86659fd93U ^ pasid.value()) * 0x9e3779b97f4a7c15U;
  }
  std::uint32_t set_number() const { return pasid.value() + source.value(); }
  bool operator==(const PasidTag&) const = default;
};

struct IotlbEntryTag {
  std::uint64_t page = 0;   // page number in pages of its level, and the level in the low 2 bits
  std::uint64_t space = 0;  // PASID 31:0, domain or requester id 47:32
  static IotlbEntryTag of(Iova iova, unsigned level, std::uint64_t space) {
    return {(iova.value() >> (12 + 9 * (level - 1))) << 2U | level, space};
  }
  unsigned level() const { return static_cast<unsigned>(page & 3U); }
  std::uint64_t first_page() const {
    return (page >> 2U) << (9 * (level() - 1));
  }  // in 4 KiB pages
  std::uint64_t hash() const { return (space * 0xd6e8feb86659fd93U ^ page) * 0x9e3779b97f4a7c15U; }
  std::uint32_t set_number() const { return static_cast<std::uint32_t>(page >> 2U); }
  bool operator==(const IotlbEntryTag&) const = default;
};

struct IotlbValue {
  Hpa page;
  Pasid pasid;  // the effective one; the tag has the request's when entries are found by source
  Permissions permissions;
  DomainId domain;
  bool first_level =
      false;  // from a first-level table: page-selective invalidation by domain cannot spare it
};

class Iommu final : public EventHandler, public InvalidationTarget, public ReadsAhead {
 public:
  // `number`: its place in the order of events at one instant.
  Iommu(std::string path, const IommuParams& params, std::uint32_t number, Agenda& agenda,
        PhysicalMemory& memory, std::uint64_t seed);

  const std::string& path() const { return path_; }
  const IommuParams& params() const { return params_; }
  vtd::Tables& tables() { return tables_; }
  InvalidationQueue& invalidation_queue() { return queue_; }
  const InvalidationQueue& invalidation_queue() const { return queue_; }

  // A request arrives. True: a hit, `answer` holds the address, and the device has it hit_latency()
  // later. Otherwise the caller goes on with start_walk() before any later event. Safe to call in
  // any order within a run-ahead window: changes only counters and use stamps.
  bool lookup(IommuPort& port, Iova iova, Access access, UseStamp stamp, Hpa& answer);
  Ps hit_latency() const { return hit_latency_; }
  // The stamp of a look-up by an agenda event that is running.
  UseStamp use_now() { return last_use_ = UseStamp::event(agenda_.now(), last_use_); }
  // A hint to the machine we run on: this look-up will come soon. Guesses that nothing has changed
  // since the last one.
  void prefetch(const IommuPort& port, Iova iova) const;

  // A request whose lookup() with this stamp missed. Walks start in the order of these calls. The
  // port outlives the walk.
  void start_walk(IommuPort& port, Iova iova, Access access, UseStamp stamp, WalkClient& client,
                  std::uint64_t cookie);

  // No effect on other requests, on software or on memory comes sooner after an arrival than this.
  Ps lookahead() const { return lookahead_; }

  void fire(std::uint64_t what) override;
  void apply(const vtd::Descriptor& descriptor)
      override;     // removes what the descriptor covers, at this instant
  void drop_all();  // the root table was set, or translation was switched
  void memory_changes() override;

  const CacheStats& context_stats() const { return contexts_.stats; }
  const CacheStats& pasid_stats() const { return pasids_.stats; }
  const CacheStats& iotlb_stats() const { return iotlb_.stats; }
  IommuStats stats;
  Histogram translation_latency;  // arrival to answer

 private:
  // A miss on its way: all of it that outlives the wait for a walker.
  struct Miss {
    IommuPort* port;
    WalkClient* client;
    std::uint64_t cookie;
    Iova iova;
    Instant arrival;
    Instant ready;         // the look-ups are done
    std::uint64_t ticket;  // walks that meet at one instant keep the order in which they missed
    Access access;
  };
  enum class Stage : std::uint8_t { free, reading, reading_ahead, answering };
  struct alignas(64) WalkSlot {
    vtd::Walk walk;
    WalkClient* client;
    std::uint64_t cookie;
    Instant arrival;
    std::uint64_t ticket;
    Instant ahead_from;  // reading ahead: the first of the reads began here
    std::uint32_t device;
    std::uint32_t calls;         // events scheduled so far; only the last one counts
    std::uint8_t withhold_fill;  // bit n: if the page turns out to be of level n
    Stage stage;
    std::uint8_t ahead;  // reading ahead: how many reads
  };
  static constexpr std::uint8_t any_level = 0b1110;
  static constexpr std::size_t reads_ahead_most = 5;  // the levels of a page table
  using Trail = std::array<vtd::TablePosition, reads_ahead_most>;

  std::uint64_t space_tag(Bdf source, DomainId domain, Pasid pasid) const;
  bool lookup_iotlb(IommuPort& port, std::uint64_t space, Iova iova, Access access, UseStamp stamp,
                    Hpa& answer);
  template <class AnyCache>
  static void count_use(AnyCache& cache, std::uint32_t slot, UseStamp stamp);
  void begin(const Miss& miss, bool queued);
  void begin_waiting();
  void read_on(std::uint32_t number, Instant start);
  void read_ahead(std::uint32_t number, Instant start);
  void call(std::uint32_t number, Instant at);
  void read_returned(WalkSlot& slot);
  void learn(WalkSlot& slot);
  void finish(std::uint32_t slot);
  void answer(std::uint32_t slot);
  void fill(const WalkSlot& slot);
  template <class Covers>
  void invalidate_iotlb(Covers&& covers);
  bool covers_page(const vtd::Descriptor& descriptor, const IotlbEntryTag& tag) const;
  struct Known {  // by the configuration caches
    const vtd::Context* context = nullptr;
    const vtd::AddressSpace* space = nullptr;
    std::uint32_t context_slot = 0xffffffff;
    std::uint32_t space_slot = 0xffffffff;
  };
  Known known(const IommuPort& port) const;
  vtd::Walk walk_of(const Miss& miss) const;
  std::uint32_t allocate_slot(const Miss& miss, const vtd::Walk& walk);

  std::string path_;
  IommuParams params_;
  std::uint32_t number_;
  Agenda& agenda_;
  PhysicalMemory& memory_;
  vtd::Tables tables_;
  Cache<ContextTag, vtd::Context> contexts_;
  Cache<PasidTag, vtd::AddressSpace> pasids_;
  Cache<IotlbEntryTag, IotlbValue> iotlb_;
  bool large_pages_ = false;  // the IOTLB may hold pages above 4 KiB
  Ps hit_latency_;
  Ps lookahead_;
  UseStamp last_use_;  // by an agenda event
  std::uint32_t free_walkers_;
  std::deque<Miss> waiting_;
  std::vector<WalkSlot> slots_;  // of walks that have begun
  std::vector<Trail> trails_;    // of each slot, where its reads ahead were
  bool warned_ = false;          // memory_changes() will be called
  std::vector<std::uint32_t> free_slots_;
  InvalidationQueue queue_;
};

inline std::uint64_t Iommu::space_tag(Bdf source, DomainId domain, Pasid pasid) const {
  const std::uint64_t who = params_.iotlb_tag == IotlbTag::source ? source.value() : domain.value();
  return who << 32U | pasid.value();
}

inline bool Iommu::lookup_iotlb(IommuPort& port, std::uint64_t space, Iova iova, Access access,
                                UseStamp stamp, Hpa& answer) {
  port.iotlb_space = space;
  for (unsigned level = 1; level <= (large_pages_ ? 3U : 1U); ++level) {
    const IotlbEntryTag tag = IotlbEntryTag::of(iova, level, space);
    const std::uint32_t slot =
        iotlb_.probe(tag, tag.page == port.iotlb_page ? port.iotlb_hint : decltype(iotlb_)::none);
    if (slot == decltype(iotlb_)::none) continue;
    const IotlbValue& value = iotlb_.value(slot);
    if (!value.permissions.allow(access))
      break;  // walks again: the entry may be stale and too strict
    iotlb_.touch(slot, stamp);
    port.iotlb_hint = slot;
    port.iotlb_page = tag.page;
    ++iotlb_.stats.hits;
    answer = value.page + iova.page_offset(leaf_size(level));
    translation_latency.record(hit_latency_);
    return true;
  }
  ++iotlb_.stats.misses;
  return false;
}

inline void Iommu::prefetch(const IommuPort& port, Iova iova) const {
  contexts_.prefetch_slot(port.context_hint);
  pasids_.prefetch_slot(port.pasid_hint);
  iotlb_.prefetch(IotlbEntryTag::of(iova, 1, port.iotlb_space));
}

inline bool Iommu::lookup(IommuPort& port, Iova iova, Access access, UseStamp stamp, Hpa& answer) {
  ++stats.requests;
  if (params_.iotlb_tag == IotlbTag::source) {
    return lookup_iotlb(port, space_tag(port.source, {}, port.pasid), iova, access, stamp, answer);
  }
  const std::uint32_t context = contexts_.probe({port.source}, port.context_hint);
  if (context == decltype(contexts_)::none) {
    ++contexts_.stats.misses;
    return false;
  }
  ++contexts_.stats.hits;
  contexts_.touch(context, stamp);
  port.context_hint = context;
  const vtd::AddressSpace* space = &contexts_.value(context).space;
  Pasid pasid{0};
  if (params_.mode == vtd::Mode::scalable) {
    pasid = port.pasid == no_pasid ? contexts_.value(context).scalable.rid_pasid : port.pasid;
    const std::uint32_t entry = pasids_.probe({port.source, pasid}, port.pasid_hint);
    if (entry == decltype(pasids_)::none) {
      ++pasids_.stats.misses;
      return false;
    }
    ++pasids_.stats.hits;
    pasids_.touch(entry, stamp);
    port.pasid_hint = entry;
    space = &pasids_.value(entry);
  }
  if (space->pass_through) {
    answer = Hpa(iova.value());
    translation_latency.record(hit_latency_);
    return true;
  }
  return lookup_iotlb(port, space_tag(port.source, space->domain, pasid), iova, access, stamp,
                      answer);
}

}  // namespace viosim
