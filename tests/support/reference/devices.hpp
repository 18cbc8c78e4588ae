// The reference's devices: an actor for each request that may be in flight.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/trace_events.hpp"
#include "tests/support/reference/software.hpp"

#include <algorithm>
#include <deque>
#include <optional>

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
    devices_.push_back(
        Device{{is, SmallModel::number_of(d)},
               Traffic(is.dma.traffic, world_.model.spaces[is.space].base,
                       Rng(world_.model.seed, world_.model.path_of(d)), zipf_[d].get()),
               is.dma.requests,
               is.start,
               world_.run.devices[d],
               false,
               {}});
    Device& device = devices_.back();
    for (std::uint32_t slot = 0; slot < is.dma.outstanding; ++slot)
      world_.turns.spawn("device", false,
                         [this, &device](Self& self) { send_requests(device, self); });
  }

 private:
  struct Device : Requester {
    Traffic traffic;
    std::uint64_t left;
    Instant next_issue;
    SmallRun::Device& out;
    bool issuing = false;
    std::deque<Self*> wait_to_issue;
  };

  void send_requests(Device& device, Self& self) {
    const bool alone = device.is.dma.outstanding == 1;
    Instant free_at = device.is.start;
    for (;;) {
      // A device with one request in flight need not wake up only to send the next.
      if (!alone) {
        world_.turns.sleep_until(free_at);
        begin_issue(device, self);
        world_.turns.sleep_until(std::max(world_.now(), device.next_issue));
      }
      const Instant issue = std::max(free_at, device.next_issue);
      const bool goes_on = device.left > 0 && issue < device.is.until;
      if (goes_on) {
        --device.left;
        device.next_issue = issue + device.is.dma.interval;
      }
      if (!alone) end_issue(device);
      if (!goes_on) return;
      world_.turns.sleep_until(issue + device.is.link.latency);
      world_.turn(self, EventClass::arrival, device.number, 0);
      free_at = serve(device, self, issue);
      std::uint64_t& last = device.out.stats.last_completion;
      last = std::max(last, static_cast<std::uint64_t>(free_at.ps()));
    }
  }

  void begin_issue(Device& device, Self& self) {
    if (device.issuing) {
      device.wait_to_issue.push_back(&self);
      world_.turns.wait(self);
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
    world_.turns.wake(next);
  }

  // One request from its arrival on. Returns when its slot is free again.
  Instant serve(Device& device, Self& self, Instant issue) {
    const Traffic::Next request = device.traffic.next();
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
