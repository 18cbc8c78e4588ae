// What links connect.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/links.hpp"

#include "sim/scenario/assignments.hpp"
#include "sim/scenario/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

namespace viosim {
namespace {

using Ends = std::set<std::string>;

void check_end(const std::string& end, const std::vector<std::string>& hosts, const Where& where) {
  if (std::find(hosts.begin(), hosts.end(), end) != hosts.end()) return;
  const std::vector<std::string_view> names(hosts.begin(), hosts.end());
  const std::string_view nearest = nearest_name(end, names);
  std::string message = fmt::format("read {}; expected the path of a host", quote_short(end));
  if (!nearest.empty()) message += fmt::format("; did you mean \"{}\"?", nearest);
  where.reject(std::move(message));
}

}  // namespace

std::vector<std::string> host_paths(const Scenario& scenario) {
  std::vector<std::string> paths;
  for (const HostConfig& host : scenario.hosts) {
    for (std::uint32_t i = 0; i < host.count; ++i)
      paths.push_back(name_of(DeviceGroup{host.name, host.count}, i));
  }
  return paths;
}

void check_links(const Scenario& scenario, const Where& where) {
  if (scenario.links.empty()) return;
  const std::vector<std::string> hosts = host_paths(scenario);
  std::set<std::string> names;
  for (const HostConfig& host : scenario.hosts) names.insert(host.name);
  std::set<Ends> known;
  for (std::size_t i = 0; i < scenario.links.size(); ++i) {
    const LinkConfig& link = scenario.links[i];
    const Where at = where / i;
    if (!names.insert(link.name).second) {
      (at / "name")
          .reject(fmt::format("read {}; expected a name that no host and no other link has",
                              quote_short(link.name)));
    }
    for (std::size_t end = 0; end < 2; ++end)
      check_end(link.between[end], hosts, at / "between" / end);
    const Ends ends(link.between.begin(), link.between.end());
    if (ends.size() < 2) {
      (at / "between")
          .reject(fmt::format("read {} twice; expected two hosts", quote_short(link.between[0])));
    } else if (!known.insert(ends).second) {
      (at / "between").reject("read two hosts that another link connects; expected others");
    }
  }
}

}  // namespace viosim
