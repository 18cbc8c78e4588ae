// Writes the run databases that the browser looks at: one with violations and with names that attack the page, and one
// with a long trace.
// SPDX-License-Identifier: Apache-2.0
// usage: viosim_report_samples DIRECTORY      writes violations.db and long.db
#include "models/trace_events.hpp"
#include "sim/record/run_database.hpp"
#include "tests/record/event_mix.hpp"

#include <algorithm>
#include <filesystem>
#include <string>

using namespace viosim;

namespace {

constexpr std::size_t long_trace_blocks = 320;  // about 21 million events, 100 MB

TraceEvent event(EventKind kind, std::int64_t time, std::uint32_t component, std::uint32_t pasid) {
  TraceEvent made;
  made.time = time;
  made.component = component;
  made.pasid = pasid;
  made.kind = static_cast<std::uint16_t>(kind);
  return made;
}

ViolationRow violation(std::uint32_t component, int number) {
  const std::int64_t time = 1'000'000LL * (number + 1);
  ViolationRow row;
  row.invariant = number % 2 == 0 ? "I8" : "I28";
  row.time = time;
  row.component = component;
  row.actor = "host0.dmar0";
  row.pasid = 3;
  row.epoch = 1;
  row.current_epoch = 2;
  row.owner = "host0.vm[1].v0";
  row.previous_owner = "</script><img src=x onerror=alert(1)>";
  row.message = "PASID 3 was given out again before its entries were flushed </script><b>";
  for (int i = 0; i < 4; ++i) {
    row.events.push_back({.time = time - 400'000 + i * 100'000,
                          .component = component,
                          .kind = static_cast<std::uint16_t>(EventKind::free),
                          .pasid = 3,
                          .epoch = 1,
                          .text = "PASID 3 was freed, step " + std::to_string(i)});
  }
  return row;
}

void write_violations(const std::filesystem::path& file) {
  RunDatabase database = RunDatabase::create(
      file,
      {.program_version = "0.1.0",
       .scenario =
           R"({"name": "</title><script>alert(1)</script>", "description": "{{script}} <!--"})",
       .seed = 7});
  const std::uint32_t iommu = database.add_component("host0.dmar0");
  const std::uint32_t pasids = database.add_component("host0.kernel.pasids");
  const std::uint32_t odd = database.add_component("<svg onload=alert(1)>\xff");
  std::vector<TraceEvent> events;
  for (std::uint32_t i = 0; i < 40; ++i) {
    const std::int64_t time = i * 1'000'000LL;
    events.push_back(event(EventKind::allocate, time, pasids, 1 + i % 8));
    events.push_back(event(EventKind::fault, time, odd, 3));
    if (i % 3 == 0) events.push_back(event(EventKind::plug, time, odd, 0));
    if (i % 8 > 3) events.push_back(event(EventKind::free, time + 500'000, pasids, 1 + i % 8));
  }
  database.trace().take(std::move(events));
  for (int i = 0; i < 30; ++i) database.add_violation(violation(iommu, i));
  database.finish();
}

void write_long(const std::filesystem::path& file) {
  RunDatabase database = RunDatabase::create(
      file, {.program_version = "0.1.0", .scenario = R"({"name": "long"})", .seed = 7});
  EventMix mix;
  mix.components = 16;
  mix.arrival = EventMix::Arrival::random;
  mix.queueing = true;
  for (std::uint32_t i = 0; i < mix.components; ++i)
    database.add_component("host0.acc[" + std::to_string(i) + "]");
  const std::vector<TraceEvent> pattern = make_events(mix, trace_block_events);
  std::int64_t length = 0;
  for (const TraceEvent& one : pattern) length = std::max(length, one.time);
  for (std::size_t block = 0; block < long_trace_blocks; ++block) {
    std::vector<TraceEvent> events = pattern;
    for (TraceEvent& one : events) {
      one.time += static_cast<std::int64_t>(block) * length;
      one.kind = static_cast<std::uint16_t>(EventKind::translate);
    }
    database.trace().take(std::move(events));
  }
  database.finish();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path directory = argv[1];
  write_violations(directory / "violations.db");
  write_long(directory / "long.db");
  return 0;
}
