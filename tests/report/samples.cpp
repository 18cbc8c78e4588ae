// Writes databases that the browser looks at: a run with violations and with names that attack the page, one that was
// killed, two of an older format, one with a long trace, and sweeps: one whose figures are nearly the same everywhere,
// one whose parameters are called like columns and have units, one with more curves than are drawn and long numbers,
// one whose points lack figures, one with more failures than are in a report, and one with about as many points as a
// report has means.
// SPDX-License-Identifier: Apache-2.0
// usage: viosim_report_samples DIRECTORY      writes violations.db, killed.db, old.db, capped.db, long.db, near.db,
//                                             words.db, curves.db, gaps.db, failed.db and many.db
#include "models/trace_events.hpp"
#include "sim/record/run_database.hpp"
#include "tests/record/event_mix.hpp"
#include "tests/report/made_sweep.hpp"

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
  database.count_violations("I8", 2000);
  database.finish();
}

// As older versions left it: format 2 has no counts of violations, and does not say that they were looked for.
void write_old(const std::filesystem::path& file, int violations) {
  {
    RunDatabase database = RunDatabase::create(
        file, {.program_version = "0.1.0", .scenario = R"({"name": "old"})", .seed = 7});
    const std::uint32_t iommu = database.add_component("host0.dmar0");
    for (int i = 0; i < violations; ++i) database.add_violation(violation(iommu, i));
    database.finish();
  }
  Connection(file.string(), Connection::Mode::read)
      .run(
          "DROP TABLE violation_count; DELETE FROM digest WHERE name = 'violation_count'; PRAGMA "
          "user_version = 2");
}

// As a run that was killed leaves it.
void write_killed(const std::filesystem::path& file) {
  {
    RunDatabase database = RunDatabase::create(
        file, {.program_version = "0.1.0", .scenario = R"({"name": "killed"})", .seed = 7});
    const std::uint32_t pasids = database.add_component("host0.kernel.pasids");
    database.trace().take({event(EventKind::allocate, 5, pasids, 1)});
  }
  std::filesystem::rename(RunDatabase::partial_path(file), file);
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

// Two runs at each of eight points. At point 0 evictions are a whole number, at point 1 they are not.
constexpr const char* near_rows = R"sql(
INSERT INTO manifest VALUES('name', 'near'), ('program_version', '0.1.0'), ('commit', 'abc'), ('seed', '5'),
  ('sweep', '{"design": "grid"}');
INSERT INTO axis VALUES(0, 'size'), (1, 'read'), (2, 'ways');
WITH RECURSIVE numbers(n) AS (VALUES(0) UNION ALL SELECT n + 1 FROM numbers WHERE n < 15)
  INSERT INTO run SELECT n, n / 2, n % 2, n + 1, 0, 1 FROM numbers;
INSERT INTO parameter
  SELECT point, 0, 'size', iif(point % 2, '64 KiB', '4 KiB'), iif(point % 2, 65536, 4096) FROM run WHERE replicate = 0
  UNION SELECT point, 1, 'read', (1 << point / 2) || ' us', 1000000 << point / 2 FROM run
  UNION SELECT point, 2, 'ways', '4', 4 FROM run;
INSERT INTO figure VALUES(0, 'host0.dmar0', 'hit_rate', 'ratio'), (1, 'host0.dmar0', 'mean_wait', 'ps'),
  (2, 'host0.dmar0', 'evictions', 'count');
INSERT INTO metric SELECT run, 0, 0.99971 + 0.00001 * point FROM run;
INSERT INTO metric SELECT run, 1, 489206 + point FROM run;
INSERT INTO metric SELECT run, 2, 1159 + 411.25 * point FROM run;
)sql";

// A run at each of 18 points, of which the last failed.
constexpr const char* words_rows = R"sql(
INSERT INTO manifest VALUES('name', 'words'), ('program_version', '0.1.0'), ('commit', 'abc'), ('seed', '5'),
  ('sweep', '{"design": "grid"}');
INSERT INTO axis VALUES(0, 'run'), (1, 'kind'), (2, 'window');
WITH RECURSIVE numbers(n) AS (VALUES(0) UNION ALL SELECT n + 1 FROM numbers WHERE n < 17)
  INSERT INTO run SELECT n, n, 0, n + 1, n = 17, n < 17 FROM numbers;
INSERT INTO parameter
  SELECT point, 0, 'run', 512 << point % 3, 512 << point % 3 FROM run
  UNION SELECT point, 1, 'kind', CASE point / 3 % 3 WHEN 0 THEN '20 ns' WHEN 1 THEN '200 ns' ELSE '2 us' END,
    CASE point / 3 % 3 WHEN 0 THEN 20000 WHEN 1 THEN 200000 ELSE 2000000 END FROM run
  UNION SELECT point, 2, 'window', iif(point / 9, '256 KiB', '64 KiB'), iif(point / 9, 262144, 65536) FROM run;
INSERT INTO figure VALUES(0, 'host0.dmar0', 'mean_wait', 'ps');
INSERT INTO metric SELECT run, 0, 1000000 + 1000 * point FROM run WHERE NOT failed;
INSERT INTO failure VALUES(17, 'crash', 'signal 11' || char(13) || 'core dumped', 'viosim run a');
)sql";

// One run at each point: three sizes, which are long numbers, with each of 20 ways.
constexpr const char* curves_rows = R"sql(
INSERT INTO manifest VALUES('name', 'curves'), ('program_version', '0.1.0'), ('commit', 'abc'), ('seed', '5'),
  ('sweep', '{"design": "grid"}');
INSERT INTO axis VALUES(0, 'size'), (1, 'ways');
WITH RECURSIVE numbers(n) AS (VALUES(0) UNION ALL SELECT n + 1 FROM numbers WHERE n < 59)
  INSERT INTO run SELECT n, n, 0, n + 1, 0, 1 FROM numbers;
INSERT INTO parameter
  SELECT point, 0, 'size', 1000000000000000 * (1 + point % 3), 1000000000000000 * (1 + point % 3) FROM run
  UNION ALL SELECT point, 1, 'ways', point / 3, point / 3 FROM run;
INSERT INTO figure VALUES(0, 'host0.dmar0', 'hits', 'count');
INSERT INTO metric SELECT run, 0, 1000 + point % 3 * 100 + point / 3 * 7 FROM run;
)sql";

// One run at each of four points, of long texts; the second has no faults, the last failed. All faults are as many.
constexpr const char* gaps_rows = R"sql(
INSERT INTO manifest VALUES('name', 'gaps'), ('program_version', '0.1.0'), ('commit', 'abc'), ('seed', '5'),
  ('sweep', '{"design": "grid"}');
INSERT INTO axis VALUES(0, 'traffic');
WITH RECURSIVE numbers(n) AS (VALUES(0) UNION ALL SELECT n + 1 FROM numbers WHERE n < 3)
  INSERT INTO run SELECT n, n, 0, n + 1, n = 3, n < 3 FROM numbers;
INSERT INTO parameter SELECT point, 0, 'traffic', '{"pattern": "uniform", "requests": 100000, "window": "256 MiB", ' ||
  '"start": "1 ms", "read_part": 0.5, "outstanding": 64, "size": "' || (4 << point) || ' KiB"}', NULL FROM run;
INSERT INTO figure VALUES(0, 'host0.dev', 'faults_handled', 'count'), (1, 'host0.dmar0', 'mean_wait', 'ps'),
  (2, 'host0.dmar0', 'hits', 'count');
INSERT INTO metric SELECT run, 0, 7 FROM run WHERE point IN (0, 2);
INSERT INTO metric SELECT run, 1, 810000 + 1000 * point FROM run WHERE NOT failed;
INSERT INTO metric SELECT run, 2, 100 + point FROM run WHERE NOT failed;
INSERT INTO histogram SELECT point + 1, point, 'host0.dev', 'dma', 4, 5, 9, 24 FROM run WHERE NOT failed;
INSERT INTO histogram_bucket SELECT id, 5, 3, 15 FROM histogram UNION ALL SELECT id, 9, 1, 9 FROM histogram;
INSERT INTO failure VALUES(3, 'wall', 'not done after 1 s', 'viosim run a');
)sql";

// Runs that all failed, more than a report has rows for; what the last ones say, no other does.
constexpr const char* failed_rows = R"sql(
INSERT INTO manifest VALUES('name', 'failed'), ('program_version', '0.1.0'), ('commit', 'abc'), ('seed', '5'),
  ('sweep', '{"design": "grid", "checks": false}');
INSERT INTO axis VALUES(0, 'ways');
WITH RECURSIVE numbers(n) AS (VALUES(0) UNION ALL SELECT n + 1 FROM numbers WHERE n < 2499)
  INSERT INTO run SELECT n, 0, n, n + 1, 1, 0 FROM numbers;
INSERT INTO parameter VALUES(0, 0, 'ways', '4', 4);
INSERT INTO failure SELECT run, iif(run < 2000, 'crash', 'wall'), 'signal 11', 'viosim run a' FROM run;
)sql";

// One run at each point.
constexpr const char* many_rows = R"sql(
INSERT INTO manifest VALUES('name', 'many'), ('program_version', '0.1.0'), ('commit', 'abc'), ('seed', '5'),
  ('sweep', '{"design": "grid"}');
INSERT INTO axis VALUES(0, 'place'), (1, 'side');
WITH RECURSIVE numbers(n) AS (VALUES(0) UNION ALL SELECT n + 1 FROM numbers WHERE n < 148999)
  INSERT INTO run SELECT n, n, 0, n + 1, 0, 1 FROM numbers;
INSERT INTO parameter
  SELECT point, 0, 'place', point, point FROM run
  UNION ALL SELECT point, 1, 'side', point % 2, point % 2 FROM run;
INSERT INTO figure VALUES(0, 'host0.dmar0', 'hits', 'count');
INSERT INTO metric SELECT run, 0, 1000 + point * 7919 % 1009 FROM run;
)sql";

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path directory = argv[1];
  write_violations(directory / "violations.db");
  write_killed(directory / "killed.db");
  write_old(directory / "old.db", 0);
  write_old(directory / "capped.db", 1001);
  write_long(directory / "long.db");
  test::make_sweep(directory / "near.db", near_rows);
  test::make_sweep(directory / "words.db", words_rows);
  test::make_sweep(directory / "curves.db", curves_rows);
  test::make_sweep(directory / "gaps.db", gaps_rows);
  test::make_sweep(directory / "failed.db", failed_rows);
  test::make_sweep(directory / "many.db", many_rows);
  return 0;
}
