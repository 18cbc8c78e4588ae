// What goes wrong, and whose fault it is. The user's: ConfigError. Ours: ensure(). The simulated
// system's: LivelockError. Modelled faults are values, not errors.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// One thing that is wrong with the user's input.
struct Problem {
  std::string file;  // as the user named it; empty when the input has no file
  std::string
      pointer;  // JSON pointer (RFC 6901), or "line 12" for line-based files; empty: the whole file
  std::string message;       // what was read, what was expected, the nearest valid name
  std::string text() const;  // "file: /pointer: message"
  bool operator==(const Problem&) const = default;
};

// The user's input cannot be used. Carries everything found wrong, in the order of the file. Exit
// code 2.
class ConfigError : public std::runtime_error {
 public:
  explicit ConfigError(std::vector<Problem> problems);
  explicit ConfigError(Problem problem) : ConfigError(std::vector{std::move(problem)}) {}
  const std::vector<Problem>& problems() const { return problems_; }

 private:
  std::vector<Problem> problems_;
};

// A place in the user's input, for reporting problems there; hands out places below itself.
// Copies are cheap and share the list, which must outlive them. Not thread-safe.
class Where {
 public:
  Where(std::vector<Problem>& problems, std::string file)
      : problems_(&problems), file_(std::move(file)) {}

  Where operator/(std::string_view key) const;  // escapes ~ and / as RFC 6901 asks
  Where operator/(std::size_t index) const;
  // The same place, on a list of its own: to try something.
  Where reporting_to(std::vector<Problem>& problems) const;

  // Beyond most_problems one last line says that there are more, and the rest is dropped.
  static constexpr std::size_t most_problems = 1000;
  void reject(std::string message) const;
  void take(Problem problem) const;  // one that was found elsewhere
  bool full() const { return problems_->size() > most_problems; }
  std::size_t problem_count() const { return problems_->size(); }

  const std::string& pointer() const { return pointer_; }
  const std::string& file() const { return file_; }

 private:
  std::vector<Problem>* problems_;
  std::string file_;
  std::string pointer_;
};

// The simulated system goes round in circles: software tries something again and again that never
// succeeds. Neither the input's mistake nor ours: what the run has found. Exit code 1.
class LivelockError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Our own mistake: a broken invariant of the program. Exit code 3.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// Where a function was called. std::source_location, for compilers that lack it (clang 14).
struct CodePlace {
  const char* file;
  unsigned line;
  static constexpr CodePlace current(const char* file = __builtin_FILE(),
                                     unsigned line = __builtin_LINE()) {
    return {file, line};
  }
};

[[noreturn]] void fail_internal(std::string_view what, CodePlace where = CodePlace::current());

// On in release builds too: a wrong result is worse than a stopped run.
inline void ensure(bool holds, std::string_view what, CodePlace where = CodePlace::current()) {
  if (!holds) [[unlikely]]
    fail_internal(what, where);
}

// The candidate that looks most like `text` (edit distance at most a third of its length, at least
// 2); empty if none does.
std::string_view nearest_name(std::string_view text,
                              const std::vector<std::string_view>& candidates);

}  // namespace viosim
