// Small recordings written by tests, and the shipped ones.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "sim/recording/recording.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace viosim::test {

// What the first line of a VT-d recording says, but for the number of records.
inline const std::string vtd_meta =
    R"("k":"meta","format":"viommu-trace/1","name":"sample","iommu":"intel-vtd","strict":1,)"
    R"("caching_mode":false,"scalable_mode":false,"iotlb":{"capacity":4,"address_width":39})";
inline const std::string vtd_meta_of_qemu =
    R"("k":"meta","format":"viommu-trace/1","name":"sample","iommu":"intel-vtd","strict":1,)"
    R"("caching_mode":false,"scalable_mode":false,"iotlb":{"capacity":1024,"address_width":39})";
inline const std::string lazy_vtd_meta =
    R"("k":"meta","format":"viommu-trace/1","name":"sample","iommu":"intel-vtd","strict":0,)"
    R"("caching_mode":false,"scalable_mode":false,"iotlb":{"capacity":4})";
inline const std::string smmu_meta =
    R"("k":"meta","format":"viommu-trace/1","name":"sample","iommu":"arm-smmuv3","strict":1,)"
    R"("iotlb":{"capacity":256})";
inline const std::string virtio_meta =
    R"("k":"meta","format":"viommu-trace/1","name":"sample","iommu":"virtio-iommu","strict":1,)"
    R"("iotlb":null)";

inline std::string text_of(const std::string& meta, const std::vector<std::string>& records) {
  std::string text = fmt::format("{{{},\"records\":{}}}\n", meta, records.size());
  for (const std::string& record : records) text += record + "\n";
  return text;
}

inline RecordedStream read_sample(const std::string& meta, const std::vector<std::string>& records,
                                  const RecordingOptions& options = {}) {
  return parse_recording("sample.jsonl", text_of(meta, records), options);
}

// The one problem that a recording is refused for.
inline Problem problem_of(const std::string& name, std::string_view bytes,
                          const RecordingOptions& options = {}) {
  try {
    parse_recording(name, bytes, options);
  } catch (const ConfigError& error) {
    return error.problems().at(0);
  }
  throw std::logic_error("the recording was accepted");
}

inline std::string shipped_path(const std::string& name) {
  return fmt::format("{}/{}.jsonl.zst", VIOSIM_TRACES, name);
}

inline std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace viosim::test
