// Recorded runs made again by the real program.
// SPDX-License-Identifier: Apache-2.0
#include "sim/regress/regress.hpp"

#include "core/base/error.hpp"
#include "sim/record/digest.hpp"
#include "sim/record/schema.hpp"
#include "sim/version.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <fstream>
#include <string>
#include <vector>

using namespace viosim;
using Catch::Matchers::Contains;

namespace {

// A record of a small run of accelerators, in a directory of its own.
class Records {
 public:
  Records() {
    std::filesystem::create_directories(scratch_ / "records/small");
    write("small.json", R"({
      "name": "small", "seed": 3,
      "hosts": [{"name": "host0",
        "iommus": [{"name": "dmar0", "model": "vtd", "iotlb": {"entries": 16, "ways": 4}}],
        "devices": [{"name": "acc", "count": 2, "model": "dma", "iommu": "dmar0", "requests": 500,
                     "outstanding": 2, "traffic": {"pattern": "uniform", "window": "256 KiB"}}]}]})");
    describe("");
    update();
  }
  void write(const std::string& file, const std::string& text) const {
    std::ofstream(scratch_ / file) << text;
  }
  void describe(const std::string& more) const {
    write("records/small/record.json", "{\"scenario\": \"../../small.json\"" + more + "}");
  }
  void update() {
    options.update = true;
    const RecordReport report = run();
    INFO(report.text);
    REQUIRE(report.exit_code == 0);
    options.update = false;
  }
  RecordReport run() const {
    const auto reports = regress(scratch_ / "records", options);
    REQUIRE(reports.size() == 1);
    return reports[0];
  }
  std::filesystem::path path(const std::string& name) const { return scratch_ / name; }

  RegressOptions options{.program = VIOSIM_PROGRAM, .assignments = {}, .out = {}};

 private:
  Scratch scratch_;
};

const std::string one_ns_more = "/hosts/0/iommus/0/walk_read=81 ns";

}  // namespace

TEST_CASE("an unchanged scenario gives its record again", "[regress]") {
  const Records records;
  const RecordReport report = records.run();
  INFO(report.text);
  CHECK(report.outcome == Outcome::same);
  CHECK(report.events > 1000);
  CHECK(report.exit_code == 0);
}

TEST_CASE("one nanosecond more is found, with scenario, component and event", "[regress]") {
  Records records;
  records.options.assignments = {one_ns_more};
  const RecordReport report = records.run();
  CHECK(report.outcome == Outcome::different);
  CHECK(report.exit_code == 1);
  CHECK_THAT(report.text, Contains("scenario small, event ") &&
                              Contains("component host0.dmar0, kind walk") &&
                              Contains("other time, duration") && Contains("two-sample"));
}

TEST_CASE("an update replaces the record and sums up what changed", "[regress]") {
  Records records;
  records.options.assignments = {one_ns_more};
  records.options.update = true;
  const auto first = regress(records.path("records"), records.options);
  CHECK_THAT(update_summary(first),
             Contains("Records: 1 of 1 changed") && Contains("- small: events from"));
  CHECK(update_summary(regress(records.path("records"), records.options)).empty());
  records.options.update = false;
  CHECK(records.run().outcome == Outcome::same);
}

TEST_CASE("tolerances of a record let so much pass and no more", "[regress]") {
  Records records;
  records.options.assignments = {one_ns_more};
  const std::string loose = R"(, "tolerances": {"trace": "off",
    "latencies": [{"component": "host0.acc[*]", "within": 0.05}, {"component": "host0.dmar0", "within": 0.05}],
    "metrics": [{"component": "host0.acc[*]", "within": 0.05}, {"component": "host0.dmar0", "within": 0.2}]})";
  records.describe(loose);
  const RecordReport report = records.run();
  INFO(report.text);
  CHECK(report.outcome == Outcome::same);
  records.describe(R"(, "tolerances": {"trace": "off"})");
  CHECK(records.run().outcome == Outcome::different);
}

TEST_CASE("a tolerance that nothing is meant by is a mistake, with its place", "[regress]") {
  Records records;
  records.describe(
      R"(, "tolerances": {"latencies": [{"component": "host0.nothing", "within": 0.05}],
    "metrics": [{"component": "host0.dmar0", "metric": "wlaks", "within": 0.05}]})");
  const RecordReport report = records.run();
  CHECK(report.exit_code == 2);
  CHECK_THAT(
      report.text,
      Contains("record.json: /tolerances/latencies/0: no component of the record") &&
          Contains(
              "/tolerances/metrics/0: the record has no \"wlaks\" there; did you mean \"walks\"?"));
}

TEST_CASE("a latency that is no more is said to be gone", "[regress]") {
  Records records;
  records.options.assignments = {"/hosts/0/devices/0/count=1"};
  records.options.update = true;
  const std::string summary = update_summary(regress(records.path("records"), records.options));
  CHECK_THAT(summary, Contains("is gone (mean ") && !Contains("-> 0 ps"));
}

TEST_CASE("what a record needs and has not is told", "[regress]") {
  Records records;
  std::filesystem::remove(records.path("records/small/run.db"));
  CHECK(records.run().outcome == Outcome::missing);
  CHECK(records.run().exit_code == 1);
  CHECK_THAT(records.run().text, Contains("there is no run.db; --update"));
  CHECK_FALSE(std::filesystem::exists(records.path("records/small/run.db")));
  records.describe(R"(, "tolerance": {})");
  CHECK_THROWS_WITH(records.run(), Contains("did you mean \"tolerances\"?"));
  records.write("records/small/record.json", R"({"scenario": "../../nowhere.json"})");
  const RecordReport report = records.run();
  CHECK(report.outcome == Outcome::failed);
  CHECK(report.exit_code == 2);
  CHECK_THAT(report.text, Contains("nowhere.json"));
  CHECK_THROWS_WITH(regress(records.path("nothing"), records.options), Contains("nothing"));
  CHECK_THROWS_WITH(regress(records.path("records/small"), records.options),
                    Contains("holds no records"));
}

TEST_CASE("a record whose description is a link to nowhere is told", "[regress]") {
  const Records records;
  std::filesystem::create_directories(records.path("records/other"));
  std::filesystem::create_symlink("gone.json", records.path("records/other/record.json"));
  CHECK_THROWS_WITH(records.run(), Contains("other/record.json"));
}

TEST_CASE("a record may change its scenario", "[regress]") {
  Records records;
  records.describe(R"(, "set": ["/hosts/0/devices/0/requests=50"])");
  const RecordReport shorter = records.run();
  CHECK(shorter.outcome == Outcome::different);
  records.update();
  CHECK(records.run().outcome == Outcome::same);
  CHECK(records.run().events == shorter.events);
  // What the command line sets comes after.
  records.options.assignments = {"/hosts/0/devices/0/requests=500"};
  CHECK(records.run().events > shorter.events);
  records.options.assignments = {};
  records.describe(R"(, "set": ["/hosts/0/devices/0/reqests=50"])");
  const RecordReport wrong = records.run();
  CHECK(wrong.exit_code == 2);
  CHECK_THAT(wrong.text, Contains("did you mean \"requests\"?") && Contains("--set"));
}

TEST_CASE("a run that is not as its scenario expects is told, recorded or not", "[regress]") {
  Records records;
  const std::string unmet = R"(/expect=[{"metric": "host0.dmar0.walks", "equals": 0}])";
  records.describe(R"(, "set": [)" + to_text(Value(unmet)) + "]");
  records.options.update = GENERATE(true, false);
  std::filesystem::remove(records.path("records/small/run.db"));
  const RecordReport first = records.run();
  CHECK(first.outcome == (records.options.update ? Outcome::recorded : Outcome::missing));
  CHECK(first.exit_code == 1);
  CHECK_THAT(not_met_text(first), Contains("small: the run is not as its scenario expects") &&
                                      Contains("host0.dmar0.walks equals 0: "));
  if (!records.options.update) return;
  records.options.update = false;
  const RecordReport again = records.run();
  CHECK(again.outcome == Outcome::same);
  CHECK(again.exit_code == 1);
  CHECK(again.not_met == first.not_met);
}

TEST_CASE("an update names the commit where the record was of none", "[regress]") {
  Records records;
  const std::filesystem::path database = records.path("records/small/run.db");
  {
    Connection connection(database.string(), Connection::Mode::read);
    connection.run("UPDATE manifest SET value = '0123456789ab-modified' WHERE key = 'commit'");
    connection.run("DELETE FROM digest");
    write_digests(connection, schema::covered());
  }
  CHECK(records.run().outcome == Outcome::same);
  records.options.update = true;
  const RecordReport report = records.run();
  CHECK(report.exit_code == 0);
  const bool of_a_commit = !program_commit().ends_with("-modified");
  CHECK(report.summary.empty() != of_a_commit);
  const std::string named = RunReader::open(database).manifest().more.at("commit");
  CHECK(named == (of_a_commit ? program_commit() : "0123456789ab-modified"));
}

TEST_CASE("one nanosecond more of what each subject takes is found by its record", "[regress]") {
  struct Case {
    std::string record;
    std::string one_ns_more;
  };
  const Case one = GENERATE(from_range(std::vector<Case>{
      {"one-device", "/hosts/0/iommus/0/walk_read=81 ns"},
      {"one-device", "/hosts/0/memory/latency=81 ns"},
      {"page-faults", "/hosts/0/kernel/fault_interrupt=3001 ns"},
      {"page-faults", "/hosts/0/kernel/fault_response=501 ns"},
      {"riscv", "/hosts/0/iommus/0/commands/fence=101 ns"},
      {"device-reset", "/hosts/0/kernel/page_update=201 ns"},
      {"device-reset", "/events/1/delay=100001 ns"},
      {"native-sva", "/hosts/0/software/pasids/operation=101 ns"},
      {"native-sva", "/hosts/0/software/io_page_faults/worker_start=1001 ns"},
      {"device-vanishes", "/hosts/0/iommus/0/invalidation/device_tlb_timeout=10000001 ns"},
      {"device-vanishes", "/hosts/0/software/unplug_notice=10001 ns"},
      {"guest-two-viommus-shared", "/hosts/0/guests/0/vfio/allocate=701 ns"},
      {"guest-iommufd", "/hosts/0/guests/0/iommufd/attach=3501 ns"},
      {"guest-iommufd", "/hosts/0/guests/0/iommufd/invalidate=701 ns"},
      {"guest-iommufd", "/hosts/0/guests/0/iommufd/destroy=501 ns"},
      {"mediated-device", "/hosts/0/devices/0/shared_queue/accept=101 ns"},
      {"mediated-device", "/hosts/0/devices/0/shared_queue/refuse=101 ns"},
      {"mediated-device", "/hosts/0/devices/0/driver/enqcmd/pause=51 ns"},
      {"migrate-guest-wide", "/hosts/0/guests/0/migration/look=1001 ns"},
      {"migrate-guest-wide", "/hosts/0/guests/0/migration/save=5001 ns"},
      {"migrate-guest-wide", "/hosts/0/guests/0/migration/load=5001 ns"},
      {"migrate-guest-wide", "/links/0/latency=10001 ns"},
      {"viommu-hotplug", "/hosts/0/guests/0/viommus/0/command_wake_up=60001 ns"},
      {"viommu-hotplug", "/hosts/0/guests/0/kernel/iommu_driver/barrier=21 ns"},
      {"command-in-flight", "/hosts/0/guests/0/viommus/0/command_wake_up=3001 ns"},
      {"guest-does-not-answer", "/hosts/0/guests/0/vfio/fault_limit=10000001 ns"},
      {"guest-does-not-answer", "/hosts/0/guests/2/iommufd/fault_limit=10000001 ns"},
  }));
  INFO(one.record << ": " << one.one_ns_more);
  const Scratch scratch;
  const std::filesystem::path results = std::filesystem::path(VIOSIM_SOURCE_DIR) / "results";
  std::filesystem::create_directories(scratch / "results");
  std::filesystem::create_directory_symlink(std::filesystem::path(VIOSIM_SOURCE_DIR) / "scenarios",
                                            scratch / "scenarios");
  std::filesystem::create_directory_symlink(results / one.record, scratch / "results" / one.record);
  RegressOptions options{.program = VIOSIM_PROGRAM, .assignments = {one.one_ns_more}, .out = {}};
  const auto reports = regress(scratch / "results", options);
  REQUIRE(reports.size() == 1);
  INFO(reports[0].text);
  CHECK(reports[0].outcome == Outcome::different);
  CHECK_THAT(reports[0].text,
             Contains("scenario ") && Contains("component host") && Contains(", kind "));
}
