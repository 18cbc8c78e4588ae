// Checks of guests by VFIO and by iommufd.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/interface_check.hpp"

#include "sim/json/json.hpp"
#include "sim/scenario/component_path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <variant>

namespace viosim {
namespace {

void check_vfio(const GuestConfig& guest, const Where& where) {
  if (guest.params.iommufd != IommufdParams{})
    (where / "iommufd").reject("read it with \"host_interface\": \"vfio\"; expected \"iommufd\"");
  const bool system_wide = guest.params.pasids == PasidScope::system_wide;
  for (std::size_t v = 0; v < guest.viommus.size(); ++v) {
    if (!system_wide && guest.viommus[v].backend == PasidBackend::virtual_command) {
      (where / "viommus" / v / "backend")
          .reject(
              "read \"virtual-command\", the default, in a guest whose \"pasids\" are "
              "\"guest-wide\"; expected \"guest-local\" or \"none\", or \"pasids\": "
              "\"system-wide\": no numbers of the host's are offered to it");
    }
    if (!system_wide || guest.viommus[v].backend != PasidBackend::guest_local) continue;
    (where / "viommus" / v / "backend")
        .reject(
            "read \"guest-local\" in a guest whose \"pasids\" are \"system-wide\"; expected "
            "\"virtual-command\", or \"pasids\": \"guest-wide\": the host binds no number that it "
            "has not given");
  }
}

bool has_portal(const HostConfig& host, const AssignConfig& assign) {
  const std::string name(steps_of(assign.devices).front().name);
  return std::any_of(host.devices.begin(), host.devices.end(), [&](const DeviceConfig& one) {
    const auto* of = std::get_if<AcceleratorDevice>(&one);
    return of != nullptr && of->name == name && of->shared_queue;
  });
}

// A vCPU's ENQCMD carries one number, whichever portal it goes to.
void check_portals(const GuestConfig& guest, const HostConfig& host, const Where& where) {
  const bool slices =
      std::any_of(guest.assign.begin(), guest.assign.end(),
                  [&](const AssignConfig& one) { return one.slice && has_portal(host, one); });
  for (std::size_t a = 0; slices && a < guest.assign.size(); ++a) {
    if (guest.assign[a].slice || !has_portal(host, guest.assign[a])) continue;
    (where / "assign" / a / "devices")
        .reject(
            fmt::format("read {}, all of an accelerator with a shared queue, in a guest with a "
                        "slice of such a one; expected slices only: by iommufd their PASIDs are "
                        "other ones",
                        quote_short(guest.assign[a].devices)));
  }
}

void check_iommufd(const GuestConfig& guest, const HostConfig& host, const Where& where) {
  if (guest.params.vfio != VfioParams{})
    (where / "vfio").reject("read it with \"host_interface\": \"iommufd\"; expected \"vfio\"");
  if (guest.params.pasids == PasidScope::system_wide) {
    (where / "pasids")
        .reject(
            "read \"system-wide\" with \"host_interface\": \"iommufd\"; expected \"guest-wide\": "
            "it gives guests no numbers of the host's");
  }
  for (std::size_t v = 0; v < guest.viommus.size(); ++v) {
    if (guest.viommus[v].backend != PasidBackend::virtual_command) continue;
    (where / "viommus" / v / "backend")
        .reject(
            "read \"virtual-command\" with \"host_interface\": \"iommufd\"; expected "
            "\"guest-local\": it gives guests no numbers of the host's");
  }
  check_portals(guest, host, where);
}

}  // namespace

void check_interface(const GuestConfig& guest, const HostConfig& host, const Where& where) {
  if (guest.params.host_interface == HostInterface::iommufd) {
    check_iommufd(guest, host, where);
  } else {
    check_vfio(guest, where);
  }
}

}  // namespace viosim
