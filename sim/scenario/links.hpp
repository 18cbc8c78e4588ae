// Links of a network between hosts, as a scenario names them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/network/network_link.hpp"
#include "sim/scenario/name_rule.hpp"

#include <string>
#include <vector>

namespace viosim {

struct Scenario;

struct LinkConfig {
  std::string name;
  std::vector<std::string> between;
  NetworkLinkParams params;

  static constexpr auto fields() {
    using L = LinkConfig;
    return Fields{
        required("name", &L::name, "How results call it.").matching(component_name),
        required("between", &L::between,
                 "The two hosts that it connects: \"host0\"; of those with `count` \"host[0]\".")
            .items({2, 2}),
        embedded(&L::params)};
  }
  bool operator==(const LinkConfig&) const = default;
};

// Paths of all hosts, in their order.
std::vector<std::string> host_paths(const Scenario& scenario);
// Reports ends that are no hosts, and links that are there twice.
void check_links(const Scenario& scenario, const Where& where);

}  // namespace viosim
