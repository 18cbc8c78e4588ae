// The tables of a run database, and the digests that tell a damaged table from a sound one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/sqlite.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

struct XXH64_state_s;

namespace viosim::schema {

inline constexpr std::int64_t format_version = 2;           // PRAGMA user_version
inline constexpr std::int64_t application_id = 0x76696f73;  // "vios"

extern const char* const create_tables;

// Tables covered by a digest, with the query that yields their rows in a fixed order. `wall` is not
// among them, because it differs between identical runs and nothing depends on it.
struct Covered {
  std::string_view table;
  std::string_view rows;
  std::int64_t since = 1;  // the first format that has it
};
std::span<const Covered> covered();

// XXH64 over rows of integers and texts.
class RowDigest {
 public:
  RowDigest();
  void add(std::int64_t value);
  void add(std::string_view text);
  void end_row() { ++rows_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t value() const;

 private:
  struct Free {
    void operator()(XXH64_state_s* state) const;
  };
  std::unique_ptr<XXH64_state_s, Free> state_;
  std::int64_t rows_ = 0;
};

RowDigest digest_of(Connection& connection, const Covered& table);
void write_digest(Connection& connection, std::string_view table, const RowDigest& digest);
// Writes the digests of all covered tables.
void write_digests(Connection& connection);

std::uint64_t checksum(std::span<const std::byte> bytes);

}  // namespace viosim::schema
