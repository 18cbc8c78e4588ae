// What a scenario must hold beyond its types: names of hosts, an end, and no more than can be run.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/scenario.hpp"

#include "sim/json/json.hpp"
#include "sim/scenario/names.hpp"
#include "sim/scenario/software_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <variant>

namespace viosim {
namespace {

constexpr std::uint64_t most_devices =
    1'000'000;  // of all hosts: their place in the order of events has 20 bits

constexpr std::uint64_t most_in_flight = std::uint64_t{1} << 24U;      // some 120 bytes for each
constexpr std::uint64_t most_mapped_pages = std::uint64_t{1} << 28U;   // 8 bytes for each
constexpr std::uint64_t most_cache_entries = std::uint64_t{1} << 25U;  // some 72 bytes for each

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

// What parts of all hosts have of something, and where those stand that have most.
struct Load {
  void add(std::uint64_t of_these, const Where& at) {
    all += of_these;
    if (of_these <= most) return;
    most = of_these;
    where = at;
  }
  std::uint64_t all = 0;
  std::uint64_t most = 0;
  std::optional<Where> where;
};

template <class Of>  // of(device): of one entry of a host's devices
Load load_of_dma(const Scenario& scenario, const Where& hosts, Of&& of) {
  Load load;
  for (std::size_t h = 0; h < scenario.hosts.size(); ++h) {
    for (std::size_t d = 0; d < scenario.hosts[h].devices.size(); ++d) {
      if (const auto* dma = std::get_if<DmaDevice>(&scenario.hosts[h].devices[d]))
        load.add(of(*dma) * scenario.hosts[h].count, hosts / h / "devices" / d);
    }
  }
  return load;
}

void check_in_flight(const Scenario& scenario, const Where& where) {
  const Load found = load_of_dma(
      scenario, where, [](const DmaDevice& device) { return in_flight(device) * device.count; });
  if (found.all <= most_in_flight) return;
  (*found.where / "outstanding")
      .reject(fmt::format("read {} requests in flight in all, {} of these devices; expected at "
                          "most {} in all: they would take more memory than is sensible",
                          found.all, found.most, most_in_flight));
}

void check_mapped_pages(const Scenario& scenario, const Where& where) {
  const Load found = load_of_dma(scenario, where, mapped_pages);
  if (found.all <= most_mapped_pages) return;
  (*found.where / "traffic" / "window")
      .reject(fmt::format("read windows of {} pages in all that are mapped from the start, {} of "
                          "these devices; expected at most {} (1 TiB) in all: their tables would "
                          "take more memory than is sensible",
                          found.all, found.most, most_mapped_pages));
}

std::uint64_t device_tlb_entries(const DeviceConfig& device) {
  if (const auto* dma = std::get_if<DmaDevice>(&device))
    return dma->ats ? std::uint64_t{dma->ats->tlb.entries} * dma->count : 0;
  const auto* accelerator = std::get_if<AcceleratorDevice>(&device);
  return accelerator == nullptr ? 0
                                : std::uint64_t{accelerator->ats.tlb.entries} * accelerator->count;
}

void check_cache_entries(const Scenario& scenario, const Where& where) {
  Load found;  // of entries in the caches of IOMMUs and functions
  for (std::size_t h = 0; h < scenario.hosts.size(); ++h) {
    const HostConfig& host = scenario.hosts[h];
    for (std::size_t i = 0; i < host.iommus.size(); ++i) {
      const auto entries = [](const auto& iommu) { return iommu.params.cache_entries(); };
      found.add(std::visit(entries, static_cast<const IommuConfig::Variant&>(host.iommus[i])) *
                    host.count,
                where / h / "iommus" / i);
    }
    for (std::size_t d = 0; d < host.devices.size(); ++d)
      found.add(device_tlb_entries(host.devices[d]) * host.count,
                where / h / "devices" / d / "ats" / "entries");
  }
  if (found.all <= most_cache_entries) return;
  found.where->reject(fmt::format(
      "read caches of {} entries in all, {} of them here; expected at most {} in all: they "
      "would take more memory than is sensible",
      found.all, found.most, most_cache_entries));
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

// Of a device that nothing but its last request stops. Events may change how fast it goes.
void check_end(const DmaDevice& device, bool paced, const Where& requests) {
  const std::uint64_t count = device.dma.requests;
  if (count == 0) {
    return requests.reject(
        "read 0 in a scenario without \"duration\"; expected a number of requests, or a "
        "duration: the run would never end");
  }
  const std::int64_t left = Instant::latest().ps() - device.start.count();
  const auto most = static_cast<std::uint64_t>(left / device.dma.interval.count()) + 1;
  if (paced || count <= most) return;
  requests.reject(fmt::format(
      "read {}, of which the last would be sent after {}, the latest instant that can be told; "
      "expected at most {} with this interval and start, or a duration",
      count, format_time(Ps(Instant::latest().ps()), 12), most));
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
  check_cache_entries(*this, where / "hosts");
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
      if (const auto* dma = std::get_if<DmaDevice>(&hosts[h].devices[d]))
        check_end(*dma, !events.empty(), where / "hosts" / h / "devices" / d / "requests");
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
