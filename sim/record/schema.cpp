// The tables in SQL, and the order of their rows.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/schema.hpp"

#include <xxhash.h>

#include <array>

namespace viosim::schema {

// `sum` has no type: one makes a rounded number of an integer beyond 63 bits (Statement::bind_sum).
const char* const create_tables = R"sql(
CREATE TABLE manifest(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE wall(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE string(id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE event_kind(kind INTEGER PRIMARY KEY, name TEXT NOT NULL, sentence TEXT NOT NULL,
  address TEXT NOT NULL, value TEXT NOT NULL, code TEXT NOT NULL);
CREATE TABLE metric(id INTEGER PRIMARY KEY, component INTEGER NOT NULL, name TEXT NOT NULL,
  unit TEXT NOT NULL, value INTEGER NOT NULL);
CREATE TABLE latency(id INTEGER PRIMARY KEY, component INTEGER NOT NULL, operation TEXT NOT NULL,
  count INTEGER NOT NULL, min INTEGER NOT NULL, max INTEGER NOT NULL, sum NOT NULL);
CREATE TABLE latency_bucket(latency INTEGER NOT NULL, bucket INTEGER NOT NULL,
  count INTEGER NOT NULL, sum NOT NULL, PRIMARY KEY(latency, bucket)) WITHOUT ROWID;
CREATE TABLE violation(id INTEGER PRIMARY KEY, invariant TEXT NOT NULL, time INTEGER NOT NULL,
  component INTEGER NOT NULL, actor TEXT NOT NULL, pasid INTEGER NOT NULL, epoch INTEGER NOT NULL,
  current_epoch INTEGER NOT NULL, owner TEXT NOT NULL, previous_owner TEXT NOT NULL,
  message TEXT NOT NULL);
CREATE TABLE violation_event(violation INTEGER NOT NULL, position INTEGER NOT NULL,
  time INTEGER NOT NULL, component INTEGER NOT NULL, kind INTEGER NOT NULL, pasid INTEGER NOT NULL,
  epoch INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY(violation, position)) WITHOUT ROWID;
CREATE TABLE violation_count(invariant TEXT PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE expectation(id INTEGER PRIMARY KEY, expected TEXT NOT NULL, found TEXT NOT NULL,
  met INTEGER NOT NULL);
CREATE TABLE trace_block(number INTEGER PRIMARY KEY, events INTEGER NOT NULL,
  first_time INTEGER NOT NULL, last_time INTEGER NOT NULL, checksum INTEGER NOT NULL,
  data BLOB NOT NULL);
)sql";

namespace {

constexpr std::array tables = {
    CoveredTable{"manifest", "SELECT key, value FROM manifest ORDER BY key"},
    CoveredTable{"string", "SELECT id, text FROM string ORDER BY id"},
    CoveredTable{"event_kind",
                 "SELECT kind, name, sentence, address, value, code FROM event_kind ORDER BY kind"},
    CoveredTable{"metric", "SELECT id, component, name, unit, value FROM metric ORDER BY id"},
    CoveredTable{"latency",
                 "SELECT id, component, operation, count, min, max, sum FROM latency ORDER BY id"},
    CoveredTable{"latency_bucket",
                 "SELECT latency, bucket, count, sum FROM latency_bucket ORDER BY latency, bucket"},
    CoveredTable{
        "violation",
        "SELECT id, invariant, time, component, actor, pasid, epoch, current_epoch, owner, "
        "previous_owner, message FROM violation ORDER BY id"},
    CoveredTable{"violation_event",
                 "SELECT violation, position, time, component, kind, pasid, epoch, text "
                 "FROM violation_event ORDER BY violation, position"},
    CoveredTable{"violation_count",
                 "SELECT invariant, times FROM violation_count ORDER BY invariant", 3},
    CoveredTable{"expectation", "SELECT id, expected, found, met FROM expectation ORDER BY id", 2},
    // The blob is covered by its own checksum, which is covered here.
    CoveredTable{"trace_block",
                 "SELECT number, events, first_time, last_time, checksum FROM trace_block "
                 "ORDER BY number"},
};

}  // namespace

std::span<const CoveredTable> covered() { return tables; }
const CoveredTable& manifest() { return tables.front(); }

std::uint64_t checksum(std::span<const std::byte> bytes) {
  return XXH64(bytes.data(), bytes.size(), 0);
}

}  // namespace viosim::schema
