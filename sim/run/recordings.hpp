// The recordings of a scenario, read before anything is built.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/vtd/unit.hpp"
#include "sim/run/progress.hpp"
#include "sim/run/system.hpp"

#include <filesystem>
#include <string>

namespace viosim {

// Every recording that the scenario names, relative to `base`. All that is wrong with them is one
// ConfigError; each of its problems says which place of the scenario named the file.
Recordings read_recordings(const Scenario& scenario, const std::filesystem::path& base,
                           Progress* progress = nullptr);
// Whether such an IOMMU takes every descriptor of the stream, which `file` holds. Throws ConfigError.
void check_playable(const RecordedStream& stream, const std::string& file,
                    const vtd::UnitParams& iommu);
// One of them; `file` is its path.
RecordedStream read_recording(const std::filesystem::path& file, Progress* progress);

}  // namespace viosim
