// Where the time of a request goes: parts that tile it, from the trace.
// SPDX-License-Identifier: Apache-2.0
#include "models/trace_events.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/rig.hpp"

#include <algorithm>
#include <map>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

class Kept : public TraceSink {
 public:
  std::vector<TraceEvent> take(std::vector<TraceEvent> events) override {
    all.insert(all.end(), events.begin(), events.end());
    return {};
  }
  std::vector<TraceEvent> all;
};

struct Interval {
  std::int64_t begin;
  std::int64_t end;
};

bool is(const TraceEvent& event, EventKind kind) {
  return event.kind == static_cast<std::uint16_t>(kind);
}

// Several devices, few walkers, few entries, pages that are not there: every part occurs.
std::vector<TraceEvent> trace_of_a_busy_run(bool merge) {
  Kept kept;
  RigParams params;
  params.iommu.walkers = 2;
  params.iommu.iotlb.entries = 8;
  params.iommu.merge_walks = merge;
  Rig rig(params, &kept);
  const PageTable& table = rig.new_space(Iova(0), 64_KiB, Hpa(0x100000));
  for (std::uint32_t d = 0; d < 4; ++d) {
    rig.attach(Rig::source_of(d), table, DomainId(2));
    DmaParams dma;
    dma.traffic.window = 128_KiB;  // half of it is mapped
    dma.traffic.pattern = Pattern::uniform;
    dma.outstanding = 8;
    dma.requests = 400;
    rig.add_device(dma, Iova(0));
  }
  rig.engine.run();
  rig.tracer().finish();
  return kept.all;
}

}  // namespace

TEST_CASE("the parts of a miss tile its time in the IOMMU, and with links and memory all of it",
          "[models][iommu]") {
  const bool merge = GENERATE(false, true);
  const std::vector<TraceEvent> events = trace_of_a_busy_run(merge);
  std::map<std::uint64_t, std::vector<Interval>> parts;  // by miss
  std::map<std::uint16_t, int> seen;
  for (const TraceEvent& event : events) {
    if (event.component != Rig::iommu_component ||
        !is_part_of_request(static_cast<EventKind>(event.kind)))
      continue;
    parts[event.value].push_back({event.time - event.duration, event.time});
    ++seen[event.kind];
  }
  for (const EventKind kind :
       {EventKind::look_up, EventKind::wait, EventKind::walk, EventKind::answer})
    CHECK(seen[static_cast<std::uint16_t>(kind)] > 20);

  // Requests are told apart by when they reached the IOMMU and where they came from.
  const LinkParams link;
  constexpr std::int64_t memory = 80'000;
  std::multimap<std::int64_t, std::int64_t> in_iommu;  // arrival -> answer
  for (const auto& [miss, of] : parts) {
    for (std::size_t i = 1; i < of.size(); ++i) REQUIRE(of[i].begin == of[i - 1].end);
    in_iommu.emplace(of.front().begin, of.back().end);
  }
  std::size_t misses = 0;
  for (const TraceEvent& event : events) {
    if (!is(event, EventKind::translate) || event.code == outcome_hit) continue;
    ++misses;
    const std::int64_t arrival = event.time - event.duration + link.latency.count();
    const bool faulted = event.code >= 0x100;
    const std::int64_t answer = faulted ? event.time : event.time - link.latency.count() - memory;
    const auto [first, last] = in_iommu.equal_range(arrival);
    REQUIRE(std::any_of(first, last, [&](const auto& of) { return of.second == answer; }));
  }
  CHECK(misses == parts.size());
}
