// libFuzzer target for the reader of recordings, and for playing what it accepts. The first byte of an
// input chooses what the rest is: compressed bytes as they are, plain text, or text that is
// compressed before it is read.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "core/des/engine.hpp"
#include "sim/recording/recording.hpp"
#include "sim/run/trial.hpp"
#include "sim/verbs/presets.hpp"

#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

std::string compressed(std::string_view text) {
  std::string bytes(ZSTD_compressBound(text.size()), '\0');
  bytes.resize(ZSTD_compress(bytes.data(), bytes.size(), text.data(), text.size(), 1));
  return bytes;
}

// Whatever is accepted keeps the promises of RecordedStream that cost little to check.
void check(const viosim::RecordedStream& stream) {
  std::int64_t before = 0;
  for (const viosim::RecordedOp& op : stream.ops) {
    viosim::ensure(op.time_ps >= before, "times of an accepted recording decrease");
    before = op.time_ps;
  }
}

// Whatever the reader accepts is played to its end: a run that fails would be a finding, but for one
// that does not end before the last instant there is. Small ones only, to keep the pace.
void play(const viosim::RecordedStream& stream) {
  constexpr std::size_t most_records = 256;
  constexpr std::uint64_t most_pages = 1U << 14U;
  std::uint64_t pages = 0;
  for (const viosim::RecordedOp& op : stream.ops) pages += op.pages;
  if (stream.ops.size() > most_records || pages > most_pages) return;
  viosim::VtdIommu iommu;
  iommu.name = "iommu";
  iommu.params = viosim::find_preset("", stream).params(stream);
  if (viosim::first_refused(stream, iommu.params.invalidation)) return;
  viosim::RecordedDevice device;
  device.name = "devices";
  device.iommu = "iommu";
  device.trace = "fuzz";
  viosim::HostConfig host;
  host.name = "host0";
  host.iommus.emplace_back(iommu);
  host.devices.emplace_back(device);
  viosim::Scenario scenario;
  scenario.name = "fuzz";
  scenario.hosts.push_back(host);
  viosim::Recordings recordings;
  recordings.emplace("fuzz", stream);
  try {
    viosim::Trial trial(scenario, recordings);
    trial.run(true);
    viosim::ensure(viosim::all_met(trial.verdicts()), "an accepted recording is played in part");
  } catch (const viosim::TimeLimitError&) {
    // Recorded just before it.
  }
}

void use(const viosim::RecordedStream& stream) {
  check(stream);
  play(stream);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const viosim::RecordingOptions small{.max_line_bytes = 4096,
                                       .max_text_bytes = std::uint64_t{1} << 22U,
                                       .max_records = 1U << 16U,
                                       .max_mapped_entries = std::uint64_t{1} << 20U};
  try {
    switch (data[0] % 3) {
      case 0:
        use(viosim::parse_recording("fuzz.jsonl.zst", rest, small));
        break;
      case 1:
        use(viosim::parse_recording("fuzz.jsonl", rest, small));
        break;
      default:
        use(viosim::parse_recording("fuzz.jsonl.zst", compressed(rest), small));
    }
  } catch (const viosim::ConfigError&) {
    // Refusing is what the reader is for.
  }
  return 0;
}
