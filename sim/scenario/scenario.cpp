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

constexpr std::uint64_t most_hosts = 10'000;
constexpr std::uint64_t most_in_flight = std::uint64_t{1} << 24U;  // some 120 bytes for each

// Of one device; as many as it sends, where those are fewer.
std::uint64_t in_flight(const DmaDevice& device) {
  const std::uint64_t requests = device.dma.requests;
  return requests == 0 ? device.dma.outstanding
                       : std::min<std::uint64_t>(requests, device.dma.outstanding);
}

// Requests in flight of all devices; the message is at those that have most.
void check_in_flight(const Scenario& scenario, const Where& where) {
  std::uint64_t all = 0;
  std::uint64_t most = 0;
  Where place = where;
  for (std::size_t h = 0; h < scenario.hosts.size(); ++h) {
    for (std::size_t d = 0; d < scenario.hosts[h].devices.size(); ++d) {
      const auto* dma = std::get_if<DmaDevice>(&scenario.hosts[h].devices[d]);
      if (dma == nullptr) continue;
      const std::uint64_t of_these = in_flight(*dma) * dma->count * scenario.hosts[h].count;
      all += of_these;
      if (of_these <= most) continue;
      most = of_these;
      place = where / h / "devices" / d / "outstanding";
    }
  }
  if (all <= most_in_flight) return;
  place.reject(
      fmt::format("read {} requests in flight in all, {} of these devices; expected at "
                  "most {} in all: they would take more memory than is sensible",
                  all, most, most_in_flight));
}

void check_host_count(const Scenario& scenario, const Where& where) {
  std::uint64_t all = 0;
  for (const HostConfig& host : scenario.hosts) all += host.count;
  if (all > most_hosts)
    where.reject(
        fmt::format("read {} hosts in all; expected at most {}: they would take more "
                    "memory than is sensible",
                    all, most_hosts));
}

}  // namespace

void Scenario::check(const Where& where) const {
  check_name(name, where);
  if (hosts.empty()) (where / "hosts").reject("read an empty list; expected at least one host");
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
  check_links(*this, where / "links");
  check_events(events, duration.has_value(), where / "events");
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (!names.insert(hosts[i].name).second) {
      (where / "hosts" / i / "name")
          .reject(fmt::format("read {}; expected a name that no other host has",
                              quote_short(hosts[i].name)));
    }
  }
  if (duration) {
    if (*duration <= Ps(0)) {
      (where / "duration")
          .reject(fmt::format("read \"{}\"; expected more than \"0 ps\"", to_text(*duration)));
    }
    return;
  }
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
