// The tables in SQL, and hashing their rows.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/schema.hpp"

#include "core/base/error.hpp"

#include <xxhash.h>

namespace viosim::schema {

const char* const create_tables = R"sql(
CREATE TABLE manifest(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE wall(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE string(id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE event_kind(kind INTEGER PRIMARY KEY, name TEXT NOT NULL, sentence TEXT NOT NULL,
  address TEXT NOT NULL, value TEXT NOT NULL, code TEXT NOT NULL);
CREATE TABLE metric(id INTEGER PRIMARY KEY, component INTEGER NOT NULL, name TEXT NOT NULL,
  unit TEXT NOT NULL, value INTEGER NOT NULL);
CREATE TABLE latency(id INTEGER PRIMARY KEY, component INTEGER NOT NULL, operation TEXT NOT NULL,
  count INTEGER NOT NULL, min INTEGER NOT NULL, max INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE latency_bucket(latency INTEGER NOT NULL, bucket INTEGER NOT NULL,
  count INTEGER NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY(latency, bucket)) WITHOUT ROWID;
CREATE TABLE violation(id INTEGER PRIMARY KEY, invariant TEXT NOT NULL, time INTEGER NOT NULL,
  component INTEGER NOT NULL, actor TEXT NOT NULL, pasid INTEGER NOT NULL, epoch INTEGER NOT NULL,
  current_epoch INTEGER NOT NULL, owner TEXT NOT NULL, previous_owner TEXT NOT NULL,
  message TEXT NOT NULL);
CREATE TABLE violation_event(violation INTEGER NOT NULL, position INTEGER NOT NULL,
  time INTEGER NOT NULL, component INTEGER NOT NULL, kind INTEGER NOT NULL, pasid INTEGER NOT NULL,
  epoch INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY(violation, position)) WITHOUT ROWID;
CREATE TABLE expectation(id INTEGER PRIMARY KEY, expected TEXT NOT NULL, found TEXT NOT NULL,
  met INTEGER NOT NULL);
CREATE TABLE trace_block(number INTEGER PRIMARY KEY, events INTEGER NOT NULL,
  first_time INTEGER NOT NULL, last_time INTEGER NOT NULL, checksum INTEGER NOT NULL,
  data BLOB NOT NULL);
CREATE TABLE digest(name TEXT PRIMARY KEY, rows INTEGER NOT NULL, xxh64 INTEGER NOT NULL)
  WITHOUT ROWID;
)sql";

namespace {

constexpr std::array tables = {
    Covered{"manifest", "SELECT key, value FROM manifest ORDER BY key"},
    Covered{"string", "SELECT id, text FROM string ORDER BY id"},
    Covered{"event_kind",
            "SELECT kind, name, sentence, address, value, code FROM event_kind ORDER BY kind"},
    Covered{"metric", "SELECT id, component, name, unit, value FROM metric ORDER BY id"},
    Covered{"latency",
            "SELECT id, component, operation, count, min, max, sum FROM latency ORDER BY id"},
    Covered{"latency_bucket",
            "SELECT latency, bucket, count, sum FROM latency_bucket ORDER BY latency, bucket"},
    Covered{"violation",
            "SELECT id, invariant, time, component, actor, pasid, epoch, current_epoch, owner, "
            "previous_owner, message FROM violation ORDER BY id"},
    Covered{"violation_event",
            "SELECT violation, position, time, component, kind, pasid, epoch, text "
            "FROM violation_event ORDER BY violation, position"},
    Covered{"expectation", "SELECT id, expected, found, met FROM expectation ORDER BY id", 2},
    // The blob is covered by its own checksum, which is covered here.
    Covered{"trace_block",
            "SELECT number, events, first_time, last_time, checksum FROM trace_block "
            "ORDER BY number"},
};

}  // namespace

std::span<const Covered> covered() { return tables; }

void RowDigest::Free::operator()(XXH64_state_s* state) const { XXH64_freeState(state); }

RowDigest::RowDigest() : state_(XXH64_createState()) {
  ensure(state_ != nullptr, "xxhash gives a state");
  XXH64_reset(state_.get(), 0);
}

void RowDigest::add(std::int64_t value) {
  XXH64_update(state_.get(), "i", 1);
  XXH64_update(state_.get(), &value, sizeof value);
}

void RowDigest::add(std::string_view text) {
  const std::uint64_t size = text.size();
  XXH64_update(state_.get(), "t", 1);
  XXH64_update(state_.get(), &size, sizeof size);
  if (size != 0) XXH64_update(state_.get(), text.data(), size);
}

std::int64_t RowDigest::value() const {
  return static_cast<std::int64_t>(XXH64_digest(state_.get()));
}

RowDigest digest_of(Connection& connection, const Covered& table) {
  RowDigest digest;
  Statement rows = connection.prepare(table.rows);
  while (rows.step()) {
    for (int column = 0; column < rows.columns(); ++column) {
      if (rows.is_integer(column)) {
        digest.add(rows.integer(column));
      } else {
        digest.add(rows.text(column));
      }
    }
    digest.end_row();
  }
  return digest;
}

void write_digest(Connection& connection, std::string_view table, const RowDigest& digest) {
  connection.prepare("INSERT OR REPLACE INTO digest VALUES(?, ?, ?)")
      .bind(1, table)
      .bind(2, digest.rows())
      .bind(3, digest.value())
      .run();
}

void write_digests(Connection& connection) {
  for (const Covered& table : tables)
    write_digest(connection, table.table, digest_of(connection, table));
}

std::uint64_t checksum(std::span<const std::byte> bytes) {
  return XXH64(bytes.data(), bytes.size(), 0);
}

}  // namespace viosim::schema
