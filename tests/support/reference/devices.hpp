// The reference's devices: an actor for each request that may be in flight.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/trace_events.hpp"
#include "tests/support/reference/software.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace viosim::test::reference {

class Devices {
 public:
  Devices(World& world, Caches& caches, Walks& walks, Software& software)
      : world_(world),
        caches_(caches),
        walks_(walks),
        software_(software),
        zipf_(zipf_tables(world.model)) {}

  void spawn(std::size_t d) {
    const SmallModel::Device& is = world_.model.devices[d];
    devices_.push_back(Device{{is, SmallModel::number_of(d)}, d, world_.run.devices[d], 0, {}, {}});
    enable(devices_.back(), is.start);
  }

  // Their drivers; software, so many actors of which there are already.
  void spawn_drivers(std::uint32_t number) {
    for (Device& device : devices_) {
      if (device.is.turns.empty()) continue;
      world_.turns.spawn("driver", false,
                         [this, &device, number](Self& self) { drive(device, self, number); });
      ++number;
    }
  }

 private:
  // From when a device is enabled until it has stopped.
  struct Life {
    Traffic traffic;
    std::uint64_t left;
    Instant next_issue;
    Instant until;
    bool issuing = false;
    std::deque<Self*> wait_to_issue{};
    std::uint32_t in_flight = 0;
    bool stopping = false;
  };
  struct Device : Requester {
    std::size_t index;
    SmallRun::Device& out;
    unsigned lives = 0;
    std::shared_ptr<Life> life;
    SoftwareSignal drained;
    bool driven() const { return !is.turns.empty(); }
  };

  void enable(Device& device, Instant start) {
    const SmallModel::Device& is = device.is;
    const std::string path = world_.model.path_of(device.index, device.lives++);
    device.life = std::make_shared<Life>(
        Life{Traffic(is.dma.traffic, world_.model.spaces[is.space].base,
                     Rng(world_.model.seed, path), zipf_[device.index].get()),
             is.dma.requests, start, is.until});
    for (std::uint32_t slot = 0; slot < is.dma.outstanding; ++slot)
      world_.turns.spawn("device", false, [this, &device, start, life = device.life](Self& self) {
        send_requests(device, *life, start, self);
      });
  }

  void drive(Device& device, Self& self, std::uint32_t number) {
    software_.sleep(self, number, Ps(0));
    for (const auto& turn : device.is.turns) {
      software_.sleep(self, number, turn.on);
      Life& life = *device.life;
      life.until = std::min(life.until, world_.now());
      life.stopping = true;
      if (life.in_flight == 0) {
        world_.turn(self, EventClass::message, device.number, 0);
        software_.sleep(self, number, Ps(0));
      } else {
        software_.wait(device.drained, self, number);
      }
      device.out.stopped.push_back(world_.now().ps());
      software_.sleep(self, number, turn.off);
      enable(device, world_.now());
    }
  }

  void send_requests(Device& device, Life& life, Instant start, Self& self) {
    const bool alone = device.is.dma.outstanding == 1 && !device.driven();
    Instant free_at = start;
    for (;;) {
      // A device with one request in flight need not wake up only to send the next.
      if (!alone) {
        world_.turns.sleep_until(free_at);
        begin_issue(life, self);
        world_.turns.sleep_until(std::max(world_.now(), life.next_issue));
        // Software may stop it at this very instant, and comes first.
        if (device.driven()) world_.turn(self, EventClass::arrival, 0, device.number);
      }
      const Instant issue = std::max(free_at, life.next_issue);
      const bool goes_on = life.left > 0 && issue < life.until;
      if (goes_on) {
        --life.left;
        ++life.in_flight;
        life.next_issue = issue + device.is.dma.interval;
      }
      if (!alone) end_issue(life);
      if (!goes_on) return;
      world_.turns.sleep_until(issue + device.is.link.latency);
      world_.turn(self, EventClass::arrival, device.number, 0);
      free_at = serve(device, life, self, issue);
      std::uint64_t& last = device.out.stats.last_completion;
      last = std::max(last, static_cast<std::uint64_t>(free_at.ps()));
      if (device.driven()) come_back(device, life, self, free_at);
    }
  }

  void come_back(Device& device, Life& life, Self& self, Instant at) {
    world_.turns.sleep_until(at);
    world_.turn(self, EventClass::message, device.number, 0);
    if (--life.in_flight == 0 && life.stopping) world_.raise(device.drained);
  }

  void begin_issue(Life& life, Self& self) {
    if (life.issuing) {
      life.wait_to_issue.push_back(&self);
      world_.turns.wait(self);
    }
    life.issuing = true;
  }

  void end_issue(Life& life) {
    if (life.wait_to_issue.empty()) {
      life.issuing = false;
      return;
    }
    Self& next = *life.wait_to_issue.front();
    life.wait_to_issue.pop_front();
    world_.turns.wake(next);
  }

  // One request from its arrival on. Returns when its slot is free again.
  Instant serve(Device& device, Life& life, Self& self, Instant issue) {
    const Traffic::Next request = life.traffic.next();
    const Ps link = device.is.link.latency;
    const Ps back = world_.model.memory_latency + link;
    DeviceStats& stats = device.out.stats;
    ++stats.requests;
    for (;;) {
      if (const auto frame = caches_.look_up(device, request)) {
        ++stats.hits;
        const Instant completion = world_.now() + caches_.hit_latency() + back;
        world_.run.translation_latency.record(caches_.hit_latency());
        return complete(device, request, issue, completion, *frame, 0);
      }
      ++stats.misses;
      const Instant arrival = world_.now();
      const Answer answer = walks_.walk(device, request, self);
      world_.run.translation_latency.record(world_.now() - arrival);
      if (answer.fault == vtd::FaultReason::none)
        return complete(device, request, issue, world_.now() + back,
                        frame_of(answer.frame, answer.level, request.iova), 1);
      ++stats.faults;
      record(device, {issue.ps(), world_.now().ps(), request.iova.value(), 0,
                      outcome_fault(static_cast<std::uint8_t>(answer.fault))});
      if (!resolved(device, request, self)) {
        ++stats.aborted;
        return world_.now() + link;
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
    if (world_.keep == Keep::every_request) device.out.requests.push_back(what);
  }

  // Asks software, and comes back to the IOMMU when it grants the page.
  bool resolved(Device& device, const Traffic::Next& request, Self& self) {
    if (device.is.dma.on_fault == OnFault::abort || world_.model.fault_handlers == 0) return false;
    bool granted = false;
    std::uint64_t ticket = 0;
    software_.request_faulted({&self, device.number - 1, request.iova, &granted, &ticket});
    world_.turns.wait(self);
    if (!granted) return false;
    world_.turns.sleep_until(world_.now() + 2 * device.is.link.latency);
    world_.turn(self, EventClass::retry, device.number, ticket);
    return true;
  }

  World& world_;
  Caches& caches_;
  Walks& walks_;
  Software& software_;
  std::vector<std::unique_ptr<ZipfTable>> zipf_;
  std::deque<Device> devices_;
};

}  // namespace viosim::test::reference
