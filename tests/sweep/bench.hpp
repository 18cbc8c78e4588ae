// The real program at work on sweeps, and what its results hold.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/record/sqlite.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace viosim::test {

inline const std::string scenarios = std::string(VIOSIM_SOURCE_DIR) + "/scenarios/";
inline constexpr const char* requests_pointer = "/hosts/0/devices/0/requests";

// Of the number of requests.
inline std::string axis(const std::string& values) {
  return std::string(R"({"name": "requests", "pointer": ")") + requests_pointer +
         R"(", "values": )" + values + "}";
}

struct Ended {
  int status = 0;
  std::string output;
  int exit_code() const { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }
};

// The program at work, in a directory of the test.
class Program {
 public:
  Program(const Scratch& scratch, std::vector<std::string> words) : log_(scratch / "output") {
    words.insert(words.begin(), VIOSIM_PROGRAM);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log_.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    const int error = posix_spawn(&pid_, VIOSIM_PROGRAM, &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    REQUIRE(error == 0);
  }
  void send(int signal) const { ::kill(pid_, signal); }
  pid_t id() const { return pid_; }
  Ended wait() const {
    Ended ended;
    REQUIRE(::waitpid(pid_, &ended.status, 0) == pid_);
    std::ifstream in(log_);
    ended.output = {std::istreambuf_iterator<char>(in), {}};
    return ended;
  }

 private:
  std::filesystem::path log_;
  pid_t pid_ = -1;
};

// A sweep file and directories for its results.
class Bench {
 public:
  explicit Bench(const std::string& more) { write(more); }
  void write(const std::string& more) const {
    std::ofstream(scratch_ / "s.json")
        << R"({"name": "s", "scenario": ")" << scenarios
        << R"(one-device.json", "set": {"/expect": []})" << more << "}";
  }
  std::vector<std::string> words(const std::string& out, std::vector<std::string> more) const {
    std::vector<std::string> all{"sweep", (scratch_ / "s.json").string(), "--out",
                                 (scratch_ / out).string()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  // Any verb.
  Ended program(std::vector<std::string> all) const {
    return Program(scratch_, std::move(all)).wait();
  }
  Ended run(const std::string& out, std::vector<std::string> more = {}) const {
    return Program(scratch_, words(out, std::move(more))).wait();
  }
  std::filesystem::path result(const std::string& out) const { return scratch_ / out / "sweep.db"; }
  std::filesystem::path unfinished(const std::string& out) const {
    return scratch_ / out / "sweep.runs";
  }
  const Scratch& scratch() const { return scratch_; }

 private:
  Scratch scratch_;
};

inline std::vector<std::string> rows(const std::filesystem::path& file, const std::string& query) {
  Connection connection(file.string(), Connection::Mode::read);
  Statement statement = connection.prepare(query);
  std::vector<std::string> all;
  while (statement.step()) {
    std::string row;
    for (int c = 0; c < statement.columns(); ++c) row += std::string(statement.text(c)) + '|';
    all.push_back(row);
  }
  return all;
}

inline std::int64_t count(const std::filesystem::path& file, const std::string& table) {
  return Connection(file.string(), Connection::Mode::read).integer("SELECT count(*) FROM " + table);
}

// All rows of all tables but wall times.
inline std::vector<std::string> contents(const std::filesystem::path& file) {
  std::vector<std::string> all;
  for (const char* table : {"manifest", "axis", "parameter", "run", "figure", "metric", "histogram",
                            "histogram_bucket", "failure", "stop", "digest"}) {
    for (const std::string& row : rows(file, std::string("SELECT * FROM ") + table))
      all.push_back(table + (": " + row));
  }
  return all;
}

}  // namespace viosim::test
