// The sweeps of scenarios/sweeps, checked by the real program.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/sweep/bench.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

using namespace viosim;
using test::Bench;
using test::Ended;

namespace {

std::vector<std::string> json_in(const std::filesystem::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".json") files.push_back(entry.path().string());
  return files;
}

}  // namespace

TEST_CASE("shipped sweeps are sound, and the scenarios made for them run as they expect",
          "[sweep]") {
  const Bench bench("");
  const std::filesystem::path folder = test::scenarios + "sweeps";
  const std::vector<std::string> sweeps = json_in(folder);
  CHECK(sweeps.size() >= 6);
  for (const std::string& sweep : sweeps) {
    const Ended checked = bench.program({"validate", sweep});
    INFO(checked.output);
    CHECK(checked.exit_code() == 0);
    CHECK(bench.program({"sweep", sweep, "--dry-run"}).exit_code() == 0);
  }
  for (const std::string& scenario : json_in(folder / "base")) {
    const std::string out = (bench.scratch() / "base").string();
    const Ended ran = bench.program({"run", scenario, "--trace", "off", "--out", out});
    INFO(scenario << ": " << ran.output);
    CHECK(ran.exit_code() == 0);
  }
}

// Minutes with sanitizers, and the same figures.
#ifndef VIOSIM_SANITIZED

namespace {

std::string readme_of(const std::filesystem::path& folder) {
  std::ifstream in(folder / "README.md");
  return {std::istreambuf_iterator<char>(in), {}};
}

// With three significant digits: "87.0 us".
std::string time_text(double picoseconds) {
  constexpr std::array units = {"ps", "ns", "us", "ms", "s"};
  std::size_t unit = 0;
  for (; picoseconds >= 999.5; picoseconds /= 1000) ++unit;
  const int decimals = picoseconds >= 99.95 ? 0 : picoseconds >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}", picoseconds, decimals, units.at(unit));
}

// A shipped sweep, run.
class Swept {
 public:
  explicit Swept(const std::string& name) {
    const std::string file = test::scenarios + "sweeps/" + name + ".json";
    const std::string out = (bench_.scratch() / "out").string();
    const Ended ended = bench_.program({"sweep", file, "--out", out});
    INFO(ended.output);
    REQUIRE(ended.exit_code() == 0);
  }
  // At the point where the first axis has this number and the second this text. None: the figure has no value there.
  std::optional<double> at(int first, const std::string& second, const std::string& figure) const {
    const auto found = test::rows(
        bench_.result("out"),
        fmt::format("SELECT value FROM result JOIN parameter a USING(point) JOIN parameter b "
                    "USING(point) WHERE a.axis = 0 AND a.number = {} AND b.axis = 1 AND "
                    "b.text = '{}' AND figure = '{}'",
                    first, second, figure));
    if (found.empty()) return std::nullopt;
    REQUIRE(found.size() == 1);
    return std::stod(found[0]);
  }
  // Over the replicates of the point where the axes have these numbers.
  double mean_at(const std::vector<int>& numbers, const std::string& figure) const {
    std::string query = fmt::format("SELECT avg(value) FROM result WHERE figure = '{}'", figure);
    for (std::size_t axis = 0; axis < numbers.size(); ++axis) {
      query +=
          fmt::format(" AND point IN (SELECT point FROM parameter WHERE axis = {} AND number = {})",
                      axis, numbers[axis]);
    }
    const auto found = test::rows(bench_.result("out"), query);
    REQUIRE(found.size() == 1);
    return std::stod(found[0]);
  }
  std::string time_at(int first, const std::string& second, const std::string& figure) const {
    const auto time = at(first, second, figure);
    return time ? time_text(*time) : "-";
  }

 private:
  Bench bench_{""};
};

// Of the processes of `late`.
std::string failures_text(const Swept& swept, int taken, const std::string& numbers) {
  const auto count = [&](const char* name) {
    return swept.at(taken, numbers, std::string("host0.late.app.") + name).value();
  };
  if (count("failed") == 0) return "0";
  const bool memory = count("enomem") == count("failed");
  if (!memory) CHECK(count("enoent") == count("failed"));
  return fmt::format("{}, with {}", count("failed"), memory ? "-ENOMEM" : "-ENOENT");
}

}  // namespace

TEST_CASE("what the README says of IOTLB entries and walkers is what the sweep finds", "[sweep]") {
  const Swept swept("iotlb-and-walkers");
  std::string table = "| entries | 2 walkers | 6 | 16 | hit rate |\n|---|---|---|---|---|\n";
  for (const int entries : {64, 128, 256, 512, 1024, 2048, 4096}) {
    table += fmt::format("| {} |", entries);
    for (const int walkers : {2, 6, 16})
      table += fmt::format(" {} |",
                           time_text(swept.mean_at({entries, walkers}, "host0.acc[0].dma.mean")));
    const double hits = swept.mean_at({entries, 16}, "host0.dmar0.iotlb.hit_rate");
    table += fmt::format(" {:.1f} % |\n", 100 * hits);
  }
  CHECK_THAT(readme_of(test::scenarios + "sweeps"), Catch::Contains(table + '\n'));
}

TEST_CASE("what the README says of tenants is what the sweep finds", "[sweep]") {
  const Swept swept("tenants");
  std::string table =
      "| tenants | 256 entries: 2 walkers | 6 | 16 | 4096 entries: 2 walkers | 6 | 16 |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const int tenants : {2, 4, 8, 16, 32, 64}) {
    table += fmt::format("| {} |", tenants);
    for (const int entries : {256, 4096}) {
      for (const int walkers : {2, 6, 16}) {
        const double mean = swept.mean_at({tenants, entries, walkers}, "host0.acc[0].dma.mean");
        table += fmt::format(" {} |", time_text(mean));
      }
    }
    table += '\n';
  }
  CHECK_THAT(readme_of(test::scenarios + "sweeps"), Catch::Contains(table + '\n'));
}

TEST_CASE("what the README says of page faults and credits is what the sweep finds", "[sweep]") {
  const Swept swept("page-faults-and-credits");
  const auto cells = [&](int credits) {
    std::string text;
    for (const char* pages : {"in-memory", "in-memory-groups-of-8", "swapped-out"})
      text += fmt::format(" {} |", swept.time_at(credits, pages, "host0.acc.page.mean"));
    return text + '\n';
  };
  std::string table =
      "| credits | in memory, mean | asked for in groups of 8 | swapped out |\n|---|---|---|---|\n";
  for (const int credits : {1, 8, 16, 32, 64})
    table += fmt::format("| {} |{}", credits, cells(credits));
  table += "| 128, 256 |" + cells(128) + '\n';
  CHECK(cells(128) == cells(256));
  CHECK_THAT(readme_of(test::scenarios + "sweeps"), Catch::Contains(table));
}

TEST_CASE("what the README says of PASIDs to exhaustion is what the sweep finds", "[sweep]") {
  const Swept swept("pasids-to-exhaustion");
  constexpr std::array taken = {224, 240, 256};
  std::string table =
      "| of `late`, when `first` has | | 224 | 240 | 256 |\n|---|---|---|---|---|\n";
  const auto row = [&](const std::string& head, auto&& cell) {
    table += head;
    for (const int first : taken) table += fmt::format(" {} |", cell(first));
    table += '\n';
  };
  const std::array<std::array<std::string, 2>, 3> kinds = {
      {{"system-wide, by virtual commands", "system-wide-vfio"},
       {"guest-wide, VFIO", "guest-wide-vfio"},
       {"guest-wide, iommufd", "guest-wide-iommufd"}}};
  for (const auto& kind : kinds) {
    const std::string& numbers = kind[1];
    row("| " + kind[0] + " | processes that fail |",
        [&](int first) { return failures_text(swept, first, numbers); });
    row("| | exits, calls into the host |", [&](int first) {
      return fmt::format("{}, {}", swept.at(first, numbers, "host0.late.user_exits").value(),
                         swept.at(first, numbers, "host0.late.ioctls").value());
    });
    row("| | bind, mean |", [&](int first) {
      return swept.time_at(first, numbers, "host0.late.kernel.sva.bind.mean");
    });
  }
  CHECK_THAT(readme_of(test::scenarios + "sweeps"), Catch::Contains(table + '\n'));
  // What the picture is said to show.
  int least = 0;
  for (const int first : {256, 248, 240, 232, 224, 216, 192, 128, 64, 1}) {
    if (swept.at(first, "system-wide-vfio", "host0.late.app.failed").value() > 0) least = first;
    CHECK(swept.at(first, "guest-wide-iommufd", "host0.late.app.failed") == 0.0);
  }
  CHECK_THAT(
      readme_of(test::scenarios + "sweeps"),
      Catch::Contains(fmt::format("none up to 224, and from {} on with all but iommufd", least)));
}

TEST_CASE("what the README says of invalidation and vCPUs is what the sweep finds", "[sweep]") {
  const Swept swept("invalidation-and-vcpus");
  std::string table =
      "| vCPUs | flush, mean: trapped | direct | rounds of work: trapped | direct |\n"
      "|---|---|---|---|---|\n";
  for (const int vcpus : {1, 2, 4, 8, 16, 32}) {
    table += fmt::format("| {} |", vcpus);
    for (const char* queue : {"trapped", "direct"})
      table += fmt::format(" {} |", swept.time_at(vcpus, queue, "host0.vm.kernel.sva.flush.mean"));
    for (const char* queue : {"trapped", "direct"})
      table += fmt::format(" {} |", swept.at(vcpus, queue, "host0.vm.app.rounds").value());
    table += '\n';
  }
  CHECK_THAT(readme_of(test::scenarios + "sweeps"), Catch::Contains(table + '\n'));
}

TEST_CASE("what the README says of strict and deferred unmapping is what the sweep finds",
          "[sweep]") {
  const Swept swept("strict-or-deferred");
  const auto rounds = [&](int together, const char* queue) {
    return swept.at(together, queue, "host0.vm.app.rounds").value();
  };
  std::string table =
      "| rounds per flush | rounds of work: trapped | direct | exposure, mean: trapped | p99 |\n"
      "|---|---|---|---|---|\n";
  for (const int together : {1, 2, 4, 8, 16, 64}) {
    const std::string head = together == 1    ? "1: strict"
                             : together == 64 ? "64: 256 pages, about as many as Linux' 250 buffers"
                                              : std::to_string(together);
    const auto time = [&](const char* figure) {
      return swept.time_at(together, "trapped", figure);
    };
    const std::string exposure =
        together == 1 ? fmt::format("the flush: {} | ", time("host0.vm.kernel.sva.flush.mean"))
                      : fmt::format("{} | {} ", time("host0.vm.app.exposure.mean"),
                                    time("host0.vm.app.exposure.p99"));
    table += fmt::format("| {} | {} | {} | {}|\n", head, rounds(together, "trapped"),
                         rounds(together, "direct"), exposure);
  }
  CHECK_THAT(readme_of(test::scenarios + "sweeps"), Catch::Contains(table + '\n'));
}

#endif
