// A small run whose events a test makes up.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/trace_events.hpp"
#include "sim/record/run_database.hpp"
#include "tests/support/scratch.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace viosim::test {

inline constexpr const char* two_parts_scenario =
    R"({"name": "made", "hosts": [{"name": "host0", "iommus": [{"name": "dmar0"}],
        "guests": [{"name": "vm", "count": 2}]}]})";

class MadeRun {
 public:
  explicit MadeRun(const std::filesystem::path& file,
                   const std::string& scenario = two_parts_scenario)
      : database_(RunDatabase::create(
            file, {.program_version = "0.1.0", .scenario = scenario, .seed = 7})) {}

  std::uint32_t component(const std::string& path) { return database_.add_component(path); }
  RunDatabase& database() { return database_; }
  // A block of its own.
  void block(std::vector<TraceEvent> events) { database_.trace().take(std::move(events)); }
  void finish() { database_.finish(); }

 private:
  RunDatabase database_;
};

struct At {
  std::int64_t begin;
  std::int64_t end;
};

inline TraceEvent event_of(EventKind kind, std::uint32_t component, At at,
                           std::uint64_t address = 0, std::uint64_t value = 0,
                           std::uint32_t pasid = 0) {
  TraceEvent event;
  event.time = at.end;
  event.duration = at.end - at.begin;
  event.address = address;
  event.value = value;
  event.component = component;
  event.pasid = pasid;
  event.kind = static_cast<std::uint16_t>(kind);
  return event;
}

inline std::string contents_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace viosim::test
