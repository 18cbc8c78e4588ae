// The shipped recordings hold everything that the recorded decisions depended on.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "sim/recording/line_reader.hpp"
#include "tests/recording/oracle.hpp"
#include "tests/recording/samples.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <set>

using namespace viosim;
using namespace viosim::test;

namespace {

// As published with the recordings: agreement in percent under other rules.
struct Shipped {
  std::string name;
  std::uint64_t requests;
  std::uint64_t faults;
  double exact_mask;
  double without_invalidations;
  std::uint64_t recovered_maps;
  std::uint64_t recovered_unmaps;
};

Shipped each_shipped() {
  return GENERATE(Shipped{"vtd_nvme_rand4k_lazy", 45538, 0, 100.0, 86.0973, 0, 221},
                  Shipped{"vtd_blk_seq_strict", 10838, 0, 100.0, 49.5663, 0, 0},
                  Shipped{"vtd_ext4_cm_strict", 4908, 0, 99.2665, 62.4491, 0, 0},
                  Shipped{"vtd_fault_edu", 27356, 4608, 100.0, 78.0816, 0, 0},
                  Shipped{"vtd_net_e1000e_strict", 40464, 0, 99.5601, 67.4278, 1, 256});
}

constexpr double rounding = 0.00005;

std::vector<std::string> lines_of(const std::string& path) {
  constexpr std::size_t longest = std::size_t{1} << 16U;
  recording::LineReader reader(recording::open_text(recording::open_file(path), true), longest,
                               std::uint64_t{1} << 30U);
  std::vector<std::string> lines;
  while (const auto line = reader.next()) lines.emplace_back(*line);
  return lines;
}

bool from_guest(const std::string& line) {
  return line.find("\"src\":\"guest\"") != std::string::npos;
}

// A recording of a strict guest whose probes missed every third call.
std::string with_missed_calls(const std::vector<std::string>& lines, std::uint64_t seed) {
  Rng rng(seed, "missed");
  std::vector<std::string> kept;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    if (!from_guest(lines[i]) || rng.below(3) != 0) kept.push_back(lines[i]);
  }
  return text_of(vtd_meta_of_qemu, kept);
}

}  // namespace

TEST_CASE("an independent oracle repeats every decision of a shipped recording", "[recording]") {
  const Shipped shipped = each_shipped();
  const RecordedStream stream = read_recording(shipped_path(shipped.name));
  const OracleScore score = Oracle(stream, {}).run();
  INFO(shipped.name << ", first difference at line " << score.first_difference);
  CHECK(score.requests == shipped.requests);
  CHECK(score.same_outcome == shipped.requests);
  CHECK(score.same_answer == shipped.requests);
}

TEST_CASE("with the exact page mask the oracle disagrees as often as published", "[recording]") {
  const Shipped shipped = each_shipped();
  const RecordedStream stream = read_recording(shipped_path(shipped.name));
  const OracleScore score = Oracle(stream, {.mask_cut_to_8_bits = false}).run();
  CHECK(score.percent() == Approx(shipped.exact_mask).margin(rounding));
}

TEST_CASE("without invalidations the oracle disagrees as often as published", "[recording]") {
  const Shipped shipped = each_shipped();
  const RecordedStream stream = read_recording(shipped_path(shipped.name));
  const OracleScore score = Oracle(stream, {.obey_invalidations = false}).run();
  CHECK(score.percent() == Approx(shipped.without_invalidations).margin(rounding));
}

TEST_CASE("only what guest probes missed is recovered", "[recording]") {
  const Shipped shipped = each_shipped();
  const RecordedStream stream = read_recording(shipped_path(shipped.name));
  CHECK(stream.recovered_maps == shipped.recovered_maps);
  CHECK(stream.recovered_unmaps == shipped.recovered_unmaps);
  CHECK(stream.unplaced == 0);
}

TEST_CASE("a stream keeps its promises to a player", "[recording]") {
  const Shipped shipped = each_shipped();
  const RecordedStream stream = read_recording(shipped_path(shipped.name));
  CHECK(stream.name == shipped.name);
  std::set<std::pair<std::uint32_t, std::uint64_t>> mapped;
  std::set<std::uint16_t> requesters;
  std::int64_t before = 0;
  std::uint64_t broken = 0;
  std::uint64_t faults = 0;
  for (const RecordedOp& op : stream.ops) {
    broken += op.time_ps < before ? 1 : 0;
    before = op.time_ps;
    for (std::uint64_t i = 0; i < op.pages; ++i) {
      const std::pair page{op.domain, (op.iova >> 12U) + i};
      if (op.kind == RecordedKind::map) broken += mapped.insert(page).second ? 0 : 1;
      if (op.kind == RecordedKind::unmap) mapped.erase(page);
    }
    if (op.kind == RecordedKind::request) requesters.insert(op.sid);
    faults += op.outcome == RecordedOutcome::fault ? 1 : 0;
  }
  CHECK(broken == 0);
  CHECK(faults == shipped.faults);
  CHECK(stream.requesters == std::vector<std::uint16_t>(requesters.begin(), requesters.end()));
}

TEST_CASE("a plain copy under another name reads the same", "[recording]") {
  const RecordedStream stream = read_recording(shipped_path("vtd_ext4_cm_strict"));
  // The bytes of a compressed recording are recognised whatever the name says.
  const std::string bytes = bytes_of(shipped_path("vtd_ext4_cm_strict"));
  CHECK(parse_recording("renamed", bytes) == stream);
}

TEST_CASE("a recording whose probes missed a third of the calls explains every decision",
          "[recording]") {
  const std::vector<std::string> lines = lines_of(shipped_path("vtd_fault_edu"));
  const std::string text = with_missed_calls(lines, GENERATE(1U, 2U));
  const RecordedStream stream = parse_recording("missed", text);
  const OracleScore score = Oracle(stream, {}).run();
  CHECK(score.requests == 27356);
  CHECK(score.same_answer == score.requests);
  CHECK(stream.recovered_maps > 1'500);
  CHECK(stream.recovered_unmaps > 1'500);
  // What was added is what was lost, up to pages that no device touched.
  const RecordedStream whole = read_recording(shipped_path("vtd_fault_edu"));
  const auto near = [](std::size_t a, std::size_t b) {
    return std::max(a, b) - std::min(a, b) < 10;
  };
  CHECK(near(stream.ops.size(), whole.ops.size()));
}
