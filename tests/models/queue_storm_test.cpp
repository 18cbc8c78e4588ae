// Queues of many functions under software that enables, stops, resets, unplugs and invalidates at random:
// afterwards nothing is in flight, and it happens the same way again.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "models/trace_events.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/function_rig.hpp"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr std::uint32_t pasids = 6;
constexpr std::uint64_t pages = 64;

struct Everything final : TraceSink {
  std::vector<TraceEvent> take(std::vector<TraceEvent> more) override {
    events.insert(events.end(), more.begin(), more.end());
    return {};
  }
  std::vector<TraceEvent> events;
};

// What a storm did, to be compared.
struct Deeds {
  using Event = std::tuple<std::int64_t, std::int64_t, std::uint64_t, std::uint64_t, std::uint32_t,
                           std::uint32_t, std::uint16_t>;
  std::vector<Event> events;  // sorted
  std::vector<std::int64_t> notes;
  bool operator==(const Deeds&) const = default;
};

struct Reach {
  std::uint64_t enabled = 0, stopped = 0, dropped = 0, removals = 0, faults = 0, page_groups = 0,
                invalidations = 0, lost = 0, late_responses = 0, pasids_stopped = 0;
};

class QueueStorm final : FaultService, QueueListener, AtsHost {
 public:
  QueueStorm(std::uint64_t seed, Ps windows)
      : rng_(seed, "queue storm"), rig_(draw_params(), &sink_), faulted_(rig_.engine, "a fault") {
    rig_.fabric().set_fault_service(*this);
    for (std::uint32_t p = 0; p < pasids; ++p) {
      tables_.push_back(&rig_.new_space(Iova(0), Bytes(pages << 12U), frames(p), false));
      tables_.back()->map(Iova(0), frames(p), pages / 2, {true, true});
    }
    const std::uint32_t count = 1 + below(5);
    for (std::uint32_t f = 0; f < count; ++f) add_function(f);
    rig_.fabric().limit_windows(windows);
    const std::uint32_t drivers = 1 + below(3);
    drivers_left_ = drivers;
    for (std::uint32_t d = 0; d < drivers; ++d)
      rig_.engine.spawn("driver", Lifetime::finishes, [this, seed, d] { drive(seed, d); });
    rig_.engine.spawn("fault handler", Lifetime::serves, [this, seed] { handle_faults(seed); });
  }

  void run() {
    rig_.engine.run();
    rig_.tracer().finish();
  }

  Deeds deeds() const {
    Deeds deeds{{}, notes_};
    for (const TraceEvent& e : sink_.events)
      deeds.events.emplace_back(e.time, e.duration, e.address, e.value, e.component, e.pasid,
                                e.code);
    std::sort(deeds.events.begin(), deeds.events.end());
    return deeds;
  }

  void check_nothing_is_left() {
    for (const Function& function : functions_) {
      CHECK(function.queues->requests_in_flight() == 0);
      for (std::uint32_t q = 0; q < function.queues->queues(); ++q)
        CHECK(function.queues->queue_state(q) == QueueState::disabled);
      if (function.ats != nullptr) {
        const AtsDevice& ats = *function.ats;
        CHECK(ats.lost_in_flight() == 0);
        CHECK(ats.page_requests_outstanding() == 0);
        CHECK(ats.stats.requests ==
              ats.latency.count() + ats.stats.aborted + ats.queue_stats().dropped);
        continue;
      }
      const DeviceStats stats = rig_.fabric().stats(function.device);
      const std::uint64_t over = rig_.fabric().latency(function.device).count() + stats.aborted;
      CHECK(over <= stats.requests);
      CHECK(stats.requests <= over + function.queues->queue_stats().dropped);
    }
    CHECK(rig_.unit().iommu().walks_waiting() == 0);
    CHECK(faults_.empty());
  }

  Reach reach() const {
    Reach reach = reach_;
    for (const Function& function : functions_) {
      const WorkQueueStats& stats = function.queues->queue_stats();
      reach.enabled += stats.enabled;
      reach.stopped += stats.stopped;
      reach.dropped += stats.dropped;
      reach.removals += stats.removals;
      reach.lost += stats.lost_invalidations + stats.lost_responses;
      if (function.ats == nullptr) continue;
      reach.page_groups += function.ats->stats.page_groups;
      reach.late_responses +=
          function.ats->stats.unexpected_responses + function.ats->stats.ignored_responses;
    }
    return reach;
  }

 private:
  struct Function {
    WorkQueues* queues = nullptr;
    AtsDevice* ats = nullptr;
    std::uint32_t device = 0;  // in the fabric
    std::uint32_t tags_in_use = 0;
  };

  static Hpa frames(std::uint32_t pasid) { return Hpa(std::uint64_t{pasid + 1} << 30U); }
  std::uint32_t below(std::uint64_t bound) { return static_cast<std::uint32_t>(rng_.below(bound)); }
  static std::uint32_t below(Rng& rng, std::uint64_t bound) {
    return static_cast<std::uint32_t>(rng.below(bound));
  }
  // Round times, so that equal dates abound.
  static Ps some_time(Rng& rng, std::uint64_t most) {
    return Ps(static_cast<std::int64_t>(rng.below(most + 1)) * 5'000);
  }

  RigParams draw_params() {
    RigParams params;
    params.iommu.iotlb.entries = 1U << (1 + below(7));
    params.iommu.context_cache.entries = 1U << below(4);
    params.iommu.pasid_cache.entries = 1U << below(5);
    params.iommu.walkers = 1 + below(4);
    params.iommu.merge_walks = below(2) == 0;
    params.iommu.walk_read = 5ns + some_time(rng_, 20);
    params.memory_latency = some_time(rng_, 20);
    return params;
  }

  void add_function(std::uint32_t number) {
    DeviceFunction config;
    config.path = "function[" + std::to_string(number) + "]";
    config.iommu = &rig_.iommu();
    config.source = Rig::source_of(number);
    config.link.latency = some_time(rng_, 40);
    config.memory_latency = some_time(rng_, 20);
    config.seed = 1;
    config.number = number + 1;
    config.component = number;
    config.params.queues = 1 + below(20);
    config.params.request_interval = 5ns + some_time(rng_, 3);
    attach(config.source);
    Function& function = functions_.emplace_back();
    if (below(2) == 0) {
      function.device = rig_.fabric().add(config);
      function.queues = &rig_.fabric().function(function.device);
      return;
    }
    AtsParams ats;
    ats.tlb.entries = 1U << below(6);
    const AtsDevice::Wiring wiring{rig_.engine.agenda(), rig_.tracer(), *this};
    AtsDevice* physical = nullptr;
    for (const Function& other : functions_)
      if (other.ats != nullptr && physical == nullptr) physical = other.ats;
    if (physical != nullptr && below(2) == 0) {
      config.link = physical_link_;
      function.ats = &ats_.emplace_back(config, ats, *physical, wiring);
    } else {
      if (physical == nullptr) physical_link_ = config.link;
      const PriParams pri{1 + below(8), 1 + below(3)};
      function.ats = &ats_.emplace_back(config, ats,
                                        below(4) == 0 ? std::nullopt : std::optional(pri), wiring);
    }
    function.ats->listen_to_pasids(*this);
    function.queues = function.ats;
  }

  void attach(Bdf source) {
    vtd::ScalableContext context;
    context.pasid_enable = true;
    context.device_tlb_enable = true;
    context.page_request_enable = true;
    rig_.unit().tables().attach(source, 64, context);
    for (std::uint32_t p = 0; p < pasids; ++p) {
      vtd::PasidEntry entry;
      entry.present = true;
      entry.domain = DomainId(static_cast<std::uint16_t>(10 + p));
      entry.type = vtd::PasidEntry::Type::second_level;
      entry.address_width = 2;
      entry.second_level = tables_[p]->root();
      rig_.unit().tables().set_entry(source, Pasid(p + 1), entry);
    }
  }

  // Software.

  void drive(std::uint64_t seed, std::uint32_t driver) {
    Rng rng(seed, "driver" + std::to_string(driver));
    const std::uint64_t steps = 20 + rng.below(100);
    for (std::uint64_t i = 0; i < steps; ++i) {
      rig_.engine.sleep_for(some_time(rng, 400));
      step(rng, functions_[below(rng, functions_.size())]);
    }
    if (--drivers_left_ == 0) stop_everything();
  }

  void step(Rng& rng, Function& function) {
    WorkQueues& queues = *function.queues;
    const std::uint32_t queue = below(rng, queues.queues());
    const std::uint32_t what = below(rng, 100);
    if (!queues.present()) {
      if (what < 30) plug(function);
      return;
    }
    if (what < 55) {
      if (queues.queue_state(queue) == QueueState::disabled) enable(rng, function, queue);
    } else if (what < 75) {
      queues.stop_queue(queue, below(rng, 2) == 0);
    } else if (what < 80) {
      if (function.ats != nullptr)
        function.ats->stop_pasid(Pasid(1 + below(rng, pasids)), below(rng, 2) == 0);
    } else if (what < 84) {
      queues.reset_function();
      if (function.ats != nullptr) function.ats->enable_page_requests();
    } else if (what < 87) {
      queues.remove();
    } else {
      change_page(rng, function);
    }
  }

  void plug(Function& function) {
    function.queues->insert();
    function.tags_in_use = 0;
    if (function.ats != nullptr) function.ats->enable_page_requests();
  }

  void enable(Rng& rng, Function& function, std::uint32_t queue) {
    QueueWork work;
    work.pasid = Pasid(1 + below(rng, pasids));
    work.dma.traffic.window = Bytes(pages << 12U);
    work.dma.traffic.pattern = rng.below(2) == 0 ? Pattern::uniform : Pattern::sequential;
    work.dma.traffic.direction = rng.below(2) == 0 ? Direction::read : Direction::mixed;
    work.dma.outstanding = 1 + below(rng, 4);
    work.dma.interval = 5ns + some_time(rng, 30);
    work.dma.requests = rng.below(3) == 0 ? 0 : 1 + rng.below(60);
    work.dma.on_fault = rng.below(2) == 0 ? OnFault::retry : OnFault::abort;
    work.listener = this;
    function.queues->enable(queue, work);
  }

  void change_page(Rng& rng, Function& function) {
    const std::uint32_t pasid = below(rng, pasids);
    const Iova page(rng.below(pages) << 12U);
    if (rng.below(2) == 0) {
      tables_[pasid]->unmap(page, 1);
    } else {
      tables_[pasid]->map(page, frames(pasid) + Bytes(page.value()), 1, {true, rng.below(2) == 0});
    }
    rig_.iommu().drop_all();
    if (function.ats == nullptr) return;
    const auto tag = static_cast<std::uint8_t>(rng.below(32));
    if ((function.tags_in_use >> tag & 1U) != 0) return;
    function.tags_in_use |= std::uint32_t{1} << tag;
    ++reach_.invalidations;
    function.ats->invalidate({page, page_4k, Pasid(pasid + 1), rng.below(4) == 0, tag});
  }

  void stop_everything() {
    for (const Function& function : functions_) {
      for (std::uint32_t q = 0; q < function.queues->queues(); ++q)
        function.queues->stop_queue(q, false);
    }
  }

  void handle_faults(std::uint64_t seed) {
    Rng rng(seed, "faults");
    for (;;) {
      faulted_.wait();
      const FaultedRequest fault = faults_.front();
      faults_.pop_front();
      rig_.engine.sleep_for(some_time(rng, 100));
      if (rng.below(3) == 0) {
        rig_.fabric().abandon(fault.cookie);
      } else {
        map_all(fault.iova);
        rig_.fabric().retry(fault.cookie);
      }
    }
  }

  void map_all(Iova iova) {
    const Iova page = iova.page_base(page_4k);
    for (std::uint32_t p = 0; p < pasids; ++p)
      tables_[p]->map(page, frames(p) + Bytes(page.value()), 1, {true, true});
  }

  void request_faulted(const FaultedRequest& request) override {
    ++reach_.faults;
    faults_.push_back(request);
    faulted_.raise();
  }

  Function& of(Bdf source) { return functions_[source.value() - Rig::source_of(0).value()]; }

  void queue_stopped(Bdf source, std::uint32_t queue) override {
    notes_.push_back(rig_.engine.now().ps());
    notes_.push_back(source.value() * 1000 + queue);
    CHECK(of(source).queues->queue_state(queue) == QueueState::disabled);
  }
  void pasid_stopped(Bdf source, Pasid pasid) override {
    ++reach_.pasids_stopped;
    notes_.push_back(rig_.engine.now().ps());
    CHECK_FALSE(of(source).ats->pasid_in_use(pasid));
  }
  void invalidated(Bdf source, std::uint32_t tags) override {
    notes_.push_back(rig_.engine.now().ps());
    of(source).tags_in_use &= ~tags;
  }
  // A group is answered once, some time after its last request, whatever has become of the function.
  void request_page(const PageRequest& request) override {
    if (!request.last || !(request.read || request.write)) return;
    const std::uint64_t number = ++groups_;
    rig_.engine.spawn("responder", Lifetime::finishes, [this, request, number] {
      Rng rng(number, "response");
      rig_.engine.sleep_for(some_time(rng, 600));
      const bool granted = rng.below(4) != 0;
      if (granted) map_all(request.address);
      of(request.source)
          .ats->answer({request.source, request.pasid, request.group,
                        granted ? PageResponseCode::success : PageResponseCode::invalid});
    });
  }

  Rng rng_;
  Everything sink_;
  Rig rig_;
  Signal faulted_;
  std::vector<PageTable*> tables_;
  std::deque<AtsDevice> ats_;
  std::deque<Function> functions_;
  LinkParams physical_link_;
  std::deque<FaultedRequest> faults_;
  std::vector<std::int64_t> notes_;
  Reach reach_;
  std::uint64_t groups_ = 0;
  std::uint32_t drivers_left_ = 0;
};

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Replay one with VIOSIM_QUEUES_FIRST=<seed> VIOSIM_QUEUES_SEEDS=1.
template <class Check>
void for_each_seed(std::uint64_t count, Check&& check) {
  const std::uint64_t first = from_environment("VIOSIM_QUEUES_FIRST", 1);
  const std::uint64_t seeds = from_environment("VIOSIM_QUEUES_SEEDS", count);
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    INFO("replay with VIOSIM_QUEUES_FIRST=" << seed << " VIOSIM_QUEUES_SEEDS=1");
    check(seed);
  }
}

}  // namespace

TEST_CASE("after a storm on queues nothing is left in flight", "[models][queues][storm]") {
  Reach all;
  for_each_seed(300, [&](std::uint64_t seed) {
    QueueStorm storm(seed, 1ms);
    storm.run();
    storm.check_nothing_is_left();
    const Reach reach = storm.reach();
    all.enabled += reach.enabled;
    all.stopped += reach.stopped;
    all.dropped += reach.dropped;
    all.removals += reach.removals;
    all.faults += reach.faults;
    all.page_groups += reach.page_groups;
    all.invalidations += reach.invalidations;
    all.lost += reach.lost;
    all.late_responses += reach.late_responses;
    all.pasids_stopped += reach.pasids_stopped;
  });
  if (from_environment("VIOSIM_QUEUES_SEEDS", 300) < 200) return;
  for (const std::uint64_t count :
       {all.enabled, all.stopped, all.dropped, all.removals, all.faults, all.page_groups,
        all.invalidations, all.lost, all.late_responses, all.pasids_stopped})
    CHECK(count > 100);
}

TEST_CASE("a storm on queues is the same again, and with the shortest windows",
          "[models][queues][storm]") {
  for_each_seed(100, [](std::uint64_t seed) {
    const auto deeds = [&](Ps windows) {
      QueueStorm storm(seed, windows);
      storm.run();
      return storm.deeds();
    };
    const Deeds first = deeds(1ms);
    CHECK((first == deeds(1ms)));
    CHECK((first == deeds(Ps(1))));
  });
}
