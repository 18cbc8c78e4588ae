// Calls SQLite and turns its error codes into sentences.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/sqlite.hpp"

#include "core/base/error.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <sys/resource.h>
#include <system_error>

namespace viosim {
namespace {

// The limit of its owner on the size of files (`ulimit -f`). SQLite reports reaching it like a broken disk, and
// has taken back what it wrote by then.
std::optional<std::uintmax_t> file_size_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  return limit.rlim_cur;
}

[[noreturn]] void fail(sqlite3* connection, const std::string& file, int code) {
  const char* reason = connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(code);
  std::string message;
  switch (code & 0xff) {
    case SQLITE_NOTADB:
      message = "this is not a run database (not an SQLite file)";
      break;
    case SQLITE_CORRUPT:
      message = fmt::format("the run database is damaged: {}", reason);
      break;
    case SQLITE_FULL:
      message = fmt::format("the run database cannot grow: {}", reason);
      break;
    case SQLITE_BUSY:
      message = "another program is writing this run database";
      break;
    default:
      message = fmt::format("the run database cannot be used: {}", reason);
      break;
  }
  const auto limit = file_size_limit();
  if (limit && connection != nullptr &&
      sqlite3_extended_errcode(connection) == SQLITE_IOERR_WRITE) {
    message = fmt::format(
        "the run database cannot be written, likely because files may have {} bytes here (ulimit "
        "-f)",
        *limit);
  }
  const int system = connection != nullptr ? sqlite3_system_errno(connection) : 0;
  const int kind = code & 0xff;
  if (system != 0 && (kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN || kind == SQLITE_FULL))
    message += fmt::format(" ({})", std::generic_category().message(system));
  throw ConfigError(Problem{file, "", std::move(message)});
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Connection::Close::operator()(sqlite3* connection) const { sqlite3_close(connection); }

Statement::Statement(sqlite3* connection, std::string file, std::string_view sql)
    : connection_(connection), file_(std::move(file)) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v2(connection, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  statement_.reset(statement);
  if (code != SQLITE_OK) fail(connection_, file_, code);
}

Statement& Statement::bind(int parameter, std::int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), parameter, value);
  if (code != SQLITE_OK) fail(connection_, file_, code);
  return *this;
}

Statement& Statement::bind(int parameter, std::string_view text) {
  const char* data = text.data() != nullptr ? text.data() : "";
  const int code = sqlite3_bind_text64(statement_.get(), parameter, data, text.size(),
                                       SQLITE_STATIC, SQLITE_UTF8);
  if (code != SQLITE_OK) fail(connection_, file_, code);
  return *this;
}

Statement& Statement::bind(int parameter, std::span<const std::byte> blob) {
  const int code =
      sqlite3_bind_blob64(statement_.get(), parameter, blob.data(), blob.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) fail(connection_, file_, code);
  return *this;
}

Statement& Statement::bind_real(int parameter, double value) {
  const int code = sqlite3_bind_double(statement_.get(), parameter, value);
  if (code != SQLITE_OK) fail(connection_, file_, code);
  return *this;
}

Statement& Statement::bind_null(int parameter) {
  const int code = sqlite3_bind_null(statement_.get(), parameter);
  if (code != SQLITE_OK) fail(connection_, file_, code);
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const int extended = sqlite3_extended_errcode(connection_);
  fail(connection_, file_, extended != SQLITE_OK ? extended : code);
}

void Statement::run() {
  while (step()) {
  }
  reset();
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

int Statement::columns() const { return sqlite3_column_count(statement_.get()); }

bool Statement::is_integer(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_INTEGER;
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

double Statement::real(int column) const { return sqlite3_column_double(statement_.get(), column); }

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::span<const std::byte> Statement::blob(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

// A reader opens for writing if it can: the file of a killed run may need its journal played back.
Connection::Connection(std::string file, Mode mode) : file_(std::move(file)) {
  const int flags =
      mode == Mode::create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
  sqlite3* connection = nullptr;
  const int code =
      sqlite3_open_v2(file_.c_str(), &connection, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  connection_.reset(connection);
  if (code != SQLITE_OK) fail(connection, file_, code);
  sqlite3_extended_result_codes(connection, 1);
}

void Connection::run(const std::string& sql) {
  const int code = sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(connection_.get(), file_, code);
}

std::int64_t Connection::integer(std::string_view sql) {
  Statement statement = prepare(sql);
  statement.step();
  return statement.integer(0);
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    connection_.run("ROLLBACK");
  } catch (const ConfigError&) {
    // SQLite has already rolled back, which it does by itself after most failures.
  }
}

void Transaction::commit() {
  connection_.run("COMMIT");
  open_ = false;
}

}  // namespace viosim
