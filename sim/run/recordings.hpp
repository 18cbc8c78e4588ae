// The recordings of a scenario, read before anything is built.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/unit.hpp"
#include "sim/run/progress.hpp"
#include "sim/run/system.hpp"

#include <cstddef>
#include <filesystem>
#include <string>

namespace viosim {

// Where a scenario's recordings are looked for, and what messages call the scenario: its file.
struct NamedBy {
  std::filesystem::path base;
  std::string file;
  // "; named by /hosts/0/devices/1/trace of s.json"
  std::string text(std::size_t host, std::size_t device) const;
};

// Every recording that the scenario names. All that is wrong with them is one ConfigError; each of
// its problems says which place of the scenario named the file.
Recordings read_recordings(const Scenario& scenario, const NamedBy& named_by,
                           Progress* progress = nullptr);
// Whether such an IOMMU takes every descriptor of the stream, which `file` holds. Throws ConfigError.
void check_playable(const RecordedStream& stream, const std::string& file,
                    const vtd::UnitParams& iommu);
// One of them; `file` is its path.
RecordedStream read_recording(const std::filesystem::path& file, Progress* progress);

}  // namespace viosim
