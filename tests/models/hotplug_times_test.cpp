// What passes before software acts on a plug or an unplug, and what happens meanwhile: the plug is taken back,
// the button is pressed again, the part vanishes, its guest ends or moves.
// SPDX-License-Identifier: Apache-2.0
#include "models/guest/slices.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/moving_guest.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

constexpr SlotTimes real{50ms, 5s};  // DOMAIN 11
constexpr std::string_view under_way;

enum class Part : std::uint8_t { viommu, function, host_function };

Part any_part() { return GENERATE(Part::viommu, Part::function, Part::host_function); }

HostParams host_with(const SlotTimes& times) {
  HostParams params;
  params.slots = times;
  return params;
}

GuestParams guest_with(const SlotTimes& times, PasidScope pasids = PasidScope::system_wide) {
  GuestParams params = moving_guest(pasids);
  params.hotplug.slots = times;
  return params;
}

// One of each, with nobody who uses it.
struct Places {
  Places(Part of, const SlotTimes& times)
      : part(of),
        rig({}, host_with(times)),
        guest(rig.add_guest(guest_with(times))),
        own(rig.host_driver(rig.add_device(2))) {
    Guest::Unit& unit = guest.add_unit("v0", {}, PasidBackend::virtual_command);
    rig.assign(guest, unit, rig.add_device(2));
    guest.boot([](Thread&) {});
  }
  std::string_view unplug(Unplug how = Unplug::orderly) {
    if (part == Part::viommu) return guest.unplug_unit("v0", how);
    return part == Part::function ? guest.unplug_function(0, how) : rig.host.unplug(own, how);
  }
  std::string_view plug() {
    if (part == Part::viommu) return guest.plug_unit("v0");
    return part == Part::function ? guest.plug_function(0) : rig.host.plug(own);
  }
  void unplug_at(Ps when, Unplug how = Unplug::orderly, std::string_view answer = under_way) {
    rig.at(when, [this, how, answer](Thread&) { CHECK(unplug(how) == answer); });
  }
  void plug_at(Ps when, std::string_view answer = under_way) {
    rig.at(when, [this, answer](Thread&) { CHECK(plug() == answer); });
  }
  void kill_at(Ps when) {
    rig.at(when, [this](Thread&) { guest.kill(); });
  }
  // Its kernel has taken it up.
  bool used() {
    if (part == Part::viommu) return guest.unit_named("v0").registered;
    return part == Part::function ? guest.driver(0).known() : own.known();
  }
  bool there() {
    if (part == Part::viommu) return guest.unit_named("v0").viommu.present();
    return (part == Part::function ? guest.driver(0) : own).function().device->present();
  }
  void check_at(Ps when, bool is_used, bool is_there) {
    rig.at(when, [this, when, is_used, is_there](Thread&) {
      INFO("at " << to_text(when));
      CHECK(used() == is_used);
      CHECK(there() == is_there);
    });
  }
  Ps run() {
    rig.run();
    return rig.rig.engine.now().since_start();
  }

  Part part;
  SoftwareRig rig;
  Guest& guest;
  FunctionDriver& own;
};

constexpr Ps grid = 100ns;
constexpr Ps event = 1ms;

// From when on its kernel has it, or has it not, to the grid; looks at it after `event + delay`.
Ps changes(Places& places, Ps delay, bool to) {
  std::optional<Ps> first;
  for (std::int64_t step = 0; step < 1'000; ++step) {
    const Ps when = delay + grid * step;
    places.rig.at(event + when + grid / 2, [&places, &first, when, to](Thread&) {
      if (!first && places.used() == to) first = when;
    });
  }
  places.run();
  REQUIRE(first);
  return *first;
}

}  // namespace

TEST_CASE("a probe begins its delay after the plug", "[hotplug]") {
  const Part part = any_part();
  const auto probed = [&](Ps delay) {
    Places places(part, {delay, Ps(0)});
    places.unplug_at(200us);
    places.plug_at(event);
    return changes(places, delay == Ps(0) ? delay : delay - 1us, true);
  };
  const Ps without = probed(Ps(0));
  CHECK(probed(real.probe_delay) == real.probe_delay + without);
}

TEST_CASE("an unplug in order begins its window after the event", "[hotplug]") {
  const Part part = any_part();
  const auto removed = [&](Ps window) {
    Places places(part, {Ps(0), window});
    places.unplug_at(event);
    return changes(places, window == Ps(0) ? window : window - 1us, false);
  };
  const Ps without = removed(Ps(0));
  CHECK(removed(real.attention_window) == real.attention_window + without);
}

TEST_CASE("until its window is over a part is used, and is not plugged in again", "[hotplug]") {
  Places places(any_part(), real);
  places.unplug_at(1ms);
  places.check_at(1ms + real.attention_window - Ps(1), true, true);
  places.plug_at(2s, "it is there");
  places.check_at(6s, false, false);
  places.run();
}

TEST_CASE("pressed again within its window, the button does nothing", "[hotplug]") {
  Places places(any_part(), real);
  const bool once_more = GENERATE(false, true);
  places.unplug_at(1s);
  places.unplug_at(6s);  // the last instant: one of hardware comes after software
  places.check_at(7s, true, true);
  if (once_more) places.unplug_at(8s);
  places.check_at(12'900ms, true, true);
  const Ps end = places.run();
  CHECK(places.used() == !once_more);
  CHECK(places.there() == !once_more);
  CHECK(end < (once_more ? 13'001ms : 12'901ms));
}

TEST_CASE("pressed a third time it begins a whole window", "[hotplug]") {
  Places places(any_part(), real);
  for (const Ps when : {1s, 2s, 3s}) places.unplug_at(when);
  places.check_at(8s - Ps(1), true, true);
  places.check_at(8001ms, false, false);
  places.run();
}

TEST_CASE("a window that was taken back, or ended with its guest, keeps no run going",
          "[hotplug]") {
  const bool killed = GENERATE(true, false);
  Places places(killed ? GENERATE(Part::viommu, Part::function) : any_part(), real);
  places.unplug_at(1ms);
  if (killed) {
    places.kill_at(2ms);
  } else {
    places.unplug_at(2ms);
  }
  CHECK(places.run() < 1s);
}

TEST_CASE("what vanishes within its window is gone at once, and once", "[hotplug]") {
  Places places(any_part(), real);
  places.unplug_at(1ms);
  places.unplug_at(2ms, Unplug::surprise);
  places.check_at(3ms, false, false);
  places.plug_at(10ms);
  places.check_at(6s, true, true);  // the window was of the one before
  places.run();
  if (places.part != Part::host_function) {
    CHECK(places.guest.hotplug.unplugged == 1);
    CHECK(places.guest.hotplug.plugged == 1);
    CHECK(places.guest.hotplug.refused == 0);
  }
}

TEST_CASE("an unplug takes a plug back whose probe has not begun, and needs no window",
          "[hotplug]") {
  const Unplug how = GENERATE(Unplug::orderly, Unplug::surprise);
  Places places(any_part(), real);
  // While the hypervisor still attaches it, while the probe is waited for, when it has begun.
  const Ps goes = GENERATE(1us, 5us, 20us, 1ms, 49'990us);
  places.unplug_at(1ms, Unplug::surprise);
  places.plug_at(20ms);
  std::string_view answer;
  places.rig.at(20ms + goes, [&](Thread&) { answer = places.unplug(how); });
  places.rig.at(20ms + goes + 1us, [&](Thread&) {
    if (answer.empty() && how == Unplug::surprise)
      CHECK(places.plug() == (places.part == Part::viommu
                                  ? under_way
                                  : "its kernel has not let go of what was there"));
  });
  places.check_at(29ms + goes, false, how == Unplug::surprise && places.part == Part::viommu);
  places.plug_at(200ms, answer.empty() && how == Unplug::surprise && places.part == Part::viommu
                            ? "it is there"
                            : under_way);
  places.check_at(300ms, true, true);
  places.run();
  CHECK(answer.empty());
  if (places.part == Part::host_function) return;
  CHECK(places.guest.hotplug.unplugged == 2);
  CHECK(places.guest.hotplug.plugged == 2);
  CHECK(places.guest.hotplug.refused == 0);
}

TEST_CASE("a function that goes while it is attached is given back, and can come again",
          "[hotplug]") {
  const Unplug how = GENERATE(Unplug::orderly, Unplug::surprise);
  GuestParams params = guest_with({GENERATE(Ps(0), 50ms), Ps(0)});
  params.world_switch.system_call = 200us;
  SoftwareRig rig;
  Guest& guest = rig.add_guest(params);
  Guest::Unit& unit = guest.add_unit("v0", {}, PasidBackend::virtual_command);
  FunctionDriver& driver = rig.assign(guest, unit, rig.add_device(2));
  guest.boot([](Thread&) {});
  rig.at(5ms, [&](Thread&) { guest.unplug_function(0, Unplug::orderly); });
  rig.at(10ms, [&](Thread&) { CHECK(guest.plug_function(0).empty()); });
  rig.at(10'001us, [&](Thread&) {
    CHECK(guest.residence().attaches(0));
    CHECK(guest.unplug_function(0, how).empty());
  });
  rig.at(15ms, [&](Thread&) {
    CHECK(!driver.known());
    CHECK(!guest.residence().attached(0));
    CHECK(guest.plug_function(0).empty());
  });
  rig.run();
  CHECK(driver.probed());
  CHECK(guest.hotplug.refused == 0);
}

TEST_CASE("a guest may be killed at any instant of a delay or a window", "[hotplug]") {
  const Part part = GENERATE(Part::viommu, Part::function);
  const bool window = GENERATE(true, false);
  const Ps killed = 5us * GENERATE(range(0, 40));
  Places places(part, {100us, 100us});
  if (!window) places.unplug_at(500us, Unplug::surprise);
  window ? places.unplug_at(1ms) : places.plug_at(1ms);
  places.kill_at(1ms + killed);
  places.run();
  CHECK(places.guest.nothing_left());
  CHECK(places.guest.machine.closed());
}

TEST_CASE("a guest that shuts down or panics meanwhile waits neither for a window nor for a probe",
          "[hotplug]") {
  const bool panics = GENERATE(true, false);
  const bool window = GENERATE(true, false);
  Places places(GENERATE(Part::viommu, Part::function), {5s, 5s});
  if (!window) places.unplug_at(500us, Unplug::surprise);
  window ? places.unplug_at(1ms) : places.plug_at(1ms);
  places.rig.at(2ms, [&](Thread&) {
    places.guest.kernel.workers.post([&](Thread& thread) {
      if (panics) places.guest.machine.panic("a test");
      places.guest.shut_down(thread);
    });
  });
  CHECK(places.run() < 1s);
  CHECK(places.used() == (window && panics));  // it stays as it was
  CHECK(places.guest.nothing_left());
}

namespace {

// Where the guest was when the wait was over.
struct Phases {
  bool before_pause = false, in_pause = false, after = false;
  void note(const MigrationReport& report, Instant over) {
    const bool paused = over >= *report.paused && over < *report.ended;
    (over < *report.paused ? before_pause : paused ? in_pause : after) = true;
  }
  bool all() const { return before_pause && in_pause && after; }
};

}  // namespace

TEST_CASE("a guest moves within a window: the part goes where it is then", "[hotplug][migration]") {
  const bool whole = GENERATE(true, false);
  const bool viommu = GENERATE(true, false);
  Phases phases;
  for (std::int64_t step = 0; step < 30; ++step) {
    const Ps window = 20us + step * 27'300ns;
    INFO("window " << to_text(window));
    Moving moving(
        guest_with({Ps(0), window}, whole ? PasidScope::system_wide : PasidScope::guest_wide));
    moving.boot();
    moving.migrate_at(300us);
    moving.rig.at(290us, [&](Thread&) {
      CHECK((viommu ? moving.guest.unplug_unit("v1", Unplug::orderly)
                    : moving.guest.unplug_function(0, Unplug::orderly))
                .empty());
    });
    moving.rig.at(400ms, [&](Thread&) { moving.guest.kill(); });
    moving.rig.run();
    REQUIRE(!moving.report().failed);
    phases.note(moving.report(), Instant(290us + window));
    CHECK(moving.guest.hotplug.unplugged == 1);
    CHECK(&moving.guest.host() == &moving.second.host);
    if (!viommu) CHECK(!moving.second.devices[0].present());
    CHECK(moving.finished());
    check_both_empty(moving);
  }
  CHECK(phases.all());
}

TEST_CASE("a guest moves while a probe is waited for: it is probed where it is then",
          "[hotplug][migration]") {
  const bool whole = GENERATE(true, false);
  const bool viommu = GENERATE(true, false);
  Phases phases;
  for (std::int64_t step = 0; step < 30; ++step) {
    const Ps delay = 20us + step * 27'300ns;
    INFO("delay " << to_text(delay));
    Moving moving(
        guest_with({delay, Ps(0)}, whole ? PasidScope::system_wide : PasidScope::guest_wide),
        {.processes = 0});
    Guest& guest = moving.guest;
    ProcessGroup& late = moving.rig.group(guest, moving_load(), {&guest.driver(1)});
    Process& process = moving.rig.process(late);
    moving.boot();
    moving.rig.at(200us, [&](Thread&) {
      viommu ? guest.unplug_unit("v1", Unplug::orderly) : guest.unplug_function(1, Unplug::orderly);
    });
    moving.rig.at(400us, [&](Thread&) {
      CHECK((viommu ? guest.plug_unit("v1") : guest.plug_function(1)).empty());
    });
    moving.migrate_at(410us);
    moving.rig.at(100ms, [&](Thread&) { process.start(); });
    moving.rig.at(400ms, [&](Thread&) { guest.kill(); });
    moving.rig.run();
    REQUIRE(!moving.report().failed);
    phases.note(moving.report(), Instant(400us + delay));
    CHECK(&guest.host() == &moving.second.host);
    CHECK(guest.hotplug.plugged == 1);
    CHECK(guest.hotplug.refused == 0);
    CHECK(late.stats.rounds == 60);
    CHECK(late.stats.failed == 0);
    CHECK(moving.second.devices[1].stats.requests > 0);
    check_both_empty(moving);
  }
  CHECK(phases.all());
}

TEST_CASE("a vIOMMU that is plugged in takes up the function whose probe is waited for",
          "[hotplug]") {
  Places places(Part::viommu, {200us, Ps(0)});
  Guest& guest = places.guest;
  places.unplug_at(1ms, Unplug::surprise);
  places.rig.at(2ms, [&](Thread&) { guest.unplug_function(0, Unplug::surprise); });
  places.plug_at(3ms);
  places.rig.at(3100us, [&](Thread&) { CHECK(guest.plug_function(0).empty()); });
  places.run();
  CHECK(guest.driver(0).probed());
  CHECK(guest.hotplug.plugged == 2);
  CHECK(guest.hotplug.refused == 0);
}

namespace {

// A guest with a slice of a function of the host.
struct Sliced {
  Sliced(const SlotTimes& of_host, const SlotTimes& of_guest)
      : rig({}, host_with(of_host)),
        device(rig.add_device(4)),
        parent(rig.host_driver(device, nullptr, QueueSlice{2, 2})),
        guest(rig.add_guest(guest_with(of_guest, PasidScope::guest_wide))),
        slice(assign()) {
    rig.at(20us, [this](Thread&) { guest.boot([](Thread&) {}); });
  }
  FunctionDriver& assign() {
    Guest::Assignment assignment;
    assignment.parent = &parent;
    assignment.slice = {0, 2};
    return rig.assign(guest, guest.add_unit("v0", {}, PasidBackend::guest_local), device,
                      assignment);
  }
  void unplug(Unplug how) {
    CHECK(unplug_with_slices(rig.host, parent, {{&guest, 0}}, how).empty());
  }

  SoftwareRig rig;
  AtsDevice& device;
  FunctionDriver& parent;
  Guest& guest;
  FunctionDriver& slice;
};

}  // namespace

TEST_CASE("a function that waits for its vIOMMU is used by nobody, and needs no window",
          "[hotplug]") {
  Moving moving(guest_with({Ps(0), 5ms}));
  Guest& guest = moving.guest;
  moving.boot();
  moving.rig.at(20ms, [&](Thread&) { guest.unplug_unit("v0", Unplug::surprise); });
  moving.rig.at(25ms, [&](Thread&) { guest.unplug_function(0, Unplug::surprise); });
  moving.rig.at(30ms, [&](Thread&) { CHECK(guest.plug_function(0).empty()); });
  moving.rig.at(32ms, [&](Thread&) { CHECK(guest.unplug_function(0, Unplug::orderly).empty()); });
  moving.rig.at(33ms, [&](Thread&) {
    CHECK(guest.hotplug.unplugged == 3);
    CHECK(guest.plug_function(0).empty());
  });
  moving.rig.at(400ms, [&](Thread&) { guest.kill(); });
  moving.rig.run();
  CHECK(guest.nothing_left());
}

TEST_CASE("within the window of a host's function guests get slices of it, then they lose them",
          "[hotplug][mediated]") {
  const bool taken_back = GENERATE(false, true);
  Sliced sliced({50us, 1ms}, {});
  const auto press = [&](Thread&) { sliced.unplug(Unplug::orderly); };
  sliced.rig.at(1ms,
                [&](Thread&) { CHECK(sliced.guest.unplug_function(0, Unplug::orderly).empty()); });
  sliced.rig.at(2ms, press);
  sliced.rig.at(2100us, [&](Thread&) { CHECK(sliced.guest.plug_function(0).empty()); });
  sliced.rig.at(2900us, [&](Thread&) { CHECK(sliced.slice.probed()); });
  if (taken_back) sliced.rig.at(2950us, press);
  sliced.rig.at(5ms, [&](Thread&) {
    CHECK(sliced.slice.known() == taken_back);
    CHECK(sliced.parent.known() == taken_back);
    CHECK(sliced.device.present() == taken_back);
    sliced.guest.kill();
  });
  sliced.rig.run();
  CHECK(sliced.guest.nothing_left());
}

TEST_CASE("a slice in its window goes with the host's function, what comes in its place has none",
          "[hotplug][mediated]") {
  const Unplug how = GENERATE(Unplug::orderly, Unplug::surprise);
  Sliced sliced({}, {Ps(0), 5s});
  sliced.rig.at(1ms,
                [&](Thread&) { CHECK(sliced.guest.unplug_function(0, Unplug::orderly).empty()); });
  sliced.rig.at(2ms, [&](Thread&) { sliced.unplug(how); });
  sliced.rig.at(3ms, [&](Thread&) {
    CHECK(!sliced.slice.known());
    CHECK(!sliced.parent.known());
    CHECK(sliced.rig.host.plug(sliced.parent).empty());
  });
  sliced.rig.at(4ms, [&](Thread&) { CHECK(sliced.guest.plug_function(0).empty()); });
  sliced.rig.at(6s, [&](Thread&) {
    CHECK(sliced.slice.probed());
    sliced.guest.kill();
  });
  sliced.rig.run();
  CHECK(sliced.guest.hotplug.unplugged == 1);
  CHECK(sliced.guest.nothing_left());
}

TEST_CASE("a function that is plugged in without its vIOMMU waits, and is taken up with it",
          "[hotplug]") {
  const Ps delay = GENERATE(Ps(0), 400us);
  Moving moving(guest_with({delay, Ps(0)}));
  Guest& guest = moving.guest;
  ProcessGroup& late = moving.rig.group(guest, moving_load(), {&guest.driver(0)});
  Process& process = moving.rig.process(late);
  moving.boot();
  moving.rig.at(5ms, [&](Thread&) { guest.unplug_unit("v0", Unplug::orderly); });
  moving.rig.at(16ms, [&](Thread&) { guest.unplug_function(0, Unplug::orderly); });
  moving.rig.at(17ms, [&](Thread&) { CHECK(guest.plug_function(0).empty()); });
  moving.rig.at(20ms, [&](Thread&) {
    CHECK(guest.hotplug.refused == 0);
    CHECK(guest.plug_unit("v0").empty());
  });
  moving.rig.at(30ms, [&](Thread&) { process.start(); });
  moving.rig.at(400ms, [&](Thread&) { guest.kill(); });
  moving.rig.run();
  CHECK(late.stats.rounds == 60);
  CHECK(late.stats.failed == 0);
  CHECK(moving.finished());
  CHECK(guest.nothing_left());
}

TEST_CASE("traces tell of each wait: when it begins, when it is over, and when it is given up",
          "[hotplug][trace]") {
  struct Waits final : TraceObserver {
    void observe(const TraceEvent& event) override {
      const auto kind = static_cast<EventKind>(event.kind);
      if (kind != EventKind::probe_wait && kind != EventKind::removal_wait) return;
      const char* const what = kind == EventKind::probe_wait ? "probe" : "removal";
      all.push_back(fmt::format("{} {} of {}", what, event.code, to_text(Ps(event.duration))));
    }
    bool wants_requests() const override { return false; }
    std::vector<std::string> all;
  } waits;
  Tracer tracer;
  tracer.start(waits);
  Places places(Part::host_function, {10ms, 100ms});
  places.own.trace.trace_to(tracer, 0);
  places.unplug_at(1ms);
  places.unplug_at(21ms);  // pressed again
  places.unplug_at(31ms);
  places.plug_at(200ms);
  places.unplug_at(204ms);
  places.run();
  CHECK(waits.all ==
        std::vector<std::string>{"removal 0 of " + to_text(Ps(0)), "removal 2 of " + to_text(20ms),
                                 "removal 0 of " + to_text(Ps(0)), "removal 1 of " + to_text(100ms),
                                 "probe 0 of " + to_text(Ps(0)), "probe 2 of " + to_text(4ms)});
}
