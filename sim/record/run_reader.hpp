// Reads a run database.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/trace.hpp"
#include "sim/record/block_decoder.hpp"
#include "sim/record/rows.hpp"
#include "sim/record/sqlite.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

struct EventKindRow {
  std::uint16_t kind = 0;
  std::string name;
  std::string sentence;
  std::string address;
  std::string value;
  std::string code;
};

struct BlockInfo {
  std::int64_t events = 0;
  std::int64_t first_time = 0;  // the smallest and the largest time of its events
  std::int64_t last_time = 0;
  std::uint64_t checksum = 0;
  bool operator==(const BlockInfo&) const = default;
};

// Opening checks that the file is a run database of a format that this program knows, and that
// everything but the trace's blocks is undamaged; each block is checked when it is read. What is
// wrong is a ConfigError naming the file.
class RunReader {
 public:
  static RunReader open(const std::filesystem::path& path);

  bool complete() const { return complete_; }  // false: the run was killed, or still runs
  std::int64_t format_version() const { return format_version_; }
  const Manifest& manifest() const { return manifest_; }
  const std::vector<std::string>& components() const { return components_; }
  const std::vector<EventKindRow>& kinds() const { return kinds_; }
  const std::vector<MetricRow>& metrics() const { return metrics_; }
  const std::vector<LatencyRow>& latencies() const { return latencies_; }
  bool has_expectations() const { return format_version_ >= 2; }  // older formats have no place
  const std::vector<ExpectationRow>& expectations() const { return expectations_; }
  const std::vector<ViolationRow>& violations() const { return violations_; }
  bool has_violation_counts() const { return format_version_ >= 3; }  // as expectations
  // By invariant, also of what has no row; where the format has no counts, those of the rows.
  const std::map<std::string, std::uint64_t>& violation_counts() const { return violation_counts_; }
  std::map<std::string, std::string> wall();

  const std::string& file() const { return connection_.file(); }
  const std::vector<BlockInfo>& blocks() const { return blocks_; }
  std::int64_t event_count() const;
  // Throws for a block that read_block() would refuse by its checksum, without decoding it.
  void verify_block(std::size_t number);
  // Replaces the contents of `events`.
  void read_block(std::size_t number, std::vector<TraceEvent>& events);
  // The two halves of it: what needs the file, one thread at a time; and what any thread can do at any
  // time with a decoder of its own.
  void fetch_block(std::size_t number, std::vector<std::byte>& bytes);
  void decode_block(std::size_t number, std::span<const std::byte> bytes, BlockDecoder& decoder,
                    std::vector<TraceEvent>& events) const;

  // Calls visit(const TraceEvent&) for each event, in the order in which they were written.
  template <class Visit>
  void for_each_event(Visit&& visit) {
    std::vector<TraceEvent> events;
    for (std::size_t number = 0; number < blocks_.size(); ++number) {
      read_block(number, events);
      for (const TraceEvent& event : events) visit(event);
    }
  }

 private:
  explicit RunReader(Connection connection);
  [[noreturn]] void fail(std::string message) const;
  void check_format();
  void read_manifest();
  void read_components();
  void read_kinds();
  void read_metrics();
  void read_latencies();
  void read_expectations();
  void read_violations();
  void read_violation_counts();
  std::uint32_t component(const Statement& rows, int column, std::string_view what) const;
  void read_buckets(std::int64_t id, Ps min, Ps max, Histogram& histogram);
  void read_blocks();
  void check_bytes(std::size_t number, std::span<const std::byte> bytes) const;

  Connection connection_;
  std::int64_t format_version_ = 0;
  bool complete_ = false;
  Manifest manifest_;
  std::vector<std::string> components_;
  std::vector<EventKindRow> kinds_;
  std::vector<MetricRow> metrics_;
  std::vector<LatencyRow> latencies_;
  std::vector<ExpectationRow> expectations_;
  std::vector<ViolationRow> violations_;
  std::map<std::string, std::uint64_t> violation_counts_;
  std::vector<BlockInfo> blocks_;
  BlockDecoder decoder_;
  std::vector<std::byte> bytes_;
};

}  // namespace viosim
