// Reads a run database event by event, and row by row.
// SPDX-License-Identifier: Apache-2.0
#include "tests/golden/run_contents.hpp"

#include "sim/record/digest.hpp"
#include "sim/record/run_reader.hpp"

#include <fmt/format.h>

namespace viosim::test {

std::string trace_digest_of(const std::filesystem::path& database) {
  RunReader reader = RunReader::open(database);
  RowDigest digest;
  reader.for_each_event([&](const TraceEvent& event) {
    for (const std::int64_t field : {event.time, event.duration}) digest.add(field);
    for (const std::uint64_t field : {event.address, event.value})
      digest.add(static_cast<std::int64_t>(field));
    for (const std::uint32_t field : {event.pasid, event.epoch}) digest.add(std::int64_t{field});
    for (const std::uint16_t field : {event.kind, event.code}) digest.add(std::int64_t{field});
    digest.add(reader.components().at(event.component));
  });
  return fmt::format("{:016x}", static_cast<std::uint64_t>(digest.value()));
}

std::string tables_of(const std::filesystem::path& database) {
  Connection connection(database.string(), Connection::Mode::read);
  std::string text;
  for (Statement table = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table' "
                                            "AND name <> 'wall' ORDER BY name");
       table.step();) {
    const std::string name(table.text(0));
    std::string columns;
    for (Statement column =
             connection.prepare("SELECT name FROM pragma_table_info('" + name + "')");
         column.step();)
      columns +=
          fmt::format("{}quote(\"{}\")", columns.empty() ? "" : " || ',' || ", column.text(0));
    text += name + '\n';
    for (Statement row = connection.prepare(fmt::format("SELECT {} FROM \"{}\"", columns, name));
         row.step();)
      text += fmt::format("{}\n", row.text(0));
  }
  return text;
}

}  // namespace viosim::test
