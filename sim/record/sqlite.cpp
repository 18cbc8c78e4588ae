// Calls SQLite and turns its error codes into sentences.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/sqlite.hpp"

#include "core/base/error.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>

namespace viosim {
namespace {

// The limit of its owner on the size of files (`ulimit -f`). SQLite reports reaching it like a broken disk, and
// has taken back what it wrote by then.
std::optional<std::uintmax_t> file_size_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  return limit.rlim_cur;
}

[[noreturn]] void fail(sqlite3* connection, const DatabaseName& name, int code) {
  const char* reason = connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(code);
  std::string message;
  switch (code & 0xff) {
    case SQLITE_NOTADB:
      message = fmt::format("this is not a {} (not an SQLite file)", name.noun);
      break;
    case SQLITE_CORRUPT:
      message = fmt::format("the {} is damaged: {}", name.noun, reason);
      break;
    case SQLITE_FULL:
      message = fmt::format("the {} cannot grow: {}", name.noun, reason);
      break;
    case SQLITE_BUSY:
      message = fmt::format("another program is writing this {}", name.noun);
      break;
    default:
      message = fmt::format("the {} cannot be used: {}", name.noun, reason);
      break;
  }
  const auto limit = file_size_limit();
  if (limit && connection != nullptr &&
      sqlite3_extended_errcode(connection) == SQLITE_IOERR_WRITE) {
    message = fmt::format(
        "the {} cannot be written, likely because files may have {} bytes here (ulimit -f)",
        name.noun, *limit);
  }
  const int system = connection != nullptr ? sqlite3_system_errno(connection) : 0;
  const int kind = code & 0xff;
  if (system != 0 && (kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN || kind == SQLITE_FULL))
    message += fmt::format(" ({})", std::generic_category().message(system));
  throw ConfigError(Problem{name.file, "", std::move(message)});
}

constexpr WideSum largest_integer = Statement::largest_integer;

// Only of a number that is no integer of SQLite's, and without zeros before it: every sum is written in one way.
std::optional<WideSum> sum_in(std::string_view text) {
  constexpr WideSum most = ~WideSum{0};
  WideSum value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<unsigned>(c - '0');
    if (value > (most - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  if (value <= largest_integer || text.front() == '0') return std::nullopt;
  return value;
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Connection::Close::operator()(sqlite3* connection) const { sqlite3_close(connection); }

Statement::Statement(sqlite3* connection, DatabaseName name, std::string_view sql)
    : connection_(connection), name_(std::move(name)) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v2(connection, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  statement_.reset(statement);
  if (code != SQLITE_OK) fail(connection_, name_, code);
}

Statement& Statement::bind(int parameter, std::int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), parameter, value);
  if (code != SQLITE_OK) fail(connection_, name_, code);
  return *this;
}

Statement& Statement::bind(int parameter, std::string_view text) {
  const char* data = text.data() != nullptr ? text.data() : "";
  const int code = sqlite3_bind_text64(statement_.get(), parameter, data, text.size(),
                                       SQLITE_STATIC, SQLITE_UTF8);
  if (code != SQLITE_OK) fail(connection_, name_, code);
  return *this;
}

Statement& Statement::bind(int parameter, std::span<const std::byte> blob) {
  const int code =
      sqlite3_bind_blob64(statement_.get(), parameter, blob.data(), blob.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) fail(connection_, name_, code);
  return *this;
}

Statement& Statement::bind_real(int parameter, double value) {
  const int code = sqlite3_bind_double(statement_.get(), parameter, value);
  if (code != SQLITE_OK) fail(connection_, name_, code);
  return *this;
}

Statement& Statement::bind_null(int parameter) {
  const int code = sqlite3_bind_null(statement_.get(), parameter);
  if (code != SQLITE_OK) fail(connection_, name_, code);
  return *this;
}

Statement& Statement::bind_sum(int parameter, WideSum value) {
  if (value <= largest_integer) return bind(parameter, static_cast<std::int64_t>(value));
  const std::string digits = fmt::format("{}", value);
  const int code = sqlite3_bind_text64(statement_.get(), parameter, digits.data(), digits.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) fail(connection_, name_, code);
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const int extended = sqlite3_extended_errcode(connection_);
  fail(connection_, name_, extended != SQLITE_OK ? extended : code);
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

bool Statement::is_real(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_FLOAT;
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

void Statement::refuse(int column, std::string_view what, const std::string& expected) const {
  const bool number = is_integer(column) || is_real(column);
  const std::string_view read = number ? text(column) : is_null(column) ? "nothing" : "a text";
  throw ConfigError(
      {name_.file, "",
       fmt::format("the {} is damaged: {} is {}; expected {}", name_.noun, what, read, expected)});
}

std::size_t Statement::index(int column, std::size_t size, std::string_view what) const {
  const std::int64_t value = integer(column);
  if (is_integer(column) && value >= 0 && static_cast<std::uint64_t>(value) < size)
    return static_cast<std::size_t>(value);
  refuse(column, what, fmt::format("an integer from 0, less than {}", size));
}

std::uint64_t Statement::count(int column, std::string_view what) const {
  if (!is_integer(column) || integer(column) < 0) refuse(column, what, "an integer from 0");
  return static_cast<std::uint64_t>(integer(column));
}

WideSum Statement::sum(int column, std::string_view what) const {
  if (is_integer(column) && integer(column) >= 0) return static_cast<WideSum>(integer(column));
  const bool written_out = sqlite3_column_type(statement_.get(), column) == SQLITE_TEXT;
  const std::optional<WideSum> value = written_out ? sum_in(text(column)) : std::nullopt;
  if (!value) refuse(column, what, "an integer from 0, from 2^63 on written out as a text");
  return *value;
}

double Statement::finite(int column, std::string_view what) const {
  if ((!is_integer(column) && !is_real(column)) || !std::isfinite(real(column)))
    refuse(column, what, "a number");
  return real(column);
}

// SQLite tries again without writing, and would tell of a file that is not there.
void check_directory(const DatabaseName& name) {
  const std::filesystem::path directory = std::filesystem::absolute(name.file).parent_path();
  if (std::filesystem::exists(name.file) || ::access(directory.c_str(), W_OK) == 0) return;
  throw ConfigError(Problem{directory.string(), "",
                            fmt::format("the directory for the {} cannot be used ({})", name.noun,
                                        std::generic_category().message(errno))});
}

// A reader opens for writing if it can: the file of a killed run may need its journal played back.
Connection::Connection(std::string file, Mode mode, std::string noun)
    : name_{std::move(file), std::move(noun)} {
  if (mode == Mode::create) check_directory(name_);
  const int flags =
      mode == Mode::create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
  sqlite3* connection = nullptr;
  const int code =
      sqlite3_open_v2(name_.file.c_str(), &connection, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  connection_.reset(connection);
  if (code != SQLITE_OK) fail(connection, name_, code);
  sqlite3_extended_result_codes(connection, 1);
}

void Connection::run(const std::string& sql) {
  const int code = sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(connection_.get(), name_, code);
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
