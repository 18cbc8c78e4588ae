// The little of SQLite that the run database needs. Every failure is a ConfigError that names the
// file.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace viosim {

class Statement {
 public:
  Statement(sqlite3* connection, std::string file, std::string_view sql);

  // Parameters, numbered from 1. Text and blobs must live until the statement has run.
  Statement& bind(int parameter, std::int64_t value);
  Statement& bind(int parameter, std::string_view text);
  Statement& bind(int parameter, std::span<const std::byte> blob);
  Statement& bind_real(int parameter, double value);
  Statement& bind_null(int parameter);
  bool step();   // true: there is a row
  void run();    // to its end; may be bound and run again
  void reset();  // may be bound and stepped again

  int columns() const;
  bool is_integer(int column) const;
  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string_view text(int column) const;  // until the next step
  std::span<const std::byte> blob(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  sqlite3* connection_;
  std::string file_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// One connection, used by one thread at a time.
class Connection {
 public:
  enum class Mode : std::uint8_t { create, read };
  Connection(std::string file, Mode mode);

  const std::string& file() const { return file_; }
  void run(const std::string& sql);
  Statement prepare(std::string_view sql) { return {connection_.get(), file_, sql}; }
  std::int64_t integer(std::string_view sql);  // the first column of the only row
  void close() { connection_.reset(); }

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  std::string file_;
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
