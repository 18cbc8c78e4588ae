// How results call what a guest has of a host: the files by which its hypervisor has functions and PASIDs, and its
// processors' translation of PASIDs.
// SPDX-License-Identifier: Apache-2.0
//
// "host0.vm.vfio" on the host where the guest boots, "host0.vm.vfio[host1]" on another one that it moves to.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace viosim {

// A host as an index: "host[1]" is "host.1" there.
inline std::string index_of_host(std::string_view host) {
  std::string index(host.substr(0, host.ends_with(']') ? host.size() - 1 : host.size()));
  std::replace(index.begin(), index.end(), '[', '.');
  return index;
}

// `part`: "vfio", "iommufd" or "pasid_translation". `elsewhere`: the host that it moves to; empty: that where it
// boots.
inline std::string path_on_host(std::string_view guest, std::string_view part,
                                std::string_view elsewhere = {}) {
  std::string path = std::string(guest) + '.' + std::string(part);
  if (!elsewhere.empty()) path += '[' + index_of_host(elsewhere) + ']';
  return path;
}

// The index in the path of such a part of this guest's, or of a part of it; empty: there is none.
inline std::string_view elsewhere_in(std::string_view path, std::string_view guest) {
  const std::string_view part = path.substr(guest.size());
  for (const std::string_view kind : std::array{".vfio[", ".iommufd[", ".pasid_translation["}) {
    if (!part.starts_with(kind)) continue;
    const std::string_view index = part.substr(kind.size());
    return index.substr(0, index.find(']'));
  }
  return {};
}

}  // namespace viosim
