// IOMMU configurations that have a name: what recordings were made on, and what the specification says.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/device/recorded_stream.hpp"
#include "models/iommu/vtd/unit.hpp"

#include <span>
#include <string_view>

namespace viosim {

struct IommuPreset {
  std::string_view name;
  std::string_view sentence;
  // The configuration for a stream: some of it, as legacy or scalable mode, is up to the guest that was recorded.
  vtd::UnitParams (*params)(const RecordedStream& stream);
};

std::span<const IommuPreset> iommu_presets();

// By name, or, when the name is empty, the one of the IOMMU that the stream was recorded on. Throws
// ConfigError for an unknown name.
const IommuPreset& find_preset(std::string_view name, const RecordedStream& stream);

}  // namespace viosim
