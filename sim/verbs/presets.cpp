// The named IOMMU configurations.
// SPDX-License-Identifier: Apache-2.0
#include "sim/verbs/presets.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

namespace viosim {
namespace {

vtd::Mode mode_of(const RecordedStream& stream) {
  return stream.scalable_mode ? vtd::Mode::scalable : vtd::Mode::legacy;
}

// QEMU 7.2, hw/i386/intel_iommu.c: one hash table of 1024 translations keyed by page, requester and
// level, emptied when it is full; context entries are cached for every function there is.
vtd::UnitParams qemu_vtd(const RecordedStream& stream) {
  vtd::UnitParams params;
  params.mode = mode_of(stream);
  params.iotlb_tag = IotlbTag::source;
  params.iotlb.entries = stream.iotlb_capacity != 0 ? stream.iotlb_capacity : 1024;
  params.iotlb.ways = 0;
  params.iotlb.replacement = Replacement::flush_all;
  params.context_cache.entries = 65536;
  params.context_cache.replacement = Replacement::fifo;
  params.page_match_bits = 8;
  params.walkers = 1;
  return params;
}

vtd::UnitParams qemu_vtd_exact(const RecordedStream& stream) {
  vtd::UnitParams params = qemu_vtd(stream);
  params.page_match_bits = 52;
  return params;
}

// Drops everything when full, as the emulated one does, and is otherwise ours: keyed by domain, exact ranges.
vtd::UnitParams emulated(const RecordedStream& stream) {
  vtd::UnitParams params;
  params.mode = vtd::Mode::legacy;
  params.iotlb.entries = stream.iotlb_capacity != 0 ? stream.iotlb_capacity : 1024;
  params.iotlb.replacement = Replacement::flush_all;
  params.walkers = 1;
  return params;
}

vtd::UnitParams defaults(const RecordedStream& stream) {
  vtd::UnitParams params;
  params.mode = mode_of(stream);
  return params;
}

constexpr std::array presets = {
    IommuPreset{"qemu-7.2-vtd",
                "QEMU 7.2's intel-iommu, with its page mask of 8 bits: what the VT-d recordings "
                "were made on",
                &qemu_vtd},
    IommuPreset{"qemu-7.2-vtd-exact-mask",
                "the same with the page mask that the specification asks for", &qemu_vtd_exact},
    IommuPreset{"drop-all",
                "a cache keyed by domain that drops everything when full: for recordings of other "
                "architectures",
                &emulated},
    IommuPreset{"vtd", "the defaults of the vtd model: 64 entries, LRU", &defaults}};

}  // namespace

std::span<const IommuPreset> iommu_presets() { return presets; }

const IommuPreset& find_preset(std::string_view name, const RecordedStream& stream) {
  if (name.empty()) name = stream.iommu == "intel-vtd" ? "qemu-7.2-vtd" : "drop-all";
  std::vector<std::string_view> names;
  std::string list;
  for (const IommuPreset& preset : presets) {
    if (preset.name == name) return preset;
    names.push_back(preset.name);
    list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", preset.name);
  }
  const std::string_view nearest = nearest_name(name, names);
  throw ConfigError(
      {"--iommu", "",
       fmt::format("read \"{}\"; expected one of {}{}", name, list,
                   nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest))});
}

}  // namespace viosim
