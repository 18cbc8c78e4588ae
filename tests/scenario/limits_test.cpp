// A scenario that would take more memory than is sensible is refused, at the place that asks for it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/scenario/scenario.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>

#include <string>

using namespace viosim;
using Catch::Matchers::Contains;

namespace {

struct Size {
  unsigned hosts = 1;
  unsigned devices = 1;
  unsigned outstanding = 1;
  unsigned requests = 4096;
  std::string window = "2 MiB";
  unsigned iotlb = 64;
  std::string more = "";  // of the devices
};

std::string refusal(const Size& size) {
  const std::string text = fmt::format(
      R"({{"name": "s", "hosts": [{{"name": "few", "iommus": [{{"name": "i", "model": "vtd"}}], "devices": []}},
         {{"name": "h", "count": {}, "iommus": [{{"name": "i", "model": "vtd", "iotlb": {{"entries": {}}}}}],
          "devices": [{{"name": "d", "model": "dma", "iommu": "i", "count": {}, "outstanding": {}, "requests": {}, "traffic": {{"window": "{}"}}{}}}]}}]}})",
      size.hosts, size.iotlb, size.devices, size.outstanding, size.requests, size.window,
      size.more);
  try {
    read_scenario(parse_json(text, "s"), "s");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("requests in flight of all devices have a bound", "[scenario][limits]") {
  CHECK(refusal({.devices = 4096, .outstanding = 4096}).empty());
  CHECK_THAT(refusal({.devices = 4097, .outstanding = 4096}),
             Contains("/hosts/1/devices/0/outstanding: read 16781312 requests in flight in all"));
  CHECK(refusal({.devices = 60'000, .outstanding = 4096, .requests = 8}).empty());
  CHECK_THAT(refusal({.hosts = 1000, .devices = 900, .outstanding = 64}),
             Contains("expected at most 16777216 in all"));
}

TEST_CASE("pages that are mapped from the start have a bound, over all hosts",
          "[scenario][limits]") {
  CHECK(refusal({.window = "1 TiB"}).empty());
  CHECK(refusal({.hosts = 1024, .window = "1 GiB"}).empty());
  CHECK_THAT(refusal({.hosts = 100, .window = "1000 GiB"}),
             Contains("s: /hosts/1/devices/0/traffic/window: read windows of 26214400000 pages in "
                      "all that are mapped from the start"));
  CHECK_THAT(refusal({.hosts = 2, .devices = 513, .window = "1 GiB"}),
             Contains("expected at most 268435456 (1 TiB) in all"));
}

TEST_CASE("hosts of all entries have a bound", "[scenario][limits]") {
  CHECK(refusal({.hosts = 9'999}).empty());
  CHECK_THAT(refusal({.hosts = 10'000}),
             Contains("/hosts: read 10001 hosts in all; expected at most 10000"));
}

TEST_CASE("entries of caches have a bound, over all hosts and devices", "[scenario][limits]") {
  const auto device_tlb = [](unsigned entries) {
    return fmt::format(R"(, "pasid": 1, "ats": {{"entries": {}}})", entries);
  };
  CHECK(refusal({.hosts = 30, .iotlb = 1'048'576}).empty());
  CHECK_THAT(
      refusal({.hosts = 32, .iotlb = 1'048'576}),
      Contains(
          "s: /hosts/1/iommus/0: read caches of 33558720 entries in all, 33558528 of them here; "
          "expected at most 33554432 in all"));
  CHECK(refusal({.devices = 60'000, .more = device_tlb(256)}).empty());
  CHECK_THAT(
      refusal({.devices = 1000, .more = device_tlb(1'048'576)}),
      Contains("s: /hosts/1/devices/0/ats/entries: read caches of 1048576384 entries in all, "
               "1048576000 of them here"));
}
