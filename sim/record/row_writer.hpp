// Inserts rows into a table and digests them on the way, so that nobody has to read them back.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/wide.hpp"
#include "sim/record/digest.hpp"
#include "sim/record/sqlite.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace viosim {

// Of one table that a digest covers: columns in its order, rows in that of its primary key. Many rows are
// one statement, since most of what an INSERT costs is its beginning and its end.
class RowWriter {
 public:
  // Whether rows have a number first that SQLite gives them, from 1 on: it need not look for its place then.
  enum class Ids : std::uint8_t { given, counted };
  // `columns`: of a row, without a counted number.
  RowWriter(Connection& connection, std::string_view table, std::size_t columns,
            Ids ids = Ids::given);

  // Of a row, one after the other. A text must live until finish().
  RowWriter& add(std::int64_t value);
  RowWriter& add(std::string_view text);
  RowWriter& add_sum(WideSum value);  // as Statement::bind_sum()
  void end_row();
  // Inserts what is left, and writes the table's digest.
  void finish();

 private:
  using Value = std::variant<std::int64_t, std::string_view, WideSum>;
  static constexpr std::size_t rows_at_once = 64;

  std::size_t rows() const { return waiting_.size() / columns_; }
  std::string insertion(std::size_t rows) const;
  void begin_value();
  void insert(Statement& statement);

  Connection& connection_;
  std::string table_;
  std::size_t columns_;
  Ids ids_;
  Statement full_;  // inserts rows_at_once
  std::vector<Value> waiting_;
  RowDigest digest_;
};

}  // namespace viosim
