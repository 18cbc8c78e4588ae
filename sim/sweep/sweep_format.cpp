// The tables in SQL, and the order of their rows.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/sweep_format.hpp"

#include <array>

namespace viosim::sweep_format {

// `sum` has no type: one makes a rounded number of an integer beyond 63 bits (Statement::bind_sum).
const char* const create_tables = R"sql(
CREATE TABLE manifest(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE axis(id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE parameter(point INTEGER NOT NULL, axis INTEGER NOT NULL, name TEXT NOT NULL,
  text TEXT NOT NULL, number REAL, PRIMARY KEY(point, axis)) WITHOUT ROWID;
CREATE TABLE run(run INTEGER PRIMARY KEY, point INTEGER NOT NULL, replicate INTEGER NOT NULL,
  seed INTEGER NOT NULL, failed INTEGER NOT NULL, as_expected INTEGER NOT NULL);
CREATE TABLE figure(id INTEGER PRIMARY KEY, component TEXT NOT NULL, name TEXT NOT NULL,
  unit TEXT NOT NULL);
CREATE TABLE metric(run INTEGER NOT NULL, figure INTEGER NOT NULL, value NUMERIC NOT NULL,
  PRIMARY KEY(run, figure)) WITHOUT ROWID;
CREATE TABLE histogram(id INTEGER PRIMARY KEY, point INTEGER NOT NULL, component TEXT NOT NULL,
  operation TEXT NOT NULL, count INTEGER NOT NULL, min INTEGER NOT NULL, max INTEGER NOT NULL,
  sum NOT NULL);
CREATE TABLE histogram_bucket(histogram INTEGER NOT NULL, bucket INTEGER NOT NULL,
  count INTEGER NOT NULL, sum NOT NULL, PRIMARY KEY(histogram, bucket)) WITHOUT ROWID;
CREATE TABLE failure(run INTEGER PRIMARY KEY, kind TEXT NOT NULL, reason TEXT NOT NULL,
  replay TEXT NOT NULL);
CREATE TABLE stop(point INTEGER PRIMARY KEY, fulfilled INTEGER NOT NULL);
CREATE TABLE wall(run INTEGER PRIMARY KEY, seconds REAL NOT NULL, memory INTEGER NOT NULL);
CREATE VIEW result AS SELECT run.run, run.point, run.replicate,
  figure.component || '.' || figure.name AS figure, figure.unit, metric.value
  FROM metric JOIN run USING(run) JOIN figure ON figure.id = metric.figure;
)sql";

namespace {

constexpr std::array tables = {
    CoveredTable{"manifest", "SELECT key, value FROM manifest ORDER BY key"},
    CoveredTable{"axis", "SELECT id, name FROM axis ORDER BY id"},
    CoveredTable{"parameter",
                 "SELECT point, axis, name, text, number FROM parameter ORDER BY point, axis"},
    CoveredTable{"run",
                 "SELECT run, point, replicate, seed, failed, as_expected FROM run ORDER BY run"},
    CoveredTable{"figure", "SELECT id, component, name, unit FROM figure ORDER BY id"},
    CoveredTable{"metric", "SELECT run, figure, value FROM metric ORDER BY run, figure"},
    CoveredTable{"histogram",
                 "SELECT id, point, component, operation, count, min, max, sum FROM histogram "
                 "ORDER BY id"},
    CoveredTable{"histogram_bucket",
                 "SELECT histogram, bucket, count, sum FROM histogram_bucket "
                 "ORDER BY histogram, bucket"},
    CoveredTable{"failure", "SELECT run, kind, reason, replay FROM failure ORDER BY run"},
    CoveredTable{"stop", "SELECT point, fulfilled FROM stop ORDER BY point"},
};

}  // namespace

std::span<const CoveredTable> covered() { return tables; }

}  // namespace viosim::sweep_format
