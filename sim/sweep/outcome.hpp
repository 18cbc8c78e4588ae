// What one run of a sweep came to, as plain data and as bytes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "sim/record/bytes.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

struct KeptFigure {
  std::string component;
  std::string name;
  std::string unit;
  double value = 0;
  bool operator==(const KeptFigure&) const = default;
};

struct KeptHistogram {
  std::string component;
  std::string operation;
  Histogram histogram;
  bool operator==(const KeptHistogram&) const = default;
};

enum class FailureKind : std::uint8_t {
  invalid,
  livelock,
  simulated_time,
  wall,
  memory,
  crash,
  internal
};

constexpr auto choices(FailureKind) {
  return std::array{
      Choice{FailureKind::invalid, "invalid", "the scenario of this point is wrong"},
      Choice{FailureKind::livelock, "livelock", "software tries again and again"},
      Choice{FailureKind::simulated_time, "simulated-time", "it passed 2^53 ps"},
      Choice{FailureKind::wall, "wall", "it took longer than limits.wall"},
      Choice{FailureKind::memory, "memory", "it wanted more than limits.memory, or there is"},
      Choice{FailureKind::crash, "crash", "its process ended without a word"},
      Choice{FailureKind::internal, "internal", "a fault of the program"}};
}

struct RunFailed {
  FailureKind kind = FailureKind::crash;
  std::string reason;
  bool operator==(const RunFailed&) const = default;
};

struct RunOutcome {
  std::optional<RunFailed> failed;
  bool as_expected = true;  // what the scenario expects was met
  std::vector<KeptFigure> figures;
  std::vector<KeptHistogram> histograms;
  std::vector<double> watched;  // of the stop rule's metric, by component; NaN: none
  bool operator==(const RunOutcome&) const = default;
};

// What is known of a run besides, and differs from one time to the next.
struct RunCost {
  double seconds = 0;
  std::uint64_t memory = 0;  // bytes, the largest resident set
};

struct FinishedRun {
  std::uint64_t run = 0;
  RunOutcome outcome;
  RunCost cost;
};

void encode(const RunOutcome& outcome, ByteWriter& writer);
RunOutcome decode_outcome(ByteReader& reader);  // throws BadBytes
void encode(const FinishedRun& run, ByteWriter& writer);
FinishedRun decode_finished_run(ByteReader& reader);  // likewise

}  // namespace viosim
