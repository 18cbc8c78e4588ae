// Digests that tell a damaged table from a sound one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/sqlite.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

struct XXH64_state_s;

namespace viosim {

// A table covered by a digest, with the query that yields its rows in a fixed order.
struct CoveredTable {
  std::string_view table;
  std::string_view rows;
  std::int64_t since = 1;  // the first format that has it
};

// XXH64 over rows of integers, texts, numbers and nothing.
class RowDigest {
 public:
  RowDigest();
  void add(std::int64_t value);
  void add(std::string_view text);
  void add_real(double value);
  void add_null();
  void end_row() { ++rows_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t value() const;

 private:
  struct Free {
    void operator()(XXH64_state_s* state) const;
  };
  void add(char kind, std::uint64_t bits);

  std::unique_ptr<XXH64_state_s, Free> state_;
  std::int64_t rows_ = 0;
};

// Rows of the table `digest` of a database.
extern const char* const create_digest_table;

RowDigest digest_of(Connection& connection, const CoveredTable& table);
void write_digest(Connection& connection, std::string_view table, const RowDigest& digest);
void write_digests(Connection& connection, std::span<const CoveredTable> tables);
// Throws ConfigError, naming the first table that is not as it was written. `format`: the file's.
void check_digests(Connection& connection, std::span<const CoveredTable> tables,
                   std::int64_t format);

}  // namespace viosim
