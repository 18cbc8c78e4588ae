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
#include "models/iommu/walk_caches.hpp"
#include "models/iommu/walk_index.hpp"
#include "models/iommu/walk_slot.hpp"
#include "models/trace_point.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace viosim {

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

// Where a walk was last seen to end, in a region of 2 MiB: neighbours end near it.
struct WalkHint {
  std::uint64_t page = ~std::uint64_t{0};
  std::array<Hpa, 2> leaf{};  // by stage: the leaf entry; none: 0
  std::array<std::uint32_t, 2> slot{WalkCaches::none,
                                    WalkCaches::none};  // in the lowest walk cache
};

// How many requests were refused for one reason, reported or not.
struct FaultCount {
  FaultCode code = FaultCode::none;
  std::uint64_t requests = 0;
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
  std::array<WalkHint, 2> walk_hints;  // of even and odd regions
  bool privileged = false;             // its requests with a PASID are supervisor requests

  WalkHint& walk_hint(Iova iova) { return walk_hints[iova.value() >> 21U & 1U]; }
  const WalkHint& walk_hint(Iova iova) const { return walk_hints[iova.value() >> 21U & 1U]; }
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
  bool lookup(IommuPort& port, Iova iova, Access access, UseStamp stamp, Hpa& answer) {
    if (!find(port, iova, access, stamp, answer)) return false;
    note_hit(access, stamp);
    return true;
  }
  Ps hit_latency() const { return hit_latency_; }
  // The stamp of a look-up by an agenda event that is running.
  UseStamp use_now() { return last_use_ = UseStamp::event(agenda_.now(), last_use_); }
  // Hints to the machine we run on: this look-up will come soon. First where it looks, and when that has
  // arrived, what it finds there. They guess that nothing has changed since the last one.
  void prefetch_homes(const IommuPort& port, Iova iova) const;
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
  // allows it, which takes context_latency(). Otherwise a walk of that type says. The address is
  // a translated one; of page requests it does not matter.
  bool admit(IommuPort& port, Iova address, AddressType type, Access access, UseStamp stamp);
  Ps context_latency() const { return params_.context_cache.latency; }

  // No effect on other requests, on software or on memory comes sooner after an arrival than this.
  Ps lookahead() const { return lookahead_; }

  void fire(std::uint64_t what) override;
  void apply(const Invalidation& invalidation);  // removes what it covers, at this instant
  void drop_all();  // the root table was set, or translation was switched
  // True: nothing of these kinds is on its way through the IOMMU or from it to memory. Otherwise
  // `client` is told when memory has all that is now. Misses that have not begun their walk have
  // read nothing yet, and do not count. Translation requests count as reads, until their answer
  // leaves; page requests do not.
  bool drain(DrainClient& client, std::uint64_t cookie, DrainKinds kinds = {});
  // Requests of one of its requesters reach memory so long after their translation. Drains wait so
  // long for everybody's: as long as the slowest requester's take.
  void reaches_memory_in(Ps latency) { memory_latency_ = std::max(memory_latency_, latency); }
  void memory_changes() override;

  // Caching mode: whether a page that this stage does not have may be cached as absent.
  bool caches_absent_pages(Stage stage) const {
    return params_.caching_mode &&
           (stage == Stage::second || architecture_.caches_absent_first_pages());
  }

  // Writes the parts of each miss's time here, and the faults that it reports.
  void trace_to(Tracer& tracer, std::uint32_t component, const PasidLives* lives = nullptr) {
    tracer_ = &tracer;
    component_ = component;
    faults_trace_.trace_to(tracer, component, lives);
  }

  void report_faults_to(FaultListener& listener) { fault_listener_ = &listener; }

  // Without running ahead each step of a walk takes an event; all instants and results are the
  // same. For tests.
  void run_ahead(bool on) { run_ahead_ = on; }

  std::size_t walks_waiting() const { return waiting_.size(); }
  // Arrival to answer. The histogram is brought up to date when it is asked for.
  const Histogram& translation_latency() const;
  const CacheStats& context_stats() const { return contexts_.stats; }
  const CacheStats& pasid_stats() const { return pasids_.stats; }
  const CacheStats& iotlb_stats() const { return iotlb_.stats; }
  std::uint32_t iotlb_entries() const { return iotlb_.size(); }  // that it holds
  // Whose entries the PASID cache and the IOTLB hold now, each once; those of requests without a PASID are
  // those of the number that serves them.
  std::set<Pasid> cached_pasids() const;
  const WalkCaches& walk_caches() const { return walk_caches_; }
  // Of every reason that its architecture has, in the order of their codes; together `stats.faults`.
  const std::vector<FaultCount>& faults_by_reason() const { return faults_by_reason_; }
  IommuStats stats;

 private:
  using Miss = WalkMiss;
  using State = WalkSlot::State;
  static constexpr std::uint8_t any_level = 0b11'1110;

  // VT-d 3.x, 6.2.5: by domain, PASID and PGTT, which the levels of both stages tell, as they lie in memory; or by
  // who asks.
  static std::uint64_t space_tag(const AddressSpace& space) {
    const std::uint32_t where = space.domain.value() | std::uint32_t{space.first_levels} << 16U |
                                std::uint32_t{space.second_levels} << 24U;
    return std::uint64_t{where} << 32U | space.tag.value();
  }
  static std::uint64_t space_tag(Bdf source, Pasid pasid) {
    return std::uint64_t{source.value()} << 32U | pasid.value();
  }
  bool find(IommuPort& port, Iova iova, Access access, UseStamp stamp, Hpa& answer);
  bool lookup_iotlb(IommuPort& port, std::uint64_t space, Iova iova, Rights needed, UseStamp stamp,
                    Hpa& answer);
  void note_hit(Access access, UseStamp stamp) {
    const auto at = static_cast<std::int64_t>(stamp.time);
    std::int64_t& last = last_hit_[static_cast<std::size_t>(access)];
    if (at > last) last = at;
  }
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
    bool absent = false;
  };
  std::optional<Cached> cached(const Miss& miss, const Known& known) const;
  std::optional<WalkResult> known_absent(const Walk& walk, const Known& known) const;

  // From a miss to a walker.
  struct Turn {             // why it is a miss' turn
    bool again = false;     // it has waited: the caches may know by now
    bool of_queue = false;  // a walker is free, and nobody is ahead of it
    bool alone = false;     // another walk has left it without an answer: it waits for no other one
  };
  struct Waiting {
    Miss miss;
    Instant since;
    bool alone;
  };
  void begin_again(const Miss& miss, Turn turn);
  void begin(WalkSlot& slot, const Known& found, Turn turn);
  bool merge(const Miss& miss, const Request& request, std::uint64_t page);
  void begin_waiting();
  WalkSlot& take_slot();
  void free_slot(WalkSlot& slot);

  // The steps of a walk.
  void go_on(WalkSlot& slot, Instant start, bool at_entry);
  void go_ahead(WalkSlot& slot, bool from_entry);
  Ps duration(const WalkSlot& slot) const;
  bool in_llc(const WalkSlot& slot) const;
  void take_step(WalkSlot& slot, Instant at);
  void read(WalkSlot& slot);
  void look_up(WalkSlot& slot, Instant at);
  void update(WalkSlot& slot);
  void count_look_ups(WalkSlot& slot);
  void go_back_all();
  void go_back_before_fill(Stage stage, unsigned level);
  void go_back(WalkSlot& slot);
  void call(WalkSlot& slot, Instant at);
  void learn(const WalkSlot& slot);
  void ask_pasid_cache(WalkSlot& slot);
  std::optional<Cached> ask_iotlb(WalkSlot& slot);
  void note_asked(WalkSlot& slot, const std::optional<Cached>& found);

  // From the end of a walk to the answer.
  void finish(WalkSlot& slot);
  void leave_walker(WalkSlot& slot);
  WalkResult result_of(const Walk& walk) const;
  Translation without_messages(const IommuPort& port, Iova iova, const Translation& whole) const;
  void fill(WalkSlot& slot, const WalkResult& result);
  void fill_absent(const WalkSlot& slot);
  void fill_absent_entry(const WalkSlot& slot);
  void fill_walk_caches(WalkSlot& slot);
  void hint(const WalkSlot& slot);
  std::uint64_t walk_space(Stage stage, const AddressSpace& space) const {
    const std::uint64_t domain = std::uint64_t{space.domain.value()} << 32U;
    return stage == Stage::first ? domain | space.tag.value() : domain;
  }
  void answer_at(WalkSlot& slot, Instant at, const WalkResult& result);
  void answer_from_iotlb(WalkSlot& slot, Instant from, const Cached& found);
  void answer(WalkSlot& slot, const WalkResult& result);
  void count(FaultCode fault);
  void report(const Miss& miss, FaultCode fault);
  bool waits_for(const WalkSlot& slot, DrainKinds kinds) const;
  Instant over_at(DrainKinds kinds) const;
  void note_on_its_way(Access access, Instant until) {
    Instant& last = on_its_way_until_[static_cast<std::size_t>(access)];
    if (until > last) last = until;
  }
  void emit_parts(const WalkSlot& slot) const;

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
  Cache<PasidTag, ProcessEntry> pasids_;
  // Caching mode: entries that were not there, beside those that were.
  Cache<ContextTag, AbsentEntry> absent_devices_;
  Cache<PasidTag, AbsentEntry> absent_processes_;
  Cache<PageTag, IotlbValue> iotlb_;
  WalkCaches walk_caches_;
  unsigned largest_level_ = 1;  // of the pages that the IOTLB may hold
  Ps hit_latency_;
  static constexpr std::uint64_t all_reads = std::uint64_t{1} << 32U;
  std::uint64_t llc_reads_;  // of all_reads
  std::uint64_t llc_salt_;
  Ps lookahead_;
  UseStamp last_use_;  // by an agenda event
  std::uint32_t free_walkers_;
  Tracer* tracer_ = nullptr;
  TracePoint faults_trace_;
  FaultListener* fault_listener_ = nullptr;
  std::vector<FaultCount> faults_by_reason_;
  std::uint32_t component_ = 0;
  bool run_ahead_ = true;
  bool warned_ = false;  // memory_changes() will be called
  std::deque<Waiting> waiting_;
  std::deque<WalkSlot> slots_;  // by their numbers
  std::vector<std::uint32_t> free_slots_;
  WalkIndex walking_;  // slots with a walker, by page
  // For drains, by access: when the last hit was looked up (windows look up out of order), when the
  // last walk was answered that leads to memory, and when the rest is over.
  static constexpr std::int64_t long_ago = std::numeric_limits<std::int64_t>::min() / 2;
  std::array<std::int64_t, 3> last_hit_{long_ago, long_ago, long_ago};
  std::array<Instant, 3> last_answer_{Instant(Ps(long_ago)), Instant(Ps(long_ago)),
                                      Instant(Ps(long_ago))};
  std::array<Instant, 3> on_its_way_until_{};
  Ps memory_latency_{0};
  DmaDrains drains_;
  mutable Histogram translation_latency_;  // hits of the IOTLB are added when somebody reads it
  mutable std::uint64_t hits_recorded_ = 0;
};

}  // namespace viosim

#include "models/iommu/iommu_lookup.hpp"
