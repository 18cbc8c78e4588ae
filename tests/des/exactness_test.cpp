// The proof of exactness: the engine and its models against one plain actor per device, request by
// request.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/actor_reference.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace viosim::test {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string text_of(const RequestRecord& r) {
  return fmt::format("issued {} ps, told {} ps, iova {:#x}, address {:#x}, code {}", r.issue,
                     r.told, r.iova, r.address, r.code);
}

// The earliest request on which the two disagree.
std::string first_difference(const SmallRun& ours, const SmallRun& reference) {
  std::string text;
  std::int64_t earliest = Instant::latest().ps();
  for (std::size_t d = 0; d < ours.devices.size(); ++d) {
    const auto& a = ours.devices[d].requests;
    const auto& b = reference.devices[d].requests;
    const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (x == a.end() && y == b.end()) continue;
    const std::int64_t at =
        std::min(x == a.end() ? earliest : x->told, y == b.end() ? earliest : y->told);
    if (at >= earliest && !text.empty()) continue;
    earliest = at;
    text = fmt::format("device {}, record {}\n  engine:    {}\n  reference: {}\n", d, x - a.begin(),
                       x == a.end() ? "none" : text_of(*x), y == b.end() ? "none" : text_of(*y));
  }
  return text;
}

template <class Stats>
void compare(std::string& text, std::string_view what, const Stats& ours, const Stats& reference) {
  for_each_field<Stats>([&](const auto& metric) {
    if (ours.*metric.member != reference.*metric.member) {
      text += fmt::format("{} {}: engine {}, reference {}\n", what, metric.name,
                          ours.*metric.member, reference.*metric.member);
    }
  });
}

// Empty when the two runs are the same.
std::string differences(const SmallRun& ours, const SmallRun& reference) {
  std::string text = first_difference(ours, reference);
  for (std::size_t d = 0; d < ours.devices.size(); ++d) {
    const std::string who = fmt::format("device {}", d);
    compare(text, who, ours.devices[d].stats, reference.devices[d].stats);
    if (ours.devices[d].stopped != reference.devices[d].stopped) text += who + " when it stopped\n";
    if (!(ours.devices[d].latency == reference.devices[d].latency)) text += who + " latency\n";
  }
  compare(text, "iommu", ours.iommu, reference.iommu);
  compare(text, "context cache", ours.contexts, reference.contexts);
  compare(text, "pasid cache", ours.pasids, reference.pasids);
  compare(text, "iotlb", ours.iotlb, reference.iotlb);
  compare(text, "invalidation queue", ours.queue, reference.queue);
  if (!(ours.translation_latency == reference.translation_latency)) text += "translation latency\n";
  if (!(ours.batch_latency == reference.batch_latency)) text += "batch latency\n";
  if (ours.operators_done != reference.operators_done) text += "when the operators were done\n";
  return text;
}

// That the seeds reach what is to be compared.
struct Reached {
  std::vector<std::pair<std::string, std::uint64_t>> counters;
  std::uint64_t stops = 0;

  void add(const SmallRun& run) {
    add("iommu", run.iommu);
    add("context cache", run.contexts);
    add("PASID cache", run.pasids);
    add("IOTLB", run.iotlb);
    add("invalidation queue", run.queue);
    for (const SmallRun::Device& device : run.devices) {
      add("device", device.stats);
      stops += device.stopped.size();
    }
  }
  template <class Stats>
  void add(const std::string& what, const Stats& stats) {
    for_each_field<Stats>([&](const auto& metric) {
      const std::string name = what + " " + std::string(metric.name);
      auto found = std::find_if(counters.begin(), counters.end(),
                                [&](const auto& counter) { return counter.first == name; });
      if (found == counters.end()) found = counters.insert(found, {name, 0});
      found->second += stats.*metric.member;
    });
  }
  void check() const {
    for (const auto& [name, count] : counters) {
      // Not part of the small model.
      if (name == "iommu walks_merged" || name == "iommu entries_updated") continue;
      INFO(name << ": " << count);
      CHECK(count > 100);
    }
    CHECK(stops > 100);
  }
};

}  // namespace

// Replay one with VIOSIM_EXACTNESS_FIRST=<seed> VIOSIM_EXACTNESS_SEEDS=1.
TEST_CASE("every request has the same times in the engine and with an actor per device",
          "[des][exactness]") {
  const std::uint64_t first = from_environment("VIOSIM_EXACTNESS_FIRST", 1);
  const std::uint64_t seeds = from_environment("VIOSIM_EXACTNESS_SEEDS", 300);
  Reached reached;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    INFO("replay with VIOSIM_EXACTNESS_FIRST=" << seed << " VIOSIM_EXACTNESS_SEEDS=1");
    const SmallModel model = random_model(seed);
    const SmallRun reference = ActorReference(model).run();
    const SmallRun ours = run_production(model);
    const std::string found = differences(ours, reference);
    INFO(found);
    CHECK(found.empty());
    reached.add(ours);
  }
  if (seeds >= 100) reached.check();
}

}  // namespace viosim::test
