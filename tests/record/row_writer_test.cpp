// Rows that are written many at a time: all are there, and digested as they would be read.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/row_writer.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <vector>

using namespace viosim;

namespace {

constexpr CoveredTable counted{"counted", "SELECT id, text, sum FROM counted ORDER BY id"};

std::int64_t written_digest(Connection& connection) {
  return connection.integer("SELECT xxh64 FROM digest WHERE name = 'counted'");
}

}  // namespace

TEST_CASE("rows are digested on their way as they are read back") {
  // None, few, and about as many as are inserted at once.
  const int rows = GENERATE(0, 1, 63, 64, 65, 200);
  const Scratch scratch;
  Connection connection((scratch / "rows.db").string(), Connection::Mode::create);
  connection.run(create_digest_table);
  connection.run("CREATE TABLE counted(id INTEGER PRIMARY KEY, text TEXT NOT NULL, sum NOT NULL)");
  std::vector<std::string> texts;
  for (int i = 0; i < rows; ++i) texts.push_back(std::string(static_cast<std::size_t>(i), 'x'));
  RowWriter writer(connection, "counted", 2, RowWriter::Ids::counted);
  WideSum sum = 1;
  for (const std::string& text : texts) writer.add(text).add_sum(sum *= 3).end_row();
  writer.finish();
  const RowDigest read = digest_of(connection, counted);
  CHECK(read.rows() == rows);
  CHECK(written_digest(connection) == read.value());
  writer.add(std::string_view("later")).add(std::int64_t{-1}).end_row();
  writer.finish();
  CHECK(connection.integer("SELECT max(id) FROM counted") == rows + 1);
  CHECK(written_digest(connection) == digest_of(connection, counted).value());
}
