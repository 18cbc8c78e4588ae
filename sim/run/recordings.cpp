// Reads recordings, and holds them against the IOMMUs that they are to be played on.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/recordings.hpp"

#include "sim/recording/recording.hpp"
#include "sim/scenario/names.hpp"

#include <fmt/format.h>

namespace viosim {

void check_playable(const RecordedStream& stream, const std::string& file,
                    const vtd::UnitParams& iommu) {
  if (const auto refused = first_refused(stream, iommu.invalidation))
    throw ConfigError({file, fmt::format("line {}", refused->line), "read " + refused->says});
}

RecordedStream read_recording(const std::filesystem::path& file, Progress* progress) {
  RecordingOptions options;
  if (progress != nullptr) {
    options.on_record = [progress, what = "reading " + file.string()](std::uint64_t records,
                                                                      std::uint64_t all) {
      progress->tell(what, static_cast<double>(records) / static_cast<double>(all));
    };
  }
  return read_recording(file.string(), options);
}

std::string NamedBy::text(std::size_t host, std::size_t device) const {
  return fmt::format("; named by /hosts/{}/devices/{}/trace of {}", host, device, file);
}

Recordings read_recordings(const Scenario& scenario, const NamedBy& named_by, Progress* progress) {
  Recordings recordings;
  std::vector<Problem> problems;
  for (std::size_t h = 0; h < scenario.hosts.size(); ++h) {
    for (std::size_t d = 0; d < scenario.hosts[h].devices.size(); ++d) {
      const auto* recorded = std::get_if<RecordedDevice>(&scenario.hosts[h].devices[d]);
      if (recorded == nullptr) continue;
      const std::filesystem::path file = named_by.base / recorded->trace;
      try {
        if (!recordings.contains(recorded->trace))
          recordings.emplace(recorded->trace, read_recording(file, progress));
        const auto* iommu = std::get_if<VtdIommu>(find_iommu(scenario.hosts[h], recorded->iommu));
        ensure(iommu != nullptr, "a recording is behind an IOMMU that cannot play it");
        check_playable(recordings.at(recorded->trace), file.string(), iommu->params);
      } catch (const ConfigError& error) {
        for (Problem problem : error.problems()) {
          problem.message += named_by.text(h, d);
          problems.push_back(std::move(problem));
        }
      }
    }
  }
  if (!problems.empty()) throw ConfigError(std::move(problems));
  return recordings;
}

}  // namespace viosim
