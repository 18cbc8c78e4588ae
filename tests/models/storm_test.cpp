// Random storms: running ahead changes nothing; caches answer what the tables allow.
// SPDX-License-Identifier: Apache-2.0
#include "tests/models/storm.hpp"

#include "tests/support/catch.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <string>

using namespace viosim;
using namespace viosim::test;

namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Replay one with VIOSIM_STORM_FIRST=<seed> VIOSIM_STORM_SEEDS=1.
template <class Check>
void for_each_seed(std::uint64_t count, Check&& check) {
  const std::uint64_t first = from_environment("VIOSIM_STORM_FIRST", 1);
  const std::uint64_t seeds = from_environment("VIOSIM_STORM_SEEDS", count);
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    INFO("replay with VIOSIM_STORM_FIRST=" << seed << " VIOSIM_STORM_SEEDS=1");
    check(seed);
  }
}

std::string text_of(const Answer& answer) {
  return fmt::format(
      "device {} page {} type {} access {}{} {} at {} ps, answered {} ps: fault {:#x}, {:#x}",
      answer.device, answer.page, static_cast<int>(answer.type), static_cast<int>(answer.access),
      answer.privileged ? " privileged" : "",
      answer.by_device_tlb ? "by a device TLB"
      : answer.hit         ? "hit"
                           : "walked",
      answer.arrival, answer.at, static_cast<unsigned>(answer.fault), answer.address.value());
}

template <class Stats>
bool same(const Stats& a, const Stats& b) {
  bool equal = true;
  for_each_field<Stats>(
      [&](const auto& metric) { equal = equal && a.*metric.member == b.*metric.member; });
  return equal;
}

bool same_walk_caches(const WalkCaches& a, const WalkCaches& b) {
  for (const Stage stage : {Stage::first, Stage::second}) {
    for (unsigned level = WalkCaches::lowest; level <= WalkCaches::highest; ++level) {
      const CacheStats* const of_a = a.stats(stage, level);
      if (of_a != nullptr && !same(*of_a, *b.stats(stage, level))) return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("walks that run ahead give the same instants, results and statistics",
          "[models][iommu][storm]") {
  for_each_seed(1500, [](std::uint64_t seed) {
    Storm ahead(seed, true);
    Storm stepping(seed, false);
    ahead.run();
    stepping.run();
    REQUIRE(ahead.answers().size() == stepping.answers().size());
    for (std::size_t i = 0; i < ahead.answers().size(); ++i) {
      if (ahead.answers()[i] == stepping.answers()[i]) continue;
      FAIL_CHECK("ahead:    " << text_of(ahead.answers()[i])
                              << "\nstepping: " << text_of(stepping.answers()[i]));
      break;
    }
    CHECK(same(ahead.iommu().stats, stepping.iommu().stats));
    CHECK(same(ahead.iommu().context_stats(), stepping.iommu().context_stats()));
    CHECK(same(ahead.iommu().pasid_stats(), stepping.iommu().pasid_stats()));
    CHECK(same(ahead.iommu().iotlb_stats(), stepping.iommu().iotlb_stats()));
    CHECK(same_walk_caches(ahead.iommu().walk_caches(), stepping.iommu().walk_caches()));
    CHECK(ahead.iommu().translation_latency() == stepping.iommu().translation_latency());
    CHECK(ahead.memory_hash() == stepping.memory_hash());
  });
}

TEST_CASE("no answer is one that neither the old nor the new tables allow",
          "[models][iommu][storm]") {
  StormReach all;
  for_each_seed(3000, [&](std::uint64_t seed) {
    Storm storm(seed, true);
    storm.run();
    for (const Answer& answer : storm.answers()) {
      INFO(text_of(answer) << "\n" << storm.story(answer));
      REQUIRE(answer.at >= 0);
      REQUIRE(storm.allowed(answer));
    }
    REQUIRE(storm.untiled() == "");
    const CacheStats& iotlb = storm.iommu().iotlb_stats();
    REQUIRE(iotlb.hits + iotlb.misses <= storm.iommu().stats.requests);
    all.add(storm.reach());
  });
  if (from_environment("VIOSIM_STORM_SEEDS", 3000) < 1000) return;
  for (const std::uint64_t count :
       {all.hits, all.walks, all.faults, all.merged, all.queued, all.withheld, all.updated,
        all.tables_moved, all.rebound, all.walk_cache_hits, all.pages_mapped, all.device_tlb_hits,
        all.page_responses})
    CHECK(count > 1000);
  for (std::size_t faulted = 0; faulted < 2; ++faulted) {
    for (const std::uint64_t count : all.by_type[faulted]) CHECK(count > 1000);
    for (const std::uint64_t count : all.by_space[faulted]) CHECK(count > 1000);
    for (const std::uint64_t count : all.by_architecture[faulted]) CHECK(count > 1000);
    CHECK(all.privileged[faulted] > 1000);
    CHECK(all.executes[faulted] > 1000);
  }
}

TEST_CASE("an invalidation before its table write lets old translations live on",
          "[models][iommu][storm]") {
  std::uint64_t wrong = 0;
  for_each_seed(300, [&](std::uint64_t seed) {
    Storm storm(seed, true, Storm::Order::invalidation_first);
    storm.run();
    for (const Answer& answer : storm.answers()) wrong += storm.allowed(answer) ? 0 : 1;
  });
  CHECK(wrong > 10);
}
