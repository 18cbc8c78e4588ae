// The reference's devices, IOMMU, invalidation queue and software, each an actor that waits.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/actor_reference.hpp"

#include "models/event_order.hpp"
#include "models/trace_events.hpp"
#include "tests/support/plain_cache.hpp"
#include "tests/support/turns.hpp"

#include <algorithm>
#include <deque>
#include <list>
#include <optional>
#include <utility>

namespace viosim::test {
namespace {

using Self = Turns::Self;
using vtd::FaultReason;
using vtd::Mode;

// What the entries on the way to a page allow.
struct Allowed {
  bool read = true;
  bool write = true;
  bool allow(Access access) const { return access == Access::write ? write : read; }
};

struct CachedContext {
  vtd::LegacyContext legacy;
  vtd::ScalableContext scalable;
};

struct CachedPage {
  Hpa frame;
  Allowed allowed;
  DomainId domain;
  Pasid pasid;
  bool first_level = false;
  std::uint64_t page = 0;  // the first one of 4 KiB
  unsigned level = 1;
};

// A page table as a walk needs to know it.
struct Root {
  Hpa table;
  unsigned levels = 0;
  TableFormat format = TableFormat::second_level;
  DomainId domain;
  bool pass_through = false;
};

struct Answer {
  FaultReason fault = FaultReason::none;
  Hpa frame;
  Allowed allowed;
  unsigned level = 1;
};

// The 4 KiB frame of an address within its page, which may be larger.
Hpa frame_of(Hpa page, unsigned level, Iova iova) {
  return page + Bytes(iova.page_offset(leaf_size(level)).count() & ~std::uint64_t{0xfff});
}

}  // namespace

class ActorReference::Simulation {
 public:
  Simulation(const SmallModel& model, Keep keep)
      : model_(model),
        keep_(keep),
        tables_(memory_, model.iommu.mode),
        ring_(memory_.allocate_frames()),
        small_(model, memory_, tables_, ring_),
        zipf_(zipf_tables(model)),
        contexts_(model.iommu.context_cache, Rng(model.seed, "dmar0.context_cache")),
        pasids_(model.iommu.pasid_cache, Rng(model.seed, "dmar0.pasid_cache")),
        iotlb_(model.iommu.iotlb, Rng(model.seed, "dmar0.iotlb")),
        free_walkers_(model.iommu.walkers),
        executed_(model.operators.size()) {
    run_.devices.resize(model.devices.size());
    run_.operators_done.resize(model.operators.size());
    spawn_software();
    turns_.spawn("invalidation queue", true, [this](Self& self) { serve_queue(self); });
    for (std::size_t d = 0; d < model.devices.size(); ++d) spawn_device(d);
  }

  SmallRun run() {
    turns_.run();
    for (SmallRun::Device& device : run_.devices)
      std::sort(device.requests.begin(), device.requests.end());
    run_.iommu = stats_;
    run_.contexts = contexts_.stats;
    run_.pasids = pasids_.stats;
    run_.iotlb = iotlb_.stats;
    return std::move(run_);
  }

 private:
  struct Device {
    const SmallModel::Device& is;
    std::uint32_t number;
    Traffic traffic;
    std::uint64_t left;
    Instant next_issue;
    SmallRun::Device& out;
    bool issuing = false;
    std::deque<Self*> wait_to_issue;
  };

  // A translation that missed, on its way through the tables.
  struct Walk {
    Self& self;
    const Device& device;
    Traffic::Next request;
    Pasid pasid;  // once known
    Instant ready{};
    Instant next_read{};
    std::uint64_t ticket = 0;
    std::optional<CachedContext> context{};
    std::optional<Root> root{};
    bool silent = false;          // faults are not reported
    bool overtaken = false;       // by an invalidation: its findings may be stale
    std::array<bool, 4> stale{};  // the same, if the page turns out to be of this level
    bool queued = false;
    bool has_walker = false;
  };

  struct SoftwareSignal {
    std::uint64_t left_over = 0;
    std::deque<Self*> waiters;
  };

  struct Faulted {
    Self* self;
    std::size_t device;
    Iova iova;
    bool* granted;
    std::uint64_t* ticket;
  };

  Instant now() const { return turns_.now(); }
  const vtd::UnitParams& params() const { return model_.iommu; }
  bool scalable() const { return params().mode == Mode::scalable; }
  bool by_source() const { return params().iotlb_tag == IotlbTag::source; }

  void turn(Self& self, EventClass event_class, std::uint32_t device, std::uint64_t ticket) {
    turns_.take_turn(self, {static_cast<int>(event_class), device, ticket});
  }

  // --- Devices: an actor for each request that may be in flight.

  void spawn_device(std::size_t d) {
    const SmallModel::Device& is = model_.devices[d];
    devices_.push_back(Device{is,
                              SmallModel::number_of(d),
                              Traffic(is.dma.traffic, model_.spaces[is.space].base,
                                      Rng(model_.seed, model_.path_of(d)), zipf_[d].get()),
                              is.dma.requests,
                              is.start,
                              run_.devices[d],
                              false,
                              {}});
    Device& device = devices_.back();
    for (std::uint32_t slot = 0; slot < is.dma.outstanding; ++slot)
      turns_.spawn("device", false, [this, &device](Self& self) { send_requests(device, self); });
  }

  void send_requests(Device& device, Self& self) {
    const bool alone = device.is.dma.outstanding == 1;
    Instant free_at = device.is.start;
    for (;;) {
      // A device with one request in flight need not wake up only to send the next.
      if (!alone) {
        turns_.sleep_until(free_at);
        begin_issue(device, self);
        turns_.sleep_until(std::max(now(), device.next_issue));
      }
      const Instant issue = std::max(free_at, device.next_issue);
      const bool goes_on = device.left > 0 && issue < device.is.until;
      if (goes_on) {
        --device.left;
        device.next_issue = issue + device.is.dma.interval;
      }
      if (!alone) end_issue(device);
      if (!goes_on) return;
      turns_.sleep_until(issue + device.is.link.latency);
      turn(self, EventClass::arrival, device.number, 0);
      free_at = serve(device, self, issue);
    }
  }

  void begin_issue(Device& device, Self& self) {
    if (device.issuing) {
      device.wait_to_issue.push_back(&self);
      turns_.wait(self);
    }
    device.issuing = true;
  }

  void end_issue(Device& device) {
    if (device.wait_to_issue.empty()) {
      device.issuing = false;
      return;
    }
    Self& next = *device.wait_to_issue.front();
    device.wait_to_issue.pop_front();
    turns_.wake(next);
  }

  // One request from its arrival on. Returns when its slot is free again.
  Instant serve(Device& device, Self& self, Instant issue) {
    const Traffic::Next request = device.traffic.next();
    const Ps link = device.is.link.latency;
    const Ps back = model_.memory_latency + link;
    DeviceStats& stats = device.out.stats;
    ++stats.requests;
    for (;;) {
      if (const auto frame = look_up(device, request)) {
        ++stats.hits;
        const Instant completion = now() + hit_latency() + back;
        run_.translation_latency.record(hit_latency());
        return complete(device, request, issue, completion, *frame, 0);
      }
      ++stats.misses;
      const Instant arrival = now();
      const Answer answer = walk(device, request, self);
      run_.translation_latency.record(now() - arrival);
      if (answer.fault == FaultReason::none)
        return complete(device, request, issue, now() + back,
                        frame_of(answer.frame, answer.level, request.iova), 1);
      ++stats.faults;
      record(device, {issue.ps(), now().ps(), request.iova.value(), 0,
                      outcome_fault(static_cast<std::uint8_t>(answer.fault))});
      if (!resolved(device, request, self)) {
        ++stats.aborted;
        return now() + link;
      }
      ++stats.retried;
    }
  }

  Instant complete(Device& device, const Traffic::Next& request, Instant issue, Instant completion,
                   Hpa frame, std::uint16_t code) {
    device.out.latency.record(completion - issue);
    record(device, {issue.ps(), completion.ps(), request.iova.value(),
                    frame.value() + request.iova.page_offset(page_4k).count(), code});
    return completion;
  }

  void record(Device& device, const RequestRecord& what) {
    if (keep_ == Keep::every_request) device.out.requests.push_back(what);
  }

  // Asks software, and comes back to the IOMMU when it grants the page.
  bool resolved(Device& device, const Traffic::Next& request, Self& self) {
    if (device.is.dma.on_fault == OnFault::abort || model_.fault_handlers == 0) return false;
    bool granted = false;
    std::uint64_t ticket = 0;
    faults_.push_back({&self, device.number - 1, request.iova, &granted, &ticket});
    raise(faulted_);
    turns_.wait(self);
    if (!granted) return false;
    turns_.sleep_until(now() + 2 * device.is.link.latency);
    turn(self, EventClass::retry, device.number, ticket);
    return true;
  }

  // --- Look-ups.

  Ps hit_latency() const {
    Ps latency = params().iotlb.latency;
    if (!by_source()) latency += params().context_cache.latency;
    if (!by_source() && scalable()) latency += params().pasid_cache.latency;
    return latency;
  }

  static PlainCache<CachedContext>::Key context_key(const Device& device) {
    return {device.is.source.value(), 0, 0};
  }
  static PlainCache<vtd::PasidEntry>::Key pasid_key(const Device& device, Pasid pasid) {
    return {pasid.value() + std::uint64_t{device.is.source.value()}, device.is.source.value(),
            pasid.value()};
  }
  PlainCache<CachedPage>::Key page_key(const Device& device, Iova iova, unsigned level,
                                       DomainId domain, Pasid pasid) const {
    const std::uint64_t owner = by_source() ? device.is.source.value() : domain.value();
    return {iova.value() >> (3 + 9 * level), owner * 4 + level, pasid.value()};
  }

  template <class Cache>
  static auto count_and_use(Cache& cache, const typename Cache::Key& key) {
    const auto* found = cache.find(key);
    ++(found == nullptr ? cache.stats.misses : cache.stats.hits);
    if (found != nullptr) cache.use(key);
    return found;
  }

  static Pasid effective(const Device& device, const CachedContext& context) {
    return device.is.pasid == no_pasid ? context.scalable.rid_pasid : device.is.pasid;
  }

  static Root root_of(const vtd::LegacyContext& context) {
    return {context.table, context.address_width + 2U, TableFormat::second_level, context.domain,
            context.translation_type == 2};
  }
  static Root root_of(const vtd::PasidEntry& entry) {
    using Type = vtd::PasidEntry::Type;
    if (entry.type == Type::first_level) {
      return {entry.first_level, entry.first_level_mode + 4U, TableFormat::first_level,
              entry.domain, false};
    }
    return {entry.second_level, entry.address_width + 2U, TableFormat::second_level, entry.domain,
            entry.type == Type::pass_through};
  }

  std::optional<Hpa> look_up(const Device& device, const Traffic::Next& request) {
    ++stats_.requests;
    if (by_source()) return look_up_page(device, request, DomainId(0), device.is.pasid);
    const CachedContext* context = count_and_use(contexts_, context_key(device));
    if (context == nullptr) return std::nullopt;
    Root root = root_of(context->legacy);
    Pasid pasid{0};
    if (scalable()) {
      pasid = effective(device, *context);
      const vtd::PasidEntry* entry = count_and_use(pasids_, pasid_key(device, pasid));
      if (entry == nullptr) return std::nullopt;
      root = root_of(*entry);
    }
    if (root.pass_through) return Hpa(request.iova.page_base(page_4k).value());
    return look_up_page(device, request, root.domain, pasid);
  }

  std::optional<Hpa> look_up_page(const Device& device, const Traffic::Next& request,
                                  DomainId domain, Pasid pasid) {
    for (unsigned level = 1; level <= 3; ++level) {
      const auto key = page_key(device, request.iova, level, domain, pasid);
      const CachedPage* page = iotlb_.find(key);
      if (page == nullptr) continue;
      if (!page->allowed.allow(request.access)) break;
      ++iotlb_.stats.hits;
      iotlb_.use(key);
      return frame_of(page->frame, level, request.iova);
    }
    ++iotlb_.stats.misses;
    return std::nullopt;
  }

  // --- Walks.

  Answer walk(const Device& device, const Traffic::Next& request, Self& self) {
    Walk walk{.self = self,
              .device = device,
              .request = request,
              .pasid = device.is.pasid == no_pasid ? Pasid(0) : device.is.pasid};
    ++stats_.walks;
    walk.ticket = ++sequence_;
    walk.ready = now() + consult_caches(walk);
    if (needs_reads(walk) && free_walkers_ == 0) wait_for_walker(walk);
    walk.has_walker = needs_reads(walk);
    if (walk.has_walker) --free_walkers_;
    walk.next_read = walk.ready;
    if (walk.queued) {
      turns_.wake(*giver_);
      giver_ = nullptr;
    }
    in_flight_.push_back(&walk);
    const Answer answer = translate(walk);
    if (walk.has_walker) {
      if (answer.fault == FaultReason::none) fill(walk, answer);
      give_walker_on(self);
    }
    leave_at(walk, answer);
    if (answer.fault != FaultReason::none) {
      ++stats_.faults;
      if (!walk.silent) ++stats_.faults_reported;
    }
    in_flight_.remove(&walk);
    return answer;
  }

  // Waits until the answer leaves the IOMMU.
  void leave_at(const Walk& walk, const Answer& answer) {
    const bool fault = answer.fault != FaultReason::none;
    if (walk.has_walker && !fault) return;
    const Instant from = walk.has_walker ? now() : walk.ready;
    turns_.sleep_until(from + (fault ? params().fault_record : Ps(0)));
    turn(walk.self, EventClass::table_read, walk.device.number, walk.ticket);
  }

  // What the look-up that missed came across, and how long it took.
  Ps consult_caches(Walk& walk) {
    Ps latency = params().context_cache.latency;
    if (by_source()) latency += params().iotlb.latency;
    const auto key = context_key(walk.device);
    const CachedContext* context =
        by_source() ? count_and_use(contexts_, key) : contexts_.find(key);
    if (context == nullptr) return latency;
    know_context(walk, *context);
    if (scalable()) {
      latency += params().pasid_cache.latency;
      const auto entry_key = pasid_key(walk.device, walk.pasid);
      const vtd::PasidEntry* entry =
          by_source() ? count_and_use(pasids_, entry_key) : pasids_.find(entry_key);
      if (entry != nullptr) know_entry(walk, *entry);
    }
    if (walk.root && !by_source()) latency += params().iotlb.latency;
    return latency;
  }

  void know_context(Walk& walk, const CachedContext& context) {
    walk.context = context;
    walk.silent = scalable() ? context.scalable.fault_disable : context.legacy.fault_disable;
    if (scalable()) {
      walk.pasid = effective(walk.device, context);
    } else {
      walk.root = root_of(context.legacy);
    }
  }
  static void know_entry(Walk& walk, const vtd::PasidEntry& entry) {
    walk.root = root_of(entry);
    walk.silent = walk.silent || entry.fault_disable;
  }

  // A timed read of a line of memory.
  PhysicalMemory::Line read(Walk& walk, Hpa at) {
    ++stats_.walk_reads;
    walk.next_read += params().walk_read;
    turns_.sleep_until(walk.next_read);
    turn(walk.self, EventClass::table_read, walk.device.number, walk.ticket);
    PhysicalMemory::Line words{};
    for (std::uint64_t i = 0; i < 8 && (at.value() % 64) / 8 + i < 8; ++i)
      words[i] = memory_.read(at + Bytes(i * 8));
    return words;
  }

  // Whether what the caches know leaves a question to the tables.
  bool needs_reads(const Walk& walk) const {
    if (walk.root) return !walk.root->pass_through && width_fault(walk) == FaultReason::none;
    return !walk.context || !scalable() || pasid_fault(walk) == FaultReason::none;
  }

  // In the queue nothing is remembered: who gets a walker asks the caches again.
  void wait_for_walker(Walk& walk) {
    waiting_.push_back(&walk);
    ++stats_.walks_queued;
    stats_.walk_queue_longest = std::max<std::uint64_t>(stats_.walk_queue_longest, waiting_.size());
    turns_.wait(walk.self);
    walk.queued = true;
    walk.context.reset();
    walk.root.reset();
    walk.silent = false;
    walk.pasid = walk.device.is.pasid == no_pasid ? Pasid(0) : walk.device.is.pasid;
    know_from_caches(walk);
    const Instant start = std::max(now(), walk.ready);
    stats_.walk_wait += static_cast<std::uint64_t>((start - walk.ready).count());
    walk.ready = start;
  }

  void know_from_caches(Walk& walk) {
    const CachedContext* context = contexts_.find(context_key(walk.device));
    if (context == nullptr) return;
    know_context(walk, *context);
    if (!scalable()) return;
    const vtd::PasidEntry* entry = pasids_.find(pasid_key(walk.device, walk.pasid));
    if (entry != nullptr) know_entry(walk, *entry);
  }

  // One after the other: the next in the queue may turn out not to need it.
  void give_walker_on(Self& self) {
    ++free_walkers_;
    while (free_walkers_ > 0 && !waiting_.empty()) {
      Walk& next = *waiting_.front();
      waiting_.pop_front();
      giver_ = &self;
      turns_.wake(next.self);
      turns_.wait(self);
    }
  }

  static Answer fault(FaultReason reason) { return {reason, {}, {}, 1}; }

  Answer translate(Walk& walk) {
    if (!walk.root) {
      const FaultReason reason = scalable() ? find_pasid_entry(walk) : find_context(walk);
      if (reason != FaultReason::none) return fault(reason);
    }
    return walk_pages(walk);
  }

  FaultReason find_context(Walk& walk) {
    const Bdf source = walk.device.is.source;
    const bool upper = scalable() && source.devfn() >= 128;
    const Hpa root = tables_.root() + Bytes(source.bus() * 16 + (upper ? 8 : 0));
    const std::uint64_t root_entry = read(walk, root)[0];
    if (root_entry % 2 == 0)
      return scalable() ? FaultReason::sm_root_not_present : FaultReason::root_not_present;
    const Hpa table(root_entry & ~std::uint64_t{0xfff});
    const unsigned place = scalable() ? source.devfn() % 128 * 32 : source.devfn() * 16;
    const PhysicalMemory::Line words = read(walk, table + Bytes(place));
    CachedContext context;
    if (scalable()) {
      context.scalable = vtd::ScalableContext::decode(words);
    } else {
      context.legacy = vtd::LegacyContext::decode(words);
    }
    const bool present = scalable() ? context.scalable.present : context.legacy.present;
    walk.silent = scalable() ? context.scalable.fault_disable : context.legacy.fault_disable;
    if (!present)
      return scalable() ? FaultReason::sm_context_not_present : FaultReason::context_not_present;
    if (!scalable() && !context.legacy.valid()) return FaultReason::context_invalid;
    know_context(walk, context);
    if (!walk.overtaken) contexts_.insert(context_key(walk.device), context);
    return FaultReason::none;
  }

  static FaultReason pasid_fault(const Walk& walk) {
    const vtd::ScalableContext& context = walk.context->scalable;
    if (walk.device.is.pasid != no_pasid && !context.pasid_enable)
      return FaultReason::sm_pasid_disabled;
    if (walk.pasid.value() < context.pasid_limit()) return FaultReason::none;
    return walk.device.is.pasid == no_pasid ? FaultReason::sm_rid_pasid
                                            : FaultReason::sm_pasid_too_large;
  }

  FaultReason find_pasid_entry(Walk& walk) {
    if (!walk.context) {
      const FaultReason reason = find_context(walk);
      if (reason != FaultReason::none) return reason;
    }
    const vtd::ScalableContext& context = walk.context->scalable;
    if (pasid_fault(walk) != FaultReason::none) return pasid_fault(walk);
    const std::uint64_t directory =
        read(walk, context.directory + Bytes(walk.pasid.value() / 64 * 8))[0];
    if (directory % 2 == 0) return FaultReason::sm_directory_not_present;
    const Hpa table(directory & ~std::uint64_t{0xfff});
    const auto entry =
        vtd::PasidEntry::decode(read(walk, table + Bytes(walk.pasid.value() % 64 * 64)));
    walk.silent = walk.silent || entry.fault_disable;
    if (!entry.present) return FaultReason::sm_pasid_entry_not_present;
    if (!entry.valid()) return FaultReason::sm_pasid_entry_invalid;
    know_entry(walk, entry);
    if (!walk.overtaken) pasids_.insert(pasid_key(walk.device, walk.pasid), entry);
    return FaultReason::none;
  }

  FaultReason width_fault(const Walk& walk) const {
    const bool first_level = walk.root->format == TableFormat::first_level;
    const unsigned width = 12 + 9 * walk.root->levels;
    // First-level addresses repeat their highest bit; those of the tests have it clear.
    if (walk.request.iova.value() >> (first_level ? width - 1 : width) == 0)
      return FaultReason::none;
    return first_level  ? FaultReason::sm_not_canonical
           : scalable() ? FaultReason::sm_second_level_beyond_width
                        : FaultReason::beyond_width;
  }

  Answer walk_pages(Walk& walk) {
    const Root root = *walk.root;
    const Iova iova = walk.request.iova;
    const bool write = walk.request.access == Access::write;
    if (root.pass_through) return {FaultReason::none, Hpa(iova.page_base(page_4k).value()), {}, 1};
    const bool first_level = root.format == TableFormat::first_level;
    const unsigned width = 12 + 9 * root.levels;
    if (width_fault(walk) != FaultReason::none) return fault(width_fault(walk));
    const FaultReason denied =
        scalable() ? (write ? FaultReason::sm_write_denied : FaultReason::sm_read_denied)
                   : (write ? FaultReason::write_denied : FaultReason::read_denied);
    const FaultReason absent = !scalable()   ? denied
                               : first_level ? FaultReason::sm_first_level_not_present
                                             : FaultReason::sm_second_level_denied;
    Allowed allowed;
    Hpa table = root.table;
    for (unsigned shift = width - 9;; shift -= 9) {
      const std::uint64_t entry = read(walk, table + Bytes((iova.value() >> shift) % 512 * 8))[0];
      if ((entry & (first_level ? 1U : 3U)) == 0) return fault(absent);
      allowed.read = allowed.read && (first_level || entry % 2 != 0);
      allowed.write = allowed.write && (entry & 2U) != 0;
      if (!allowed.allow(walk.request.access)) return fault(denied);
      table = Hpa(entry & 0x000f'ffff'ffff'f000U);
      const unsigned level = (shift - 3) / 9;
      if (level == 1 || (entry & 0x80U) != 0) return {FaultReason::none, table, allowed, level};
    }
  }

  // What a walk would leave in the IOTLB.
  static CachedPage page_found(const Walk& walk, const Answer& answer) {
    const Iova page = walk.request.iova.page_base(leaf_size(answer.level));
    return {answer.frame,
            answer.allowed,
            walk.root->domain,
            walk.pasid,
            walk.root->format == TableFormat::first_level,
            page.value() >> 12U,
            answer.level};
  }

  void fill(const Walk& walk, const Answer& answer) {
    if (walk.root->pass_through) return;
    if (walk.overtaken || walk.stale[answer.level]) {
      ++stats_.fills_withheld;
      return;
    }
    const Pasid tag = by_source() ? walk.device.is.pasid : walk.pasid;
    const Iova iova = walk.request.iova;
    iotlb_.insert(page_key(walk.device, iova, answer.level, walk.root->domain, tag),
                  page_found(walk, answer));
  }

  // --- The invalidation queue.

  void write_tail(std::uint32_t tail) {
    const std::uint64_t ticket = ++sequence_;
    const Instant at = now() + params().invalidation.doorbell;
    turns_.spawn("doorbell", false, [this, tail, ticket, at](Self& self) {
      turns_.sleep_until(at);
      turn(self, EventClass::invalidation, 0, ticket);
      tail_ = tail;
      if (!queue_busy_ && !queue_stopped_ && head_ != tail_) start_queue();
    });
  }

  void start_queue() {
    queue_busy_ = true;
    queue_ticket_ = ++sequence_;
    turns_.wake(*queue_);
  }

  void serve_queue(Self& self) {
    const vtd::InvalidationQueueParams& queue = params().invalidation;
    queue_ = &self;
    for (;;) {
      if (queue_stopped_ || head_ == tail_) {
        queue_busy_ = false;
        turns_.wait(self);
      } else {
        queue_ticket_ = ++sequence_;
      }
      const Instant start = now();
      const std::uint32_t until = tail_;
      ++run_.queue.batches;
      const std::uint32_t count = (until + queue.entries - head_) % queue.entries;
      turns_.sleep_until(start + queue.fetch + queue.fetch_each * count);
      turn(self, EventClass::invalidation, 0, queue_ticket_);
      execute_all(fetch(count), self);
      if (!queue_stopped_) run_.batch_latency.record(now() - start);
    }
  }

  // Up to the first one that does not decode.
  void execute_all(const std::vector<std::array<std::uint64_t, 2>>& batch, Self& self) {
    for (const auto& words : batch) {
      if (!vtd::Descriptor::decodable(words[0])) {
        ++run_.queue.errors;
        queue_stopped_ = true;
        return raise(stopped_);
      }
      execute(words, self);
    }
  }

  std::vector<std::array<std::uint64_t, 2>> fetch(std::uint32_t count) const {
    const std::uint64_t size = scalable() ? 32 : 16;
    std::vector<std::array<std::uint64_t, 2>> batch;
    for (std::uint32_t i = 0; i < count; ++i) {
      const Hpa at = ring_ + Bytes((head_ + i) % params().invalidation.entries * size);
      batch.push_back({memory_.read(at), memory_.read(at + Bytes(8))});
    }
    return batch;
  }

  void execute(const std::array<std::uint64_t, 2>& words, Self& self) {
    const auto descriptor = vtd::Descriptor::decode(words[0], words[1]);
    const std::uint64_t ticket = ++sequence_;
    turns_.sleep_until(now() + cost_of(descriptor));
    turn(self, EventClass::invalidation, 0, ticket);
    head_ = (head_ + 1) % params().invalidation.entries;
    ++run_.queue.descriptors;
    if (descriptor.type != vtd::DescriptorType::wait) return invalidate(descriptor);
    ++run_.queue.waits;
    if (!descriptor.status_write) return;
    memory_.write_half(descriptor.status_address, descriptor.status_data);
    for (std::size_t number = 0; number < executed_.size(); ++number) {
      if (small_.status_of(number) == descriptor.status_address) raise(executed_[number]);
    }
  }

  Ps cost_of(const vtd::Descriptor& descriptor) const {
    const vtd::InvalidationQueueParams& queue = params().invalidation;
    const std::array costs{
        Ps(0),      queue.context_cache, queue.iotlb,      queue.device_tlb, queue.interrupt_cache,
        queue.wait, queue.iotlb,         queue.pasid_cache};
    return costs[static_cast<std::size_t>(descriptor.type)];
  }

  void invalidate(const vtd::Descriptor& descriptor) {
    using vtd::DescriptorType;
    switch (descriptor.type) {
      case DescriptorType::context_cache:
        return invalidate_contexts(descriptor);
      case DescriptorType::pasid_cache:
        return invalidate_pasids(descriptor);
      case DescriptorType::iotlb:
      case DescriptorType::pasid_iotlb:
        return invalidate_pages(descriptor);
      default:
        return;
    }
  }

  void invalidate_contexts(const vtd::Descriptor& descriptor) {
    using vtd::Granularity;
    contexts_.invalidate_if([&](const auto& key, const CachedContext& context) {
      if (descriptor.granularity == Granularity::device)
        return key.place == descriptor.source.value();
      return descriptor.granularity == Granularity::global || scalable() ||
             context.legacy.domain == descriptor.domain;
    });
    for (Walk* walk : in_flight_) walk->overtaken = true;
  }

  void invalidate_pasids(const vtd::Descriptor& descriptor) {
    using vtd::Granularity;
    pasids_.invalidate_if([&](const auto& key, const vtd::PasidEntry& entry) {
      if (descriptor.granularity == Granularity::global) return true;
      return entry.domain == descriptor.domain &&
             (descriptor.granularity == Granularity::domain || key.who == descriptor.pasid.value());
    });
    for (Walk* walk : in_flight_) walk->overtaken = true;
  }

  void invalidate_pages(const vtd::Descriptor& descriptor) {
    const auto dies = [&](const CachedPage& page) { return covers(descriptor, page); };
    iotlb_.invalidate_if([&](const auto&, const CachedPage& page) { return dies(page); });
    for (Walk* walk : in_flight_) {
      if (!walk->root) {
        walk->overtaken = true;
        continue;
      }
      // How large a page it is going to find is not known yet.
      for (unsigned level = 1; level <= 3; ++level) {
        if (dies(page_found(*walk, {FaultReason::none, {}, {}, level}))) walk->stale[level] = true;
      }
    }
  }

  bool covers(const vtd::Descriptor& descriptor, const CachedPage& page) const {
    using vtd::Granularity;
    if (descriptor.granularity == Granularity::global) return true;
    if (page.domain != descriptor.domain) return false;
    if (descriptor.type == vtd::DescriptorType::pasid_iotlb && page.pasid != descriptor.pasid)
      return false;
    if (descriptor.granularity != Granularity::page) return true;
    if (descriptor.type == vtd::DescriptorType::iotlb && page.first_level) return true;
    if (descriptor.type == vtd::DescriptorType::pasid_iotlb && !page.first_level) return false;
    const std::uint64_t wanted = descriptor.address.value() >> 12U;
    const std::uint64_t size = leaf_size(page.level).count() >> 12U;
    if (wanted >= page.page && wanted < page.page + size) return true;
    const std::uint64_t compared = (std::uint64_t{1} << params().page_match_bits) - 1;
    return ((page.page & compared) >> descriptor.address_mask) ==
           ((wanted & compared) >> descriptor.address_mask);
  }

  // --- Software.

  void spawn_software() {
    std::uint32_t number = 0;
    for (std::size_t script = 0; script < model_.operators.size(); ++script, ++number) {
      turns_.spawn("operator", false,
                   [this, script, number](Self& self) { operate(script, number, self); });
    }
    for (std::uint32_t i = 0; i < model_.fault_handlers; ++i, ++number) {
      turns_.spawn("fault handler", true,
                   [this, number](Self& self) { handle_faults(number, self); });
    }
    turns_.spawn("repairer", true, [this, number](Self& self) { repair_queue(number, self); });
  }

  void repair_queue(std::uint32_t number, Self& self) {
    sleep(self, number, Ps(0));
    for (;;) {
      wait(stopped_, self, number);
      sleep(self, number, model_.fault_handling);
      small_.repair(head_);
      queue_stopped_ = false;
      start_queue();
    }
  }

  void sleep(Self& self, std::uint32_t number, Ps time) {
    turns_.sleep_until(now() + time);
    turns_.take_turn(self, {-1, number, 0});
  }

  void raise(SoftwareSignal& signal) {
    if (signal.waiters.empty()) {
      ++signal.left_over;
      return;
    }
    Self& first = *signal.waiters.front();
    signal.waiters.pop_front();
    turns_.wake(first);
  }

  void wait(SoftwareSignal& signal, Self& self, std::uint32_t number) {
    if (signal.left_over > 0) {
      --signal.left_over;
      return;
    }
    signal.waiters.push_back(&self);
    turns_.wait(self);
    turns_.take_turn(self, {-1, number, 0});
  }

  void operate(std::size_t script, std::uint32_t number, Self& self) {
    sleep(self, number, Ps(0));
    for (const SmallModel::Step& step : model_.operators[script]) {
      sleep(self, number, step.pause);
      small_.apply(step);
      write_tail(small_.submit(step, script));
      wait(executed_[script], self, number);
      sleep(self, number, step.rest);
      small_.undo(step);
    }
    run_.operators_done[script] = now().ps();
  }

  void handle_faults(std::uint32_t number, Self& self) {
    sleep(self, number, Ps(0));
    for (;;) {
      wait(faulted_, self, number);
      const Faulted fault = faults_.front();
      faults_.pop_front();
      sleep(self, number, model_.fault_handling);
      *fault.granted = small_.resolve(fault.device, fault.iova);
      *fault.ticket = ++sequence_;
      turns_.wake(*fault.self);
    }
  }

  const SmallModel& model_;
  const Keep keep_;
  Turns turns_;
  PhysicalMemory memory_;
  vtd::Tables tables_;
  Hpa ring_;
  SmallMemory small_;
  std::vector<std::unique_ptr<ZipfTable>> zipf_;
  PlainCache<CachedContext> contexts_;
  PlainCache<vtd::PasidEntry> pasids_;
  PlainCache<CachedPage> iotlb_;
  IommuStats stats_;
  std::uint32_t free_walkers_;
  std::deque<Walk*> waiting_;
  Self* giver_ = nullptr;  // of a walker, while it waits to hear whether it was taken
  std::list<Walk*> in_flight_;
  std::uint64_t sequence_ = 0;  // what was decided first is done first, all else being equal
  Self* queue_ = nullptr;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  bool queue_busy_ = false;
  bool queue_stopped_ = false;
  std::uint64_t queue_ticket_ = 0;
  std::vector<SoftwareSignal> executed_;
  SoftwareSignal faulted_;
  SoftwareSignal stopped_;
  std::deque<Faulted> faults_;
  std::deque<Device> devices_;
  SmallRun run_;
};

ActorReference::ActorReference(const SmallModel& model, Keep keep)
    : simulation_(std::make_unique<Simulation>(model, keep)) {}
ActorReference::~ActorReference() = default;
SmallRun ActorReference::run() { return simulation_->run(); }

}  // namespace viosim::test
