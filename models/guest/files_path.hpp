// How the files are called by which a hypervisor has functions and PASIDs of a host.
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

// `kind`: "vfio" or "iommufd". `elsewhere`: the host that it moves to; empty: that where it boots.
inline std::string path_of_files(std::string_view machine, std::string_view kind,
                                 std::string_view elsewhere = {}) {
  std::string path = std::string(machine) + '.' + std::string(kind);
  if (!elsewhere.empty()) path += '[' + index_of_host(elsewhere) + ']';
  return path;
}

// The index in the path of files, or of a part of theirs; empty: there is none.
inline std::string_view elsewhere_in(std::string_view path) {
  for (const std::string_view kind : std::array{".vfio[", ".iommufd["}) {
    const std::size_t at = path.find(kind);
    if (at == std::string_view::npos) continue;
    const std::string_view index = path.substr(at + kind.size());
    return index.substr(0, index.find(']'));
  }
  return {};
}

}  // namespace viosim
