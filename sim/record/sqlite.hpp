// The little of SQLite that databases of runs and sweeps need. Every failure is a ConfigError that names the file.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/wide.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace viosim {

// A database: its path, and what errors call it ("run database").
struct DatabaseName {
  std::string file;
  std::string noun;
};

class Statement {
 public:
  Statement(sqlite3* connection, DatabaseName name, std::string_view sql);

  // Parameters, numbered from 1. Text and blobs must live until the statement has run.
  Statement& bind(int parameter, std::int64_t value);
  Statement& bind(int parameter, std::string_view text);
  Statement& bind(int parameter, std::span<const std::byte> blob);
  Statement& bind_real(int parameter, double value);
  Statement& bind_null(int parameter);
  // An integer, or of more than 63 bits its decimal digits as a text. For columns without a type: others make
  // a rounded number of the text.
  Statement& bind_sum(int parameter, WideSum value);
  static constexpr WideSum largest_integer = std::numeric_limits<std::int64_t>::max();
  bool step();   // true: there is a row
  void run();    // to its end; may be bound and run again
  void reset();  // may be bound and stepped again

  int columns() const;
  bool is_integer(int column) const;
  bool is_real(int column) const;
  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string_view text(int column) const;  // until the next step
  std::span<const std::byte> blob(int column) const;

  // What a file holds is believed only through these, which throw ConfigError with `what` ("metric.figure"), the value
  // and what was expected. An index of something with `size` elements:
  std::size_t index(int column, std::size_t size, std::string_view what) const;
  std::uint64_t count(int column, std::string_view what) const;  // an integer, not negative
  WideSum sum(int column, std::string_view what) const;          // as bind_sum() writes it
  double finite(int column, std::string_view what) const;        // a number

 private:
  [[noreturn]] void refuse(int column, std::string_view what, const std::string& expected) const;

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  sqlite3* connection_;
  DatabaseName name_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// One connection, used by one thread at a time.
class Connection {
 public:
  enum class Mode : std::uint8_t { create, read };
  Connection(std::string file, Mode mode, std::string noun = "run database");

  const std::string& file() const { return name_.file; }
  const std::string& noun() const { return name_.noun; }
  void run(const std::string& sql);
  Statement prepare(std::string_view sql) { return {connection_.get(), name_, sql}; }
  std::int64_t integer(std::string_view sql);  // the first column of the only row
  void close() { connection_.reset(); }

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  DatabaseName name_;
  std::unique_ptr<sqlite3, Close> connection_;
};

// Undone unless committed.
class Transaction {
 public:
  explicit Transaction(Connection& connection) : connection_(connection) {
    connection_.run("BEGIN IMMEDIATE");
  }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Connection& connection_;
  bool open_ = true;
};

}  // namespace viosim
