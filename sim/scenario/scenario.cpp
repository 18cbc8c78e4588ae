// What a scenario must hold beyond its types: names of hosts, an end, and no more than can be run.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/scenario.hpp"

#include "sim/json/json.hpp"
#include "sim/scenario/names.hpp"
#include "sim/scenario/software_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace viosim {
namespace {

constexpr std::uint64_t most_devices =
    1'000'000;  // of all hosts: their place in the order of events has 20 bits

constexpr std::uint64_t most_in_flight = std::uint64_t{1} << 24U;     // some 120 bytes for each
constexpr std::uint64_t most_mapped_pages = std::uint64_t{1} << 28U;  // 8 bytes for each

// Of one device; as many as it sends, where those are fewer.
std::uint64_t in_flight(const DmaDevice& device) {
  const std::uint64_t requests = device.dma.requests;
  return requests == 0 ? device.dma.outstanding
                       : std::min<std::uint64_t>(requests, device.dma.outstanding);
}

// Pages that are mapped from the start; devices of a domain share their table.
std::uint64_t mapped_pages(const DmaDevice& device) {
  if (!device.populate) return 0;
  const std::uint64_t pages = device.dma.traffic.window.count() / page_4k.count();
  return device.domain ? pages : pages * device.count;
}

// What the devices of all hosts have of something, and those that have most.
struct Load {
  std::uint64_t all = 0;
  std::uint64_t most = 0;
  std::size_t host = 0;
  std::size_t device = 0;
};

template <class Of>  // of(device): of one entry of a host's devices
Load load(const Scenario& scenario, Of&& of) {
  Load load;
  for (std::size_t h = 0; h < scenario.hosts.size(); ++h) {
    for (std::size_t d = 0; d < scenario.hosts[h].devices.size(); ++d) {
      const auto* dma = std::get_if<DmaDevice>(&scenario.hosts[h].devices[d]);
      if (dma == nullptr) continue;
      const std::uint64_t of_these = of(*dma) * scenario.hosts[h].count;
      load.all += of_these;
      if (of_these > load.most) load = {load.all, of_these, h, d};
    }
  }
  return load;
}

void check_in_flight(const Scenario& scenario, const Where& where) {
  const Load found =
      load(scenario, [](const DmaDevice& device) { return in_flight(device) * device.count; });
  if (found.all <= most_in_flight) return;
  (where / found.host / "devices" / found.device / "outstanding")
      .reject(fmt::format("read {} requests in flight in all, {} of these devices; expected at "
                          "most {} in all: they would take more memory than is sensible",
                          found.all, found.most, most_in_flight));
}

void check_mapped_pages(const Scenario& scenario, const Where& where) {
  const Load found = load(scenario, mapped_pages);
  if (found.all <= most_mapped_pages) return;
  (where / found.host / "devices" / found.device / "traffic" / "window")
      .reject(fmt::format("read windows of {} pages in all that are mapped from the start, {} of "
                          "these devices; expected at most {} (1 TiB) in all: their tables would "
                          "take more memory than is sensible",
                          found.all, found.most, most_mapped_pages));
}

void check_host_count(const Scenario& scenario, const Where& where) {
  std::uint64_t all = 0;
  for (const HostConfig& host : scenario.hosts) all += host.count;
  if (all > HostConfig::most)
    where.reject(
        fmt::format("read {} hosts in all; expected at most {}: they would take more "
                    "memory than is sensible",
                    all, HostConfig::most));
}

}  // namespace

void Scenario::check(const Where& where) const {
  std::set<std::string> names;
  std::uint64_t devices = 0;
  for (const HostConfig& host : hosts) {
    std::uint64_t of_host = host.iommus.size() + places_of_software(host);
    for (const DeviceConfig& device : host.devices) {
      const auto* dma = std::get_if<DmaDevice>(&device);
      if (dma != nullptr) of_host += dma->count;
      if (std::holds_alternative<RecordedDevice>(device)) ++of_host;
    }
    devices += of_host * host.count;
  }
  if (devices > most_devices) {
    (where / "hosts")
        .reject(
            fmt::format("read {} devices, IOMMUs and parts of guests in all; expected at most {}",
                        devices, most_devices));
  }
  check_host_count(*this, where / "hosts");
  check_in_flight(*this, where / "hosts");
  check_mapped_pages(*this, where / "hosts");
  check_links(*this, where / "links");
  check_events(events, duration.has_value(), where / "events");
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (!names.insert(hosts[i].name).second) {
      (where / "hosts" / i / "name")
          .reject(fmt::format("read {}; expected a name that no other host has",
                              quote_short(hosts[i].name)));
    }
  }
  if (duration) return;
  for (std::size_t h = 0; h < hosts.size(); ++h) {
    for (std::size_t d = 0; d < hosts[h].devices.size(); ++d) {
      const auto* dma = std::get_if<DmaDevice>(&hosts[h].devices[d]);
      if (dma != nullptr && dma->dma.requests == 0) {
        (where / "hosts" / h / "devices" / d / "requests")
            .reject(
                "read 0 in a scenario without \"duration\"; expected a number of requests, or a "
                "duration: the run would never end");
      }
    }
    if (hosts[h].kernel.migrate_every > Ps(0)) {
      (where / "hosts" / h / "kernel" / "migrate_every")
          .reject(
              "read it in a scenario without \"duration\"; expected a duration: the run would "
              "never end");
    }
  }
}

}  // namespace viosim
