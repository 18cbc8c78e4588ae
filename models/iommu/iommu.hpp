// An IOMMU with time: context cache, PASID cache, IOTLB, and a bounded number of walkers that read
// tables from memory. Of whatever architecture: that is said by Architecture.
// SPDX-License-Identifier: Apache-2.0
//
// What the answer is, is said by Walk and the caches; how long it takes, here. A request is looked
// up at the instant it arrives. A hit is answered after the look-up latencies. A miss waits for a
// walker, which begins with what the caches know by then; each read of a walk takes `walk_read` and
// sees memory as it is when the read returns. Finished walks fill the caches at that instant.
//
// The steps of a page walk do not take an event each. A walk runs ahead to its end and is told
// before memory changes (ReadsAhead), or before the walk caches do; then it goes back to the first
// step that is not over by then, and takes an event for that one. So every read still sees memory,
// and every look-up the caches, of its own instant.
#pragma once

#include "core/base/stats.hpp"
#include "core/des/agenda.hpp"
#include "core/des/trace.hpp"
#include "models/event_order.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/architecture.hpp"
#include "models/iommu/cache.hpp"
#include "models/iommu/drain.hpp"
#include "models/iommu/entries.hpp"
#include "models/iommu/invalidation.hpp"
#include "models/iommu/iommu_params.hpp"
#include "models/iommu/request.hpp"
#include "models/iommu/walk.hpp"
#include "models/iommu/walk_caches.hpp"
#include "models/iommu/walk_index.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

// What a request's owner is told at the end of a walk.
struct WalkResult {
  FaultCode fault = FaultCode::none;
  Translation translation;  // when there is no fault
  bool message = false;     // an interrupt: not a translation
  bool silenced = false;    // FPD: the fault is not reported to software
  bool faulted() const { return fault != FaultCode::none; }
};

class WalkClient {
 public:
  // Called at the instant at which the answer leaves the IOMMU. `cookie` is the number given to
  // start_walk().
  virtual void walked(std::uint64_t cookie, const WalkResult& result) = 0;

 protected:
  ~WalkClient() = default;
};

// Who records faults for software.
class FaultListener {
 public:
  // When the answer leaves the IOMMU. Not called where reporting is disabled (FPD).
  virtual void faulted(const Request& request, FaultCode fault) = 0;

 protected:
  ~FaultListener() = default;
};

// A requester as the IOMMU sees it: who it is, and where its cache entries were last found.
struct IommuPort {
  Bdf source{};
  Pasid pasid = no_pasid;
  std::uint32_t device = 0;  // its place in the order of events at one instant
  std::uint32_t context_hint = 0xffffffff;
  std::uint32_t pasid_hint = 0xffffffff;
  std::uint32_t iotlb_hint = 0xffffffff;
  std::uint64_t iotlb_space = 0;   // the space of the last look-up
  std::uint64_t iotlb_page = 0;    // the tag's page at the hint: another one need not look there
  std::array<Hpa, 2> leaf_hint{};  // by stage: the leaf entry that its last walk read,
  std::uint64_t leaf_page = 0;     // for this page
  bool privileged = false;         // its requests with a PASID are supervisor requests
};

class Iommu final : public EventHandler, public ReadsAhead {
 public:
  // `number`: its place in the order of events at one instant. `architecture` outlives it.
  Iommu(std::string path, const IommuParams& params, const Architecture& architecture,
        std::uint32_t number, Agenda& agenda, PhysicalMemory& memory, std::uint64_t seed);

  const std::string& path() const { return path_; }
  const IommuParams& params() const { return params_; }
  const Architecture& architecture() const { return architecture_; }

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
                  std::uint64_t cookie, AddressType type = AddressType::untranslated);

  // The same for a device that asks for a translation to keep (ATS): the answer goes back with its
  // rights. A miss is a walk of type `translation`.
  bool lookup_translation(IommuPort& port, Iova iova, Access access, UseStamp stamp,
                          WalkResult& answer);
  // A translated request arrives, or a page request: true when the device's entry is known and
  // allows it, which takes context_latency(). Otherwise a walk of that type says.
  bool admit(IommuPort& port, AddressType type, UseStamp stamp);
  Ps context_latency() const { return params_.context_cache.latency; }

  // No effect on other requests, on software or on memory comes sooner after an arrival than this.
  Ps lookahead() const { return lookahead_; }

  void fire(std::uint64_t what) override;
  void apply(const Invalidation& invalidation);  // removes what it covers, at this instant
  void drop_all();  // the root table was set, or translation was switched
  // True: no walk is in flight. Otherwise `client` is told when all that are now have been answered.
  bool drain(DrainClient& client, std::uint64_t cookie);
  void memory_changes() override;

  // Writes the parts of each miss's time here.
  void trace_to(Tracer& tracer, std::uint32_t component) {
    tracer_ = &tracer;
    component_ = component;
  }

  void report_faults_to(FaultListener& listener) { fault_listener_ = &listener; }

  // Without running ahead each step of a walk takes an event; all instants and results are the
  // same. For tests.
  void run_ahead(bool on) { run_ahead_ = on; }

  std::size_t walks_waiting() const { return waiting_.size(); }
  const CacheStats& context_stats() const { return contexts_.stats; }
  const CacheStats& pasid_stats() const { return pasids_.stats; }
  const CacheStats& iotlb_stats() const { return iotlb_.stats; }
  const WalkCaches& walk_caches() const { return walk_caches_; }
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
    AddressType type;
  };
  enum class State : std::uint8_t { free, stepping, ahead, answering };
  // Where walks of a page came past, for the walk caches.
  struct Path {
    std::array<std::array<WalkStart, WalkCaches::highest + 1>, 2> at;
    std::array<std::uint8_t, 2> seen{};  // by stage: bit n says that at[n] is known
    Iova guest;                          // the page's address in the second stage
  };
  struct LookUp {
    Instant at;
    std::uint32_t slot;
    Stage stage;
    std::uint8_t level;  // 0: nothing was found
  };
  static constexpr std::size_t look_ups_most = 8;
  // What a walk leaves in the walk caches, and which of their entries it used.
  struct Trail {
    Path path;
    std::array<LookUp, look_ups_most> looked_up;  // ahead: not yet counted
    std::uint8_t look_ups = 0;
    std::array<std::uint8_t, 2> seen_before{};  // path.seen when the walk began to run ahead
  };
  struct alignas(64) WalkSlot {
    Walk walk;
    PageWalk ahead_of;  // running ahead: the page walk at `since`
    Miss miss;
    WalkResult result;               // answering
    Instant started;                 // waited for nothing more
    Instant walked;                  // the walk is over
    Instant since;                   // the step being taken, or the first one ahead, began here
    std::uint32_t calls = 0;         // events scheduled so far; only the last one counts
    std::uint16_t reads_ahead = 0;   // counted already, and taken back when the walk goes back
    std::uint8_t withhold_fill = 0;  // bit n: if the page turns out to be of level n
    bool withhold_path = false;
    State state = State::free;
    std::vector<Miss> merged;
  };
  static constexpr std::uint8_t any_level = 0b11'1110;

  std::uint64_t space_tag(Bdf source, DomainId domain, Pasid pasid) const {
    const std::uint64_t who =
        params_.iotlb_tag == IotlbTag::source ? source.value() : domain.value();
    return who << 32U | pasid.value();
  }
  bool lookup_iotlb(IommuPort& port, std::uint64_t space, Iova iova, Rights needed, UseStamp stamp,
                    Hpa& answer);
  template <class AnyCache>
  static void count_use(AnyCache& cache, std::uint32_t slot, UseStamp stamp);
  struct Known {  // by the configuration caches
    const DeviceEntry* config = nullptr;
    const AddressSpace* space = nullptr;
    std::uint32_t context_slot = 0xffffffff;
    std::uint32_t space_slot = 0xffffffff;
  };
  Known known(const IommuPort& port, AddressType type) const;
  struct Cached {
    WalkResult result;
    std::uint32_t slot;
  };
  std::optional<Cached> cached(const Miss& miss, const Known& known) const;

  void begin(const Miss& miss, bool waited);
  bool merge(const Miss& miss, const Request& request);
  void begin_waiting();
  std::uint32_t allocate_slot(const Miss& miss);
  void answer_at(std::uint32_t number, Instant at, const WalkResult& result);
  void go_on(std::uint32_t number, Instant start);
  void go_ahead(std::uint32_t number);
  Ps duration(const Walk& walk) const;
  void take_step(std::uint32_t number, Instant at);
  void read(std::uint32_t number);
  void look_up(std::uint32_t number, Instant at);
  void update(WalkSlot& slot);
  void count_look_ups(std::uint32_t number);
  void go_back_all();
  void go_back_before_fill(Stage stage, unsigned level);
  void go_back(std::uint32_t number);
  void call(std::uint32_t number, Instant at);
  void learn(const WalkSlot& slot);
  void ask_pasid_cache(WalkSlot& slot);
  void finish(std::uint32_t number);
  static WalkResult result_of(const Walk& walk);
  void answer(std::uint32_t number);
  void report(const Miss& miss, FaultCode fault);
  void emit_parts(const WalkSlot& slot) const;
  void fill(std::uint32_t number);
  void fill_absent(const WalkSlot& slot);
  void hint(std::uint32_t number);
  void fill_walk_caches(std::uint32_t number);
  std::uint64_t walk_space(Stage stage, const AddressSpace& space) const;

  void forget_devices(const Invalidation& invalidation);
  void forget_processes(const Invalidation& invalidation);
  void forget_translations(const Invalidation& invalidation);
  void forget_paths(const Invalidation& invalidation);
  void withhold_all();
  bool covers(const Invalidation& invalidation, const PageTag& tag, const IotlbValue& value) const;
  bool covers_path(const Invalidation& invalidation, Stage stage, const PageTag& tag) const;
  bool overlaps(const Invalidation& invalidation, const PageTag& tag) const;

  std::string path_;
  IommuParams params_;
  const Architecture& architecture_;
  Architecture::MessageWindow messages_;
  bool process_tables_;
  std::uint32_t number_;
  Agenda& agenda_;
  PhysicalMemory& memory_;
  Cache<ContextTag, DeviceEntry> contexts_;
  Cache<PasidTag, AddressSpace> pasids_;
  Cache<PageTag, IotlbValue> iotlb_;
  WalkCaches walk_caches_;
  unsigned largest_level_ = 1;  // of the pages that the IOTLB may hold
  Ps hit_latency_;
  Ps lookahead_;
  UseStamp last_use_;  // by an agenda event
  std::uint32_t free_walkers_;
  Tracer* tracer_ = nullptr;
  FaultListener* fault_listener_ = nullptr;
  std::uint32_t component_ = 0;
  bool run_ahead_ = true;
  bool warned_ = false;  // memory_changes() will be called
  std::deque<Miss> waiting_;
  std::deque<WalkSlot> slots_;  // of walks that have begun
  std::deque<Trail> trails_;    // by slot, where there are walk caches
  std::vector<std::uint32_t> free_slots_;
  WalkIndex walking_;  // slots with a walker, by page
  WalkDrains drains_;
};

template <class AnyCache>
void Iommu::count_use(AnyCache& cache, std::uint32_t slot, UseStamp stamp) {
  if (slot == AnyCache::none) {
    ++cache.stats.misses;
  } else {
    ++cache.stats.hits;
    cache.touch(slot, stamp);
  }
}

inline bool Iommu::lookup_iotlb(IommuPort& port, std::uint64_t space, Iova iova, Rights needed,
                                UseStamp stamp, Hpa& answer) {
  port.iotlb_space = space;
  for (unsigned level = 1; level <= largest_level_; ++level) {
    const PageTag tag = PageTag::of(iova, level, space);
    const std::uint32_t slot =
        iotlb_.probe(tag, tag.page == port.iotlb_page ? port.iotlb_hint : decltype(iotlb_)::none);
    if (slot == decltype(iotlb_)::none) continue;
    const IotlbValue& value = iotlb_.value(slot);
    if (!value.rights.contain(needed)) break;  // walks again: the entry may be stale and too strict
    if (level > 1 && port.pasid == no_pasid && messages_.holds(iova.value())) break;
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
  if (iotlb_.prefetch(PageTag::of(iova, 1, port.iotlb_space))) return;
  // A walk, probably, and probably through the same last tables as the last one.
  const std::uint64_t further = ((iova.value() >> 12U) - port.leaf_page) * 8;
  for (const Hpa entry : port.leaf_hint) {
    if (entry == Hpa()) continue;
    memory_.prefetch(
        Hpa((entry.value() & ~std::uint64_t{0xfff}) | ((entry.value() + further) & 0xff8U)));
  }
}

inline bool Iommu::lookup(IommuPort& port, Iova iova, Access access, UseStamp stamp, Hpa& answer) {
  ++stats.requests;
  if (params_.iotlb_tag == IotlbTag::source) {
    return lookup_iotlb(port, space_tag(port.source, {}, port.pasid), iova,
                        Rights::needed(access, port.privileged), stamp, answer);
  }
  const std::uint32_t context = contexts_.probe({port.source}, port.context_hint);
  if (context == decltype(contexts_)::none) {
    ++contexts_.stats.misses;
    return false;
  }
  ++contexts_.stats.hits;
  contexts_.touch(context, stamp);
  port.context_hint = context;
  const DeviceEntry& config = contexts_.value(context);
  const AddressSpace* space = &config.space;
  bool privileged = port.privileged;
  if (port.pasid != no_pasid && !config.pasids) return false;
  if (config.by_process(port.pasid)) {
    Pasid pasid = port.pasid;
    if (pasid == no_pasid) {
      pasid = config.default_pasid;
      privileged = config.default_privileged;
    }
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
  if ((privileged || access == Access::execute) && !space->allows(access, privileged)) [[unlikely]]
    return false;
  if (space->pass_through) {
    const bool message = port.pasid == no_pasid && access == Access::write;
    if (messages_.holds(iova.value()) && !message) return false;
    answer = Hpa(iova.value());
    translation_latency.record(hit_latency_);
    return true;
  }
  return lookup_iotlb(port, space_tag(port.source, space->domain, space->tag), iova,
                      Rights::needed(access, privileged), stamp, answer);
}

}  // namespace viosim
