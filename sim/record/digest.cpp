// Hashes rows, and compares.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/digest.hpp"

#include "core/base/error.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <array>
#include <bit>
#include <cstring>

namespace viosim {

const char* const create_digest_table =
    "CREATE TABLE digest(name TEXT PRIMARY KEY, rows INTEGER NOT NULL, xxh64 INTEGER NOT NULL) "
    "WITHOUT ROWID;";

void RowDigest::Free::operator()(XXH64_state_s* state) const { XXH64_freeState(state); }

RowDigest::RowDigest() : state_(XXH64_createState()) {
  ensure(state_ != nullptr, "xxhash gives a state");
  XXH64_reset(state_.get(), 0);
}

void RowDigest::add(char kind, std::uint64_t bits) {
  std::array<char, 1 + sizeof bits> bytes{kind};
  std::memcpy(bytes.data() + 1, &bits, sizeof bits);
  XXH64_update(state_.get(), bytes.data(), bytes.size());
}

void RowDigest::add(std::int64_t value) { add('i', static_cast<std::uint64_t>(value)); }

void RowDigest::add(std::string_view text) {
  const std::uint64_t size = text.size();
  add('t', size);
  if (size != 0) XXH64_update(state_.get(), text.data(), size);
}

void RowDigest::add_real(double value) { add('r', std::bit_cast<std::uint64_t>(value)); }

void RowDigest::add_null() { XXH64_update(state_.get(), "n", 1); }

std::int64_t RowDigest::value() const {
  return static_cast<std::int64_t>(XXH64_digest(state_.get()));
}

RowDigest digest_of(Connection& connection, const CoveredTable& table) {
  RowDigest digest;
  Statement rows = connection.prepare(table.rows);
  while (rows.step()) {
    for (int column = 0; column < rows.columns(); ++column) {
      if (rows.is_integer(column)) {
        digest.add(rows.integer(column));
      } else if (rows.is_real(column)) {
        digest.add_real(rows.real(column));
      } else if (rows.is_null(column)) {
        digest.add_null();
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

void write_digests(Connection& connection, std::span<const CoveredTable> tables) {
  for (const CoveredTable& table : tables)
    write_digest(connection, table.table, digest_of(connection, table));
}

void check_digests(Connection& connection, std::span<const CoveredTable> tables,
                   std::int64_t format) {
  for (const CoveredTable& table : tables) {
    if (table.since > format) continue;
    Statement written = connection.prepare("SELECT rows, xxh64 FROM digest WHERE name = ?");
    written.bind(1, table.table);
    const bool found = written.step();
    const RowDigest digest = digest_of(connection, table);
    if (found && written.integer(0) == digest.rows() && written.integer(1) == digest.value())
      continue;
    throw ConfigError({connection.file(), "",
                       fmt::format("the {} is damaged: table {} is not as it was written",
                                   connection.noun(), table.table)});
  }
}

}  // namespace viosim
