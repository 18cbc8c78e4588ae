// Whole systems at random: hosts' and guests' processes, of which some are killed; functions, slices and
// vIOMMUs that come and go, at once or after a while; guests that are killed or shut down, or move to another
// host and back; IOMMUs, functions and drivers of many kinds. Whatever happened, both hosts are empty
// afterwards, and a seed gives the same trace twice, event by event.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "models/guest/slices.hpp"
#include "models/vmm/guest_tables.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/checked_run.hpp"
#include "tests/support/second_host.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

// What hardware and drivers are like. Drawn from a stream of its own, so that a new choice leaves alone
// what happens.
class Choices {
 public:
  explicit Choices(std::uint64_t seed)
      : rng_(seed, "swarm.choices"),
        masks_(seed, "swarm.address_masks"),
        times_(seed, "swarm.slots") {
    two_iommus = one_in(2);
    for (vtd::UnitParams* const unit : {&iommu, &iommu_there}) {
      unit->caching_mode = one_in(5);
      unit->page_requests.entries = 128U << rng_.below(5);
      unit->invalidation.max_address_mask = address_mask();
    }
  }
  DeviceOptions device() {
    DeviceOptions options;
    options.behind = two_iommus ? rng_.below(2) : 0;
    if (one_in(3)) options.pri.group_pages = 1 + static_cast<std::uint32_t>(rng_.below(8));
    options.pri.private_data = one_in(4);
    if (one_in(2)) options.pri.credits = 1U << rng_.below(8);
    if (one_in(6)) options.pasid_width = 1 + static_cast<std::uint32_t>(rng_.below(8));
    return options;
  }
  FunctionDriverParams driver() {
    FunctionDriverParams params;
    params.stop_marker = one_in(3);
    return params;
  }
  bool direct_invalidation() { return one_in(3); }
  bool without_pasid() { return one_in(6); }
  // 2^n pages by one descriptor: of a vIOMMU it may be more than its host's IOMMU takes, or less.
  std::uint8_t address_mask() {
    return static_cast<std::uint8_t>(masks_.below(2) == 0 ? 18 : masks_.below(6));
  }

  // Of one half: none, as by default.
  SlotTimes slots() {
    if (times_.below(2) == 0) return {};
    const auto below = [this](std::uint64_t microseconds) {
      return Ps(1us) * static_cast<std::int64_t>(times_.below(microseconds));
    };
    return {below(500), below(1500)};
  }
  HostParams with_slots(HostParams params) {
    params.slots = slots();
    return params;
  }

  bool two_iommus = false;  // in each host
  vtd::UnitParams iommu;
  vtd::UnitParams iommu_there;

 private:
  bool one_in(std::uint64_t of) { return rng_.below(of) == 0; }
  Rng rng_;
  Rng masks_;
  Rng times_;
};

// What is lost of what functions of guests are told, or tell: some of it, from a stream of its own. What the
// host's own processes wait for arrives, since their kernel waits for it without a limit.
class Losses final : public Injector {
 public:
  explicit Losses(std::uint64_t seed) : rng_(seed, "swarm.losses"), left_(1 + rng_.below(8)) {}
  void lose_in(Host& host) {
    for (Host::Unit& unit : host.units) {
      const auto component = static_cast<std::uint32_t>(kernels_.size());
      kernels_.push_back(&host.kernel);
      unit.hardware.queue().injection.connect(*this, component);
      unit.hardware.queue().devices().injection.connect(*this, component);
      unit.hardware.page_requests().injection.connect(*this, component);
    }
  }
  // Before anything is told to anybody.
  HostParams host() {
    HostParams params;
    params.slices_limit = random(50ms);
    return params;
  }
  FunctionDriverParams of_slices(FunctionDriverParams params) {
    params.slice_stop_limit = random(20ms);
    return params;
  }
  Ps rest_limit() { return random(10ms); }
  Ruling ask(InjectionPoint point, std::uint32_t component, Pasid pasid,
             StepSet /*later*/) override {
    const bool flush = point == InjectionPoint(Message::invalidation_completion);
    const bool page = point == InjectionPoint(Message::page_response) ||
                      point == InjectionPoint(Message::page_request);
    if ((!flush && !page) || left_ == 0) return {};
    const bool without_pasid = pasid == no_pasid || pasid == Pasid(0);
    if (page && (without_pasid || is_of_host(*kernels_[component], pasid))) return {};
    if (rng_.below(12) != 0) return {};
    --left_;
    ++lost;
    return {.fate = Fate::drop};
  }
  std::uint64_t lost = 0;

 private:
  Ps random(Ps below) {
    return Ps(1 + static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(below.count()))));
  }
  // Also while its process exits.
  static bool is_of_host(Kernel& kernel, Pasid pasid) {
    return static_cast<bool>(kernel.pasids.space().find(&kernel.sva, pasid.value()));
  }
  Rng rng_;
  std::uint64_t left_;
  std::vector<Kernel*> kernels_;  // of each IOMMU
};

enum class Messages : std::uint8_t { arrive, are_lost };

class Swarm {
 public:
  explicit Swarm(std::uint64_t seed, Messages messages = Messages::arrive)
      : rng_(seed, "swarm"),
        choices_(seed),
        losses_(seed),
        lossy_(messages == Messages::are_lost),
        rig_({choices_.iommu}, choices_.with_slots(lossy_ ? losses_.host() : HostParams())),
        second_(rig_, network(rng_), {}, choices_.iommu_there) {
    if (choices_.two_iommus) {
      rig_.add_iommu(choices_.iommu);
      second_.add_iommu(choices_.iommu_there);
    }
    add_shared_functions();
    for (std::uint64_t i = 2 + rng_.below(3); i > 0; --i) add_guest();
    add_host_processes();
    take_some_there();
    for (std::uint64_t i = chance(8) ? 200 + rng_.below(200) : rng_.below(40); i > 0; --i)
      add_event();
    if (lossy_) {
      losses_.lose_in(rig_.host);
      losses_.lose_in(second_.host);
    }
    // At last everybody goes.
    rig_.at(400ms, [this](Thread&) {
      for (const std::uint32_t pasid : foreign_) second_.host.kernel.pasids.space().free(pasid);
      for (const auto& guest : rig_.guests) guest->kill();
    });
  }

  // I15: vIOMMUs that vanish with live PASIDs. Their numbers go to other processes, while those that had
  // them bind with them again: two address spaces of one PASID, of which the kernel fills the one and the
  // device looks into the other, for ever.
  // I19: a guest that keeps the registration of one that is gone asks it again.
  // I11: of what is lost a group has no answer; I9: it waits in a function that its guest has whole, until
  // that is reset, though the PASID may be another's by then.
  std::string run() {
    CheckedRun checked(rig_, &second_);
    try {
      rig_.run();
    } catch (const LivelockError& error) {
      CHECK(checked.violations().find("I15 at") != std::string::npos);
      return error.what() + checked.digest();
    }
    CHECK(checked.violations(
              {"I15", refuses() ? "I19" : "", lossy_ ? "I11" : "", lossy_ ? "I9" : ""}) == "");
    check();
    return result() + checked.digest();
  }
  std::uint64_t lost() const { return losses_.lost; }
  std::vector<MigrationReport> migrations() const {
    std::vector<MigrationReport> all;
    for (const auto& guest : rig_.guests)
      all.insert(all.end(), guest->migrations().begin(), guest->migrations().end());
    return all;
  }

 private:
  bool refuses() const {
    return std::find(refuses_.begin(), refuses_.end(), true) != refuses_.end();
  }
  Ps random(Ps below) {
    return Ps(static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(below.count()))));
  }
  bool chance(std::uint64_t one_in) { return rng_.below(one_in) == 0; }
  static NetworkLinkParams network(Rng& rng) {
    NetworkLinkParams params;
    params.bandwidth = Bandwidth((1 + rng.below(4)) * 50'000'000'000);
    params.latency = Ps(static_cast<std::int64_t>(1'000'000 * rng.below(20)));
    return params;
  }

  ProcessParams random_life() {
    ProcessParams params;
    params.work.traffic.window = Bytes((1 + rng_.below(32)) * 4096);
    params.work.traffic.request = 4_KiB;
    params.work.requests = 1 + rng_.below(40);
    params.work.outstanding = 1 + static_cast<std::uint32_t>(rng_.below(4));
    params.populate = chance(3);
    params.rounds = static_cast<std::uint32_t>(rng_.below(30));
    params.pause = random(50us);
    params.unmap = rng_.below(1 + params.work.traffic.window.count() / 4096);
    params.rebind = chance(3);
    params.end = chance(3) ? ProcessEnd::exit_first : ProcessEnd::orderly;
    return params;
  }
  void add_guest() {
    GuestParams params;
    params.memory = 64_MiB;
    params.vcpus = 1 + static_cast<std::uint32_t>(rng_.below(4));
    if (chance(4)) params.host_interface = HostInterface::iommufd;
    const bool modern = params.host_interface == HostInterface::iommufd;
    params.pasids = modern || chance(3) ? PasidScope::guest_wide : PasidScope::system_wide;
    params.vfio.quota = chance(3) ? 3 : 1000;
    params.vfio.free_while_bound = chance(2) ? FreeWhileBound::refuse : FreeWhileBound::pend;
    params.hotplug.wait_for_processes = random(500us);
    params.hotplug.slots = choices_.slots();
    params.allocator.refuse_unregister_with_live_ids = chance(2);
    params.virtual_commands.poll_limit = 1ms;
    params.migration.dirty_rate = Bandwidth(rng_.below(3) * 20'000'000'000);
    params.migration.rounds = static_cast<std::uint32_t>(rng_.below(6));
    if (lossy_) params.migration.rest_limit = losses_.rest_limit();
    refuses_.push_back(params.allocator.refuse_unregister_with_live_ids);
    const bool whole = params.pasids == PasidScope::system_wide;
    Guest& guest = rig_.add_guest(params);
    ViommuParams viommu;
    viommu.asynchronous_commands = whole && chance(2);
    viommu.direct_invalidation = choices_.direct_invalidation();
    viommu.max_address_mask = choices_.address_mask();
    std::vector<FunctionDriver*> drivers;
    for (const char* const name : {"v0", "v1"}) {
      const PasidBackend backend =
          whole ? PasidBackend::virtual_command : PasidBackend::guest_local;
      Guest::Unit& unit = guest.add_unit(name, viommu, backend);
      Guest::Assignment assignment;
      assignment.driver = choices_.driver();
      const auto queues = 1 + static_cast<std::uint32_t>(rng_.below(4));
      drivers.push_back(
          &rig_.assign(guest, unit, rig_.add_device(queues, choices_.device()), assignment));
    }
    const bool shares = chance(3);  // then it stays
    for (std::size_t i = 0; i < slices_.size(); ++i)
      if (shares && chance(2)) drivers.push_back(&assign_slice(guest, guest.units[i], i));
    std::vector<Process*> all;
    for (int i = 0; i < 3; ++i) {
      std::vector<FunctionDriver*> used = drivers;
      if (chance(2))
        used.erase(used.begin() + static_cast<std::ptrdiff_t>(rng_.below(used.size())));
      ProcessGroup& group = rig_.group(guest, random_life(), used);
      for (std::uint64_t p = rng_.below(4); p > 0; --p) all.push_back(&rig_.process(group));
    }
    std::vector<Ps> starts;
    for (std::size_t i = 0; i < all.size(); ++i) starts.push_back(random(2ms));
    targets_.push_back(second_.target_for(guest));
    guest.boot([&guest, all, starts](Thread& thread) {
      for (std::size_t i = 0; i < all.size(); ++i) {
        guest.kernel.workers.post_at(thread.now() + starts[i],
                                     [process = all[i]](Thread&) { process->start(); });
      }
    });
  }
  // The host's, of which guests have slices: one with a shared queue, one with queues for four guests.
  void add_shared_functions() {
    AtsDevice& shared = rig_.add_device(2, choices_.device());
    portal_ = &rig_.add_shared_queue(shared, 2 + static_cast<std::uint32_t>(rng_.below(8)));
    slices_ = {&rig_.host_driver(shared, portal_, {}, driver_of_slices()),
               &rig_.host_driver(rig_.add_device(6, choices_.device()), nullptr, QueueSlice{4, 2},
                                 driver_of_slices())};
  }
  FunctionDriverParams driver_of_slices() {
    const FunctionDriverParams params = choices_.driver();
    return lossy_ ? losses_.of_slices(params) : params;
  }
  FunctionDriver& assign_slice(Guest& guest, Guest::Unit& behind, std::size_t which) {
    Guest::Assignment assignment;
    assignment.parent = slices_[which];
    assignment.shared = slices_[which]->function().shared;
    if (assignment.shared == nullptr) assignment.slice = {next_slice_++, 1};
    assignment.driver = choices_.driver();
    return rig_.assign(guest, behind, *slices_[which]->function().device, assignment);
  }
  void add_host_processes() {
    host_driver_ =
        &rig_.host_driver(rig_.add_device(2, choices_.device()), nullptr, {}, choices_.driver());
    for (int i = 0; i < 2; ++i) {
      std::vector<FunctionDriver*> used{slices_[0], slices_[1], host_driver_};
      if (i == 0) used.erase(used.begin(), used.begin() + 2);
      ProcessGroup& group = rig_.host_group(random_life(), used);
      group.params.without_pasid = choices_.without_pasid();
      for (std::uint64_t p = rng_.below(4); p > 0; --p) {
        Process& process = rig_.process(group);
        host_processes_.push_back(&process);
        rig_.at(random(2ms) + 1us, [&process](Thread&) { process.start(); });
      }
    }
  }
  // Numbers there that a guest cannot take along.
  void take_some_there() {
    for (std::uint64_t i = rng_.below(3); i > 0; --i)
      foreign_.insert(1 + static_cast<std::uint32_t>(rng_.below(8)));
    second_.host.kernel.workers.post_at(Instant(1us), [this](Thread&) {
      for (const std::uint32_t pasid : foreign_)
        second_.host.kernel.pasids.space().alloc(nullptr, {pasid, pasid}, nullptr);
    });
  }
  void migrate(std::size_t number) {
    Guest& guest = *rig_.guests[number];
    for (std::size_t function = 0; function < guest.functions(); ++function)
      if (guest.residence().function(function).slice()) return;  // it stays
    const bool back = &guest.host() == &second_.host;
    guest.migrate(back ? second_.back_to_first(guest) : targets_[number]);
  }
  void kill_process(Ps when) {
    if (rig_.processes.empty()) return;
    Process& process = rig_.processes[rng_.below(rig_.processes.size())];
    rig_.at(when, [&process](Thread&) { process.kill(); });
  }
  void unplug_sliced(Ps when, Unplug how) {
    FunctionDriver& sliced = *slices_[rng_.below(2)];
    std::vector<SliceOfGuest> all;
    for (const auto& guest : rig_.guests) {
      for (std::size_t i = 0; i < guest->functions(); ++i)
        if (guest->residence().function(i).parent == &sliced) all.push_back({guest.get(), i});
    }
    rig_.at(when, [this, &sliced, all, how](Thread&) {
      unplug_with_slices(rig_.host, sliced, all, how);
    });
  }
  void add_event() {
    const Ps when = random(5ms);
    const std::size_t number = rng_.below(rig_.guests.size());
    Guest& guest = *rig_.guests[number];
    const std::string unit = chance(2) ? "v0" : "v1";
    const std::size_t function = rng_.below(guest.functions());
    Unplug how = chance(2) ? Unplug::orderly : Unplug::surprise;
    switch (rng_.below(18)) {
      case 12:
        return rig_.at(when, [this, number](Thread&) { migrate(number); });
      case 13:  // back, if it has moved: when the functions that it left have been reset
        return rig_.at(when + 150ms, [this, number](Thread&) { migrate(number); });
      case 14:
      case 15:
        return kill_process(when);
      case 16:
        return unplug_sliced(when, how);
      case 17:
        return rig_.at(when, [this, i = rng_.below(2)](Thread&) { rig_.host.plug(*slices_[i]); });
      case 0:
        return rig_.at(when, [&guest](Thread&) { guest.kill(); });
      case 1:
        return rig_.at(when, [&guest](Thread&) {
          if (!guest.booted() || !guest.machine.guest_runs()) return;
          guest.kernel.workers.post([&guest](Thread& thread) { guest.shut_down(thread); });
        });
      case 2:
      case 3:  // in order only where no PASIDs become orphans: that is a violation
        if (!refuses_[number]) how = Unplug::surprise;
        return rig_.at(when, [&guest, unit, how](Thread&) { guest.unplug_unit(unit, how); });
      case 4:
      case 5:
        return rig_.at(when, [&guest, unit](Thread&) { guest.plug_unit(unit); });
      case 6:
      case 7:
        if (guest.residence().function(function).slice()) how = Unplug::orderly;
        return rig_.at(when, [&guest, function, how](Thread&) {
          if (guest.booted()) guest.unplug_function(function, how);
        });
      case 8:
      case 9:
        return rig_.at(when, [&guest, function](Thread&) {
          if (guest.booted()) guest.plug_function(function);
        });
      case 10:
        return rig_.at(when, [this, how](Thread&) { rig_.host.unplug(*host_driver_, how); });
      default:
        return rig_.at(when, [this](Thread&) { rig_.host.plug(*host_driver_); });
    }
  }

  void check() {
    const Host& host = rig_.host;
    CHECK(host.frames.taken() == 0);
    CHECK(host.kernel.sva.bonds() == 0);
    CHECK(host_driver_->uses() == 0);
    CHECK(host.global_pasids.size() == 0);
    for (const FunctionDriver* const driver : slices_) CHECK(driver->uses() == 0);
    CHECK(portal_->submissions() == 0);
    CHECK(portal_->waiting() + portal_->at_work() == 0);
    for (const Process* const process : host_processes_) CHECK(process->finished());
    for (const auto& guest : rig_.guests) {
      CHECK(guest->machine.closed());
      CHECK(guest->nothing_left());
    }
    check(rig_.host, rig_.devices);
    check(second_.host, second_.devices);
  }
  static void check(Host& host, const std::deque<AtsDevice>& devices) {
    CHECK(host.kernel.pasids.space().size() == 0);
    CHECK(host.ids.sets.capacity_left() == 1U << 20U);
    for (const AtsDevice& device : devices) {
      CHECK(device.requests_in_flight() == 0);
      CHECK(device.page_requests_outstanding() == 0);
      if (device.present()) CHECK(device.tlb().size() == 0);
    }
    for (Host::Unit& unit : host.units) check(host, unit, devices);
  }
  static void check(const Host& host, Host::Unit& unit, const std::deque<AtsDevice>& devices) {
    CHECK(unit.kernel.requests.pending() == 0);
    CHECK(unit.kernel.faults.incomplete() == 0);
    const GuestTables tables(host.memory);
    for (const AtsDevice& device : devices) {
      for (const Pasid pasid : tables.present(unit.hardware.tables().root(), device.source()))
        CHECK(pasid == Pasid(0));  // of requests without one
    }
    for (const Pasid pasid : unit.hardware.iommu().cached_pasids()) CHECK(pasid == Pasid(0));
  }
  std::string result() const {
    std::string text = fmt::format("{}\n", rig_.rig.engine.now().ps());
    for (const ProcessGroup& group : rig_.groups) {
      text += fmt::format("{} {} {} {} {} {}\n", group.stats.started, group.stats.finished,
                          group.stats.rounds, group.stats.work_failed, group.stats.failed,
                          group.round_latency.sum());
    }
    for (const auto& guest : rig_.guests) {
      text += fmt::format("{} {} {} {} {} {}\n", guest->machine.paths.user_exits,
                          guest->machine.paths.ioctls, held_by(*guest), guest->hotplug.unplugged,
                          guest->hotplug.orphans,
                          guest->machine.panicked() ? guest->machine.panicked()->reason : "");
    }
    for (const auto* devices : {&rig_.devices, &second_.devices}) {
      for (const AtsDevice& device : *devices)
        text += fmt::format("{} {}\n", device.stats.requests, device.stats.page_requests);
    }
    for (const auto& guest : rig_.guests) {
      for (const MigrationReport& report : guest->migrations()) {
        text +=
            fmt::format("{} {} {} {} {} {}\n", report.total().count(), report.downtime().count(),
                        report.bytes, report.rebinds, report.moved_work,
                        report.failed ? name_of(report.failed->why) : "moved");
      }
    }
    return text;
  }

  static std::uint64_t held_by(const Guest& guest) {
    const Iommufd* const file = guest.residence().file();
    return file != nullptr ? file->stats.attached : guest.container().stats.allocated;
  }

  Rng rng_;
  Choices choices_;
  Losses losses_;
  bool lossy_;
  SoftwareRig rig_;
  SecondHost second_;
  std::vector<Migration::Target> targets_;  // of each guest
  std::vector<bool> refuses_;               // each guest: to unregister with live ids
  std::set<std::uint32_t> foreign_;
  FunctionDriver* host_driver_ = nullptr;
  SharedQueue* portal_ = nullptr;
  std::vector<FunctionDriver*> slices_;
  std::uint32_t next_slice_ = 0;
  std::vector<Process*> host_processes_;
};

}  // namespace

TEST_CASE("swarms leave an empty host, and are the same when repeated", "[swarm]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 101)));
  INFO("seed " << seed);
  const std::string once = Swarm(seed).run();
  CHECK(once == Swarm(seed).run());
}

TEST_CASE("swarms of which messages are lost leave an empty host, too", "[swarm]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 31)));
  INFO("seed " << seed);
  const std::string once = Swarm(seed, Messages::are_lost).run();
  CHECK(once == Swarm(seed, Messages::are_lost).run());
}

namespace {
std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const wanted = std::getenv(name);
  return wanted == nullptr ? otherwise : std::stoull(wanted);
}
}  // namespace

// Hidden: minutes. VIOSIM_SWARMS says how many, VIOSIM_FIRST_SWARM from which on.
TEST_CASE("a thousand swarms violate nothing but I15 where vIOMMUs vanish, and leave an empty host",
          "[.long]") {
  const std::uint64_t swarms = from_environment("VIOSIM_SWARMS", 1000);
  const std::uint64_t first =
      from_environment("VIOSIM_FIRST_SWARM", 101);  // after those of every run
  for (std::uint64_t seed = first; seed < first + swarms; ++seed) {
    INFO("seed " << seed);
    CHECK_NOTHROW(Swarm(seed).run());
  }
}

TEST_CASE("hundreds of swarms of which messages are lost leave an empty host", "[.lossy]") {
  const std::uint64_t swarms = from_environment("VIOSIM_SWARMS", 200);
  const std::uint64_t first = from_environment("VIOSIM_FIRST_SWARM", 31);
  std::uint64_t lost = 0;
  for (std::uint64_t seed = first; seed < first + swarms; ++seed) {
    INFO("seed " << seed);
    Swarm swarm(seed, Messages::are_lost);
    CHECK_NOTHROW(swarm.run());
    lost += swarm.lost();
  }
  CHECK(lost > swarms);
}

TEST_CASE("swarms contain migrations of every outcome that they can have", "[swarm]") {
  std::map<std::string_view, int> outcomes;
  std::uint64_t moved_work = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Swarm swarm(seed);
    swarm.run();
    for (const MigrationReport& report : swarm.migrations()) {
      ++outcomes[report.failed ? name_of(report.failed->why) : "moved"];
      moved_work += report.moved_work;
    }
  }
  for (const std::string_view outcome :
       {"moved", "not-running", "guest-ended", "pasid-taken", "under-way"}) {
    INFO(outcome);
    CHECK(outcomes[outcome] > 0);
  }
  CHECK(moved_work > 0);
}
