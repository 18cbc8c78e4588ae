// Looking names up.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/names.hpp"

#include "sim/json/json.hpp"

#include <fmt/format.h>

#include <vector>

namespace viosim {
const std::string& name_of(const IommuConfig& iommu) {
  return std::visit([](const auto& i) -> const std::string& { return i.name; }, iommu);
}

const std::string& name_of_device(const DeviceConfig& device) {
  return std::visit([](const auto& d) -> const std::string& { return d.name; }, device);
}
const std::string& iommu_of_device(const DeviceConfig& device) {
  return std::visit([](const auto& d) -> const std::string& { return d.iommu; }, device);
}

const IommuConfig* find_iommu(const HostConfig& host, std::string_view name) {
  for (const IommuConfig& iommu : host.iommus) {
    if (name_of(iommu) == name) return &iommu;
  }
  return nullptr;
}

void reject_iommu(const HostConfig& host, const std::string& name, const Where& where) {
  std::vector<std::string_view> names;
  for (const IommuConfig& iommu : host.iommus) names.emplace_back(name_of(iommu));
  const std::string_view nearest = nearest_name(name, names);
  std::string message = fmt::format("read {}; expected the name of an IOMMU of host \"{}\"",
                                    quote_short(name), host.name);
  if (!nearest.empty()) message += fmt::format("; did you mean \"{}\"?", nearest);
  where.reject(std::move(message));
}

void reject_shared_by_recording(const std::string& iommu, const Where& where) {
  (where / "iommu")
      .reject(fmt::format("read {}; expected an IOMMU of its own: recorded requester and "
                          "domain ids would meet those of other devices",
                          quote_short(iommu)));
}

void reject_iommu_of_recording(const std::string& iommu, const Where& where) {
  (where / "iommu")
      .reject(fmt::format("read {}; expected another IOMMU: a recording has that one to itself",
                          quote_short(iommu)));
}

}  // namespace viosim
