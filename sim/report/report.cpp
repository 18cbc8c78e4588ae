// Which kind of database it is, and the file.
// SPDX-License-Identifier: Apache-2.0
#include "sim/report/report.hpp"

#include "core/base/error.hpp"
#include "sim/record/run_reader.hpp"
#include "sim/record/schema.hpp"
#include "sim/record/whole_file.hpp"
#include "sim/report/page.hpp"
#include "sim/report/run_report.hpp"
#include "sim/report/sweep_report.hpp"
#include "sim/sweep/sweep_format.hpp"
#include "sim/trace/text_output.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <fstream>
#include <string>
#include <string_view>

namespace viosim::report {
namespace {

enum class Kind : std::uint8_t { run, sweep };

constexpr std::size_t application_id_at = 68;  // sqlite.org/fileformat2.html, 1.3: big-endian

// Read from the file's first bytes: of a file that is cut off, or damaged further on, its own reader is to speak. One
// that is not there is left to the reader of runs, which knows what a killed run leaves.
Kind kind_of(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return Kind::run;
  if (!std::filesystem::is_regular_file(path)) {
    throw ConfigError({path.string(), "",
                       "this is not a file; expected a run database (run.db) or the result of a "
                       "sweep (sweep.db)"});
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return Kind::run;
  std::string head(application_id_at + 4, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  const bool whole = file.gcount() == static_cast<std::streamsize>(head.size());
  std::uint32_t id = 0;
  for (const char c : head.substr(application_id_at)) id = id << 8U | static_cast<unsigned char>(c);
  if (whole && head.starts_with(sqlite_magic)) {
    if (id == sweep_format::application_id) return Kind::sweep;
    if (id == schema::application_id) return Kind::run;
  }
  throw ConfigError(
      {path.string(), "",
       fmt::format("this is {}; expected a run database (run.db) or the result of a "
                   "sweep (sweep.db)",
                   head.starts_with(sqlite_magic) ? "an SQLite file, but none of viosim's"
                                                  : "not an SQLite file")});
}

std::string title_of(const Value& data) {
  const Value* const manifest = find(*data.if_object(), "manifest");
  const Value* const name = find(*manifest->if_object(), "name");
  return name != nullptr && name->if_text() != nullptr ? *name->if_text() : "viosim";
}

// An empty file, and an earlier report. Whatever else is there, somebody may want to keep.
bool may_be_replaced(const std::filesystem::path& out) {
  std::error_code none;
  if (!std::filesystem::is_regular_file(out, none) || std::filesystem::file_size(out, none) == 0)
    return true;
  const std::string_view begin = page_begin();
  std::string head(begin.size(), '\0');
  std::ifstream(out, std::ios::binary).read(head.data(), static_cast<std::streamsize>(head.size()));
  return head == begin;
}

void check_output(const std::filesystem::path& database, const std::filesystem::path& out) {
  std::error_code none;
  refuse_special_file(out);
  if (std::filesystem::equivalent(out, database, none))
    throw ConfigError({out.string(), "", "is the database itself; expected another file"});
  refuse_database(out);
  if (!may_be_replaced(out)) {
    throw ConfigError({out.string(), "",
                       "is there and is no page that viosim wrote, so it stays as it is; expected "
                       "another file"});
  }
}

}  // namespace

std::filesystem::path usual_output(const std::filesystem::path& database) {
  std::error_code none;
  const std::filesystem::path folder =
      std::filesystem::canonical(std::filesystem::absolute(database).parent_path(), none);
  if (folder == "/dev" || folder == "/proc" || folder.string().starts_with("/proc/"))
    throw ConfigError({database.string(), "",
                       "read without --out; expected --out FILE.html, since nothing can be kept "
                       "beside it"});
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
