// A guest under load with two vIOMMUs, and a host that it can move to; and that it leaves nothing where it was.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/catch.hpp"
#include "tests/support/second_host.hpp"

#include <algorithm>
#include <deque>
#include <vector>

namespace viosim::test {

inline ProcessParams moving_load(std::uint32_t rounds = 60) {
  ProcessParams params;
  params.work.traffic.window = Bytes(32 * 4096);
  params.work.traffic.request = 4_KiB;
  params.work.requests = 24;
  params.work.outstanding = 4;
  params.rounds = rounds;
  params.unmap = 5;
  params.pause = 2us;
  return params;
}

inline NetworkLinkParams moving_link() {
  NetworkLinkParams params;
  params.bandwidth = Bandwidth(200'000'000'000);
  params.latency = 5us;
  return params;
}

inline GuestParams moving_guest(PasidScope pasids) {
  GuestParams params;
  params.memory = 64_MiB;
  params.pasids = pasids;
  return params;
}

struct MovingLoad {
  bool shared = false;
  std::uint32_t processes = 4;
  std::uint32_t rounds = 60;
};

// A guest with two vIOMMUs and a function behind each, and a host to go to.
struct Moving {
  explicit Moving(const GuestParams& params, const MovingLoad& choice = {})
      : second(rig, moving_link()), guest(rig.add_guest(params)) {
    std::vector<FunctionDriver*> drivers;
    const bool whole = params.pasids == PasidScope::system_wide;
    for (const char* const name : {"v0", "v1"}) {
      const auto backend = whole ? PasidBackend::virtual_command : PasidBackend::guest_local;
      Guest::Unit& unit = guest.add_unit(name, {}, backend);
      AtsDevice& device = rig.add_device(choice.shared ? 2 : 4);
      Guest::Assignment assignment;
      if (choice.shared) {
        SharedQueueParams portal;
        portal.engines = 2;
        assignment.shared = &shared.emplace_back(device, 0, portal, rig.link,
                                                 64'000 + static_cast<std::uint32_t>(shared.size()),
                                                 rig.rig.engine.agenda());
      }
      drivers.push_back(&rig.assign(guest, unit, device, assignment));
    }
    group = &rig.group(guest, moving_load(choice.rounds), drivers);
    for (std::uint32_t i = 0; i < choice.processes; ++i) all.push_back(&rig.process(*group));
    target = second.target_for(guest);
  }
  void boot() {
    guest.boot([this](Thread&) {
      for (Process* const process : all) process->start();
    });
  }
  void migrate_at(Ps when) {
    rig.at(when, [this](Thread&) { guest.migrate(target); });
  }
  bool finished() const {
    return std::all_of(all.begin(), all.end(), [](const Process* p) { return p->finished(); });
  }
  const MigrationReport& report() const { return guest.migrations().back(); }

  SoftwareRig rig;
  SecondHost second;
  Guest& guest;
  std::deque<SharedQueue> shared;
  ProcessGroup* group = nullptr;
  std::vector<Process*> all;
  Migration::Target target;
};

inline void check_moving_devices(const std::deque<AtsDevice>& devices, Host::Unit& unit) {
  for (const AtsDevice& device : devices) {
    CHECK(device.requests_in_flight() == 0);
    CHECK(device.page_requests_outstanding() == 0);
    if (device.present()) CHECK(device.tlb().size() == 0);
    for (std::uint32_t pasid = 1; pasid < 64; ++pasid)
      CHECK(!unit.kernel.driver.present(device.source(), Pasid(pasid)));
  }
}

// `reserved`: PASIDs of sets that are still open.
inline void check_moving_host(Host& host, Host::Unit& unit, const std::deque<AtsDevice>& devices,
                              std::uint32_t reserved = 0) {
  CHECK(host.kernel.pasids.space().size() == 0);
  CHECK(host.ids.sets.capacity_left() == (1U << 20U) - reserved);
  CHECK(unit.kernel.requests.pending() == 0);
  CHECK(unit.kernel.faults.incomplete() == 0);
  check_moving_devices(devices, unit);
}

inline void check_both_empty(Moving& moving) {
  check_moving_host(moving.rig.host, moving.rig.unit, moving.rig.devices);
  check_moving_host(moving.second.host, moving.second.unit, moving.second.devices);
  CHECK(moving.guest.nothing_left());
  CHECK(moving.guest.machine.closed());
}

}  // namespace viosim::test
