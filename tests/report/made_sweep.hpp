// A small result of a sweep whose rows a test makes up: two parameters, four points, two runs of each.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/sqlite.hpp"

#include <filesystem>
#include <string>

namespace viosim::test {

// As sim/sweep/README.md documents it.
inline constexpr const char* sweep_tables = R"sql(
PRAGMA application_id = 0x76737770;
PRAGMA user_version = 1;
CREATE TABLE manifest(key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE axis(id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE parameter(point INTEGER, axis INTEGER, name TEXT, text TEXT, number REAL);
CREATE TABLE run(run INTEGER PRIMARY KEY, point INTEGER, replicate INTEGER, seed INTEGER, failed INTEGER,
                 as_expected INTEGER);
CREATE TABLE figure(id INTEGER PRIMARY KEY, component TEXT, name TEXT, unit TEXT);
CREATE TABLE metric(run INTEGER, figure INTEGER, value REAL);
CREATE TABLE histogram(id INTEGER PRIMARY KEY, point INTEGER, component TEXT, operation TEXT, count INTEGER,
                       min INTEGER, max INTEGER, sum INTEGER);
CREATE TABLE histogram_bucket(histogram INTEGER, bucket INTEGER, count INTEGER, sum INTEGER);
CREATE TABLE failure(run INTEGER PRIMARY KEY, kind TEXT, reason TEXT, replay TEXT);
)sql";

// Entries 8 and 64, ways "few" and "many" at points 0 to 3. The figure `rate` is 0.1, 0.3 at point 0, 0.5 twice at
// point 1, 0.9 in the one run of point 2 that did not fail, and nothing at point 3, whose runs failed; `same` is 7 in
// all that did not fail.
inline constexpr const char* sweep_rows = R"sql(
INSERT INTO manifest VALUES('name', 'made'), ('program_version', '0.1.0'), ('commit', 'abc'), ('seed', '5'),
  ('sweep', '{"design": "grid", "description": "of a test"}');
INSERT INTO axis VALUES(0, 'entries'), (1, 'ways');
INSERT INTO parameter VALUES(0, 0, 'entries', '8', 8), (0, 1, 'ways', 'few', NULL), (1, 0, 'entries', '8', 8),
  (1, 1, 'ways', 'many', NULL), (2, 0, 'entries', '64', 64), (2, 1, 'ways', 'few', NULL), (3, 0, 'entries', '64', 64),
  (3, 1, 'ways', 'many', NULL);
INSERT INTO run VALUES(0, 0, 0, 1, 0, 1), (1, 0, 1, 2, 0, 1), (2, 1, 0, 3, 0, 0), (3, 1, 1, 4, 0, 1),
  (4, 2, 0, 5, 0, 1), (5, 2, 1, 6, 1, 0), (6, 3, 0, 7, 1, 0), (7, 3, 1, 8, 1, 0);
INSERT INTO figure VALUES(0, 'host0.dmar0', 'rate', 'ratio'), (1, 'host0.dmar0', 'same', 'count');
INSERT INTO metric VALUES(0, 0, 0.1), (1, 0, 0.3), (2, 0, 0.5), (3, 0, 0.5), (4, 0, 0.9), (0, 1, 7), (1, 1, 7),
  (2, 1, 7), (3, 1, 7), (4, 1, 7);
INSERT INTO histogram VALUES(1, 0, 'host0.dev', 'dma', 4, 5, 9, 24);
INSERT INTO histogram_bucket VALUES(1, 5, 3, 15), (1, 9, 1, 9);
INSERT INTO failure VALUES(5, 'wall', 'not done after 1 s', 'viosim run a'), (6, 'crash', 'signal 11', 'viosim run b'),
  (7, 'crash', 'signal 11', 'viosim run c');
)sql";

inline void make_sweep(const std::filesystem::path& file, const std::string& rows = sweep_rows) {
  Connection connection(file.string(), Connection::Mode::create);
  connection.run(sweep_tables + rows);
}

}  // namespace viosim::test
