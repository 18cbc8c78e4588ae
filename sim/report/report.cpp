// Which kind of database it is, and the file.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/report.hpp"

#include "core/base/error.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/record/schema.hpp"
#include "sim/report/page.hpp"
#include "sim/report/run_report.hpp"
#include "sim/report/sweep_report.hpp"
#include "sim/sweep/sweep_format.hpp"
#include "sim/trace/text_output.hpp"

#include <string>

namespace viosim::report {
namespace {

enum class Kind : std::uint8_t { run, sweep };

// A file that is not there is left to the reader of runs, which knows what a killed run leaves.
Kind kind_of(const std::filesystem::path& path) {
  if (!std::filesystem::is_regular_file(path)) return Kind::run;
  Connection connection(path.string(), Connection::Mode::read);
  const std::int64_t id = connection.integer("PRAGMA application_id");
  if (id == sweep_format::application_id) return Kind::sweep;
  if (id == schema::application_id) return Kind::run;
  throw ConfigError({path.string(), "",
                     "this is an SQLite file, but none of viosim's; expected a run database "
                     "(run.db) or the result of a sweep (sweep.db)"});
}

std::string title_of(const Value& data) {
  const Value* const manifest = find(*data.if_object(), "manifest");
  const Value* const name = find(*manifest->if_object(), "name");
  return name != nullptr && name->if_text() != nullptr ? *name->if_text() : "viosim";
}

void check_output(const std::filesystem::path& database, const std::filesystem::path& out) {
  std::error_code none;
  if (std::filesystem::is_directory(out, none))
    throw ConfigError({out.string(), "", "is a directory; expected the name of a file"});
  if (std::filesystem::equivalent(out, database, none))
    throw ConfigError({out.string(), "", "is the database itself; expected another file"});
}

}  // namespace

std::filesystem::path usual_output(const std::filesystem::path& database) {
  std::filesystem::path out = database;
  return out.extension() == ".html" ? out += ".html" : out.replace_extension(".html");
}

Written write_report(const std::filesystem::path& database, const std::filesystem::path& out) {
  const Kind kind = kind_of(database);
  check_output(database, out);
  Value data;
  if (kind == Kind::sweep) {
    data = sweep_json(database);
  } else {
    RunReader reader = RunReader::open(database);
    data = run_json(reader);
  }
  const std::string text = page(title_of(data), data);
  TextOutput output(out);
  output.buffer().append(text);
  output.close();
  return {out, text.size()};
}

}  // namespace viosim::report
