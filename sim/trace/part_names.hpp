// Which component belongs to which guest, IOMMU, host or link between hosts, as the scenario of a run says.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/rows.hpp"

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace viosim {

enum class PartOf : std::uint8_t { host, guest, iommu, link };
std::string_view name_of(PartOf part);  // "host", "guest", "IOMMU", "link"

class PartNames {
 public:
  // A manifest without a scenario has hosts only. `file` is named when the scenario cannot be read.
  PartNames(const Manifest& manifest, const std::string& file);

  PartOf of(std::string_view component) const;
  // The path of that guest, IOMMU, host or link: "host0.vm[1]" for "host0.vm[1].v0.driver".
  std::string path_of(std::string_view component) const;

 private:
  std::set<std::pair<std::string, std::string>> guests_;  // host and guest, without indices
  std::set<std::pair<std::string, std::string>> iommus_;
  std::set<std::string, std::less<>> links_;
};

}  // namespace viosim
