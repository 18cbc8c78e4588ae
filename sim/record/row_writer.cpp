// Keeps values until there are enough rows for a statement.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/row_writer.hpp"

#include "core/base/error.hpp"

#include <fmt/format.h>

namespace viosim {
namespace {

void bind(Statement& statement, int parameter, std::int64_t value) {
  statement.bind(parameter, value);
}
void bind(Statement& statement, int parameter, std::string_view text) {
  statement.bind(parameter, text);
}
void bind(Statement& statement, int parameter, WideSum sum) { statement.bind_sum(parameter, sum); }

}  // namespace

RowWriter::RowWriter(Connection& connection, std::string_view table, std::size_t columns, Ids ids)
    : connection_(connection),
      table_(table),
      columns_(columns),
      ids_(ids),
      full_(connection.prepare(insertion(rows_at_once))) {
  waiting_.reserve(rows_at_once * columns);
}

// "INSERT INTO t VALUES(NULL,?,?),(NULL,?,?)"
std::string RowWriter::insertion(std::size_t rows) const {
  std::string row = ids_ == Ids::counted ? "(NULL" : "(";
  for (std::size_t i = 0; i < columns_; ++i) row += row == "(" ? "?" : ",?";
  row += ')';
  std::string sql = fmt::format("INSERT INTO {} VALUES", table_);
  for (std::size_t i = 0; i < rows; ++i) sql += (i == 0 ? "" : ",") + row;
  return sql;
}

void RowWriter::begin_value() {
  const bool first = waiting_.size() % columns_ == 0;
  if (first && ids_ == Ids::counted) digest_.add(digest_.rows() + 1);
}

RowWriter& RowWriter::add(std::int64_t value) {
  begin_value();
  waiting_.emplace_back(value);
  digest_.add(value);
  return *this;
}

RowWriter& RowWriter::add(std::string_view text) {
  begin_value();
  waiting_.emplace_back(text);
  digest_.add(text);
  return *this;
}

RowWriter& RowWriter::add_sum(WideSum value) {
  if (value <= Statement::largest_integer) return add(static_cast<std::int64_t>(value));
  begin_value();
  waiting_.emplace_back(value);
  digest_.add(fmt::format("{}", value));
  return *this;
}

void RowWriter::end_row() {
  ensure(waiting_.size() % columns_ == 0, "a row has as many values as its table columns");
  digest_.end_row();
  if (rows() == rows_at_once) insert(full_);
}

void RowWriter::finish() {
  if (!waiting_.empty()) {
    Statement rest = connection_.prepare(insertion(rows()));
    insert(rest);
  }
  write_digest(connection_, table_, digest_);
}

void RowWriter::insert(Statement& statement) {
  int parameter = 0;
  for (const Value& value : waiting_)
    std::visit([&](const auto& one) { bind(statement, ++parameter, one); }, value);
  statement.run();
  waiting_.clear();
}

}  // namespace viosim
