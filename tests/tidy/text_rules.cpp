// First lines, line and function lengths, and words that admit unfinished work.
// SPDX-License-Identifier: Apache-2.0
#include "tests/tidy/rules.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace viosim::tidy {
namespace {

constexpr std::size_t longest_line = 120;
constexpr std::size_t longest_function = 80;
constexpr std::string_view licence = "SPDX-License-Identifier: Apache-2.0";

std::size_t columns(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// A comment line that says something; `mark` is what starts a comment.
bool is_sentence(std::string_view line, std::string_view mark) {
  if (!line.starts_with(mark)) return false;
  line.remove_prefix(mark.size());
  return columns(line) >= 10 && !line.starts_with("SPDX");
}

// Whether a line is hardly more than one literal: an exact message or recorded data reads best whole.
bool is_mostly_literal(std::string_view line, std::string_view code) {
  constexpr std::ptrdiff_t little_code = 20;
  const auto written = std::count_if(code.begin(), code.end(), [](char c) { return c != ' '; });
  return line.find('"') < line.find("//") && written <= little_code;
}

// Which piece of text a brace opens.
enum class Scope { container, function, other };

Scope scope_opened_by(std::string_view before) {
  constexpr std::array<std::string_view, 5> containers = {"namespace", "class", "struct", "union",
                                                          "enum"};
  const std::size_t close = before.rfind(')');
  if (close != std::string_view::npos) {
    return before.find('=', close) == std::string_view::npos ? Scope::function : Scope::other;
  }
  const bool contains = std::any_of(containers.begin(), containers.end(), [&](auto word) {
    return find_word(before, word) != std::string_view::npos;
  });
  return contains ? Scope::container : Scope::other;
}

// Follows the braces of a formatted file and reports functions that are too long. A heuristic: it
// reads no grammar, only what stands between a brace and the statement before it.
class FunctionMeter {
 public:
  FunctionMeter(const SourceFile& file, Findings& findings) : file_(file), findings_(findings) {}

  void run() {
    for (std::size_t i = 0; i < file_.code.size(); ++i) {
      if (file_.code[i].starts_with('#')) continue;
      for (const char c : file_.code[i]) take(c, i + 1);
      before_ += ' ';
    }
  }

 private:
  struct Open {
    Scope scope;
    std::size_t line;
  };

  void take(char c, std::size_t line) {
    if (c == '{') {
      open_.push_back({scope_opened_by(before_), line});
    } else if (c == '}' && !open_.empty()) {
      close(line);
    }
    if (c == '{' || c == '}' || c == ';') {
      before_.clear();
    } else {
      before_ += c;
    }
  }

  void close(std::size_t line) {
    const Open opened = open_.back();
    open_.pop_back();
    const std::size_t length = line - opened.line + 1;
    const bool outermost = std::all_of(open_.begin(), open_.end(), [](const Open& outer) {
      return outer.scope == Scope::container;
    });
    if (opened.scope != Scope::function || !outermost || length <= longest_function) return;
    findings_.push_back({file_.path, opened.line,
                         "a function of " + std::to_string(length) + " lines",
                         "at most " + std::to_string(longest_function) +
                             ": push loops and arithmetic into functions with a name"});
  }

  const SourceFile& file_;
  Findings& findings_;
  std::vector<Open> open_;
  std::string before_;
};

void check_cpp_head(const SourceFile& file, Findings& findings) {
  std::size_t comments = 0;
  bool licensed = false;
  while (comments < file.lines.size() && file.lines[comments].starts_with("//")) {
    licensed |= file.lines[comments] == "// " + std::string(licence);
    ++comments;
  }
  if (comments == 0 || !is_sentence(file.lines[0], "// ")) {
    findings.push_back({file.path, 1, "the first line does not say what the file is for",
                        "a comment of one sentence, before the SPDX line"});
  }
  if (!licensed) {
    findings.push_back({file.path, 1, "no licence line in the comment at the top",
                        "// " + std::string(licence) + " on a line of its own"});
  }
}

void check_shell_head(const SourceFile& file, Findings& findings) {
  const std::size_t first = !file.lines.empty() && file.lines[0].starts_with("#!") ? 1 : 0;
  if (file.lines.size() <= first || !is_sentence(file.lines[first], "# ")) {
    findings.push_back({file.path, first + 1, "no line that says what the script is for",
                        "a comment of one sentence at the top"});
  }
  const std::string expected = "# " + std::string(licence);
  if (std::find(file.lines.begin(), file.lines.end(), expected) == file.lines.end()) {
    findings.push_back({file.path, first + 1, "no licence line", expected});
  }
}

}  // namespace

void check_first_lines(const Tree& tree, Findings& findings) {
  for (const SourceFile& file : tree.files) {
    if (file.is_cpp()) check_cpp_head(file, findings);
    if (file.is_shell()) check_shell_head(file, findings);
  }
}

void check_line_length(const Tree& tree, Findings& findings) {
  for (const SourceFile& file : tree.files) {
    if (!file.is_cpp() && !file.is_shell()) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::size_t length = columns(file.lines[i]);
      if (length <= longest_line) continue;
      if (file.is_cpp() && is_mostly_literal(file.lines[i], file.code[i])) continue;
      findings.push_back({file.path, i + 1, "a line of " + std::to_string(length) + " columns",
                          "at most " + std::to_string(longest_line)});
    }
  }
}

void check_function_length(const Tree& tree, Findings& findings) {
  for (const SourceFile& file : tree.files) FunctionMeter(file, findings).run();
}

void check_unfinished_work(const Tree& tree, Findings& findings) {
  // In two parts each, so that this file does not report itself.
  constexpr std::array<std::string_view, 3> words = {
      "TO"
      "DO",
      "FIX"
      "ME",
      "XX"
      "X"};
  for (const SourceFile& file : tree.files) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      for (const std::string_view word : words) {
        if (find_word(file.lines[i], word) == std::string_view::npos) continue;
        findings.push_back({file.path, i + 1, "says " + std::string(word),
                            "do it now, or open an issue and leave the source clean"});
      }
    }
  }
}

// The compiler's own may vanish without a word. core/ioasid, which includes nothing of ours, loads in
// the same function, as its benchmark does.
void check_prefetches(const Tree& tree, Findings& findings) {
  for (const SourceFile& file : tree.files) {
    if (file.path == "core/base/prefetch.hpp" || file.path == "tests/bench/ioasid_bench.cpp" ||
        file.path.starts_with("core/ioasid/")) {
      continue;
    }
    for (std::size_t i = 0; i < file.code.size(); ++i) {
      if (find_word(file.code[i], "__builtin_prefetch") == std::string_view::npos) continue;
      findings.push_back({file.path, i + 1, "prefetches by itself",
                          "prefetch_line() of core/base/prefetch.hpp does not vanish"});
    }
  }
}

}  // namespace viosim::tidy
