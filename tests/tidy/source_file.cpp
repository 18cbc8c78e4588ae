// Reads the tree, and tells code from comments and literals with a small state machine.
// SPDX-License-Identifier: Apache-2.0
#include "tests/tidy/source_file.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fnmatch.h>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace viosim::tidy {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> scanned = {"core",      "models",  "sim",
                                                     "scenarios", "results", "tests"};

bool is_word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Copies a C++ text, replacing comments and literals by blanks; line breaks stay where they are.
class Blanker {
 public:
  explicit Blanker(std::string_view text) : text_(text) {}

  std::string run() {
    while (at_ < text_.size()) step();
    return std::move(out_);
  }

 private:
  void step() {
    const char c = text_[at_];
    if (starts("//")) {
      blank_to(text_.find('\n', at_));
    } else if (starts("/*")) {
      blank_past("*/", 2);
    } else if (starts("R\"") && !after_word()) {
      raw_string();
    } else if (c == '"' || (c == '\'' && !after_word())) {  // 1'000 is no character literal
      literal(c);
    } else {
      out_ += c;
      ++at_;
    }
  }

  bool starts(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  bool after_word() const { return at_ > 0 && is_word_char(text_[at_ - 1]); }

  void blank_to(std::size_t end) {
    for (end = std::min(end, text_.size()); at_ < end; ++at_) {
      out_ += text_[at_] == '\n' ? '\n' : ' ';
    }
  }

  void blank_past(std::string_view closing, std::size_t skip) {
    const std::size_t end = text_.find(closing, at_ + skip);
    blank_to(end == std::string_view::npos ? end : end + closing.size());
  }

  void raw_string() {
    const std::size_t open = std::min(text_.find('(', at_), text_.size());
    const std::string closing = ")" + std::string(text_.substr(at_ + 2, open - at_ - 2)) + "\"";
    blank_past(closing, open - at_);
  }

  void literal(char quote) {
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote && text_[end] != '\n') {
      end += text_[end] == '\\' ? 2 : 1;
    }
    blank_to(end + 1);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string out_;
};

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

bool is_text(const fs::path& path) {
  constexpr std::array<std::string_view, 7> endings = {".cpp", ".hpp", ".md",  ".txt",
                                                       ".sh",  ".in",  ".json"};
  return std::find(endings.begin(), endings.end(), path.extension().string()) != endings.end();
}

// Enough of .gitignore's language for the entries of one folder.
bool is_ignored(const std::string& name, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string pattern) {
    if (pattern.starts_with('/')) pattern.erase(0, 1);
    if (pattern.ends_with('/')) pattern.pop_back();
    return !pattern.empty() && fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

std::vector<std::string> read_top_level(const fs::path& root) {
  std::vector<std::string> patterns;
  if (fs::exists(root / ".gitignore")) patterns = split_lines(read_text(root / ".gitignore"));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    if (!is_ignored(name, patterns)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void add_file(Tree& tree, const fs::path& path) {
  tree.files.push_back(
      make_source_file(path.lexically_relative(tree.root).generic_string(), read_text(path)));
}

void add_folder(Tree& tree, const fs::path& folder) {
  if (!fs::is_directory(folder)) return;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && is_text(entry.path())) add_file(tree, entry.path());
  }
}

}  // namespace

bool SourceFile::is_cpp() const { return path.ends_with(".cpp") || path.ends_with(".hpp"); }
bool SourceFile::is_shell() const { return path.ends_with(".sh") || below(".ci/"); }
bool SourceFile::below(std::string_view folder) const { return path.starts_with(folder); }

SourceFile make_source_file(std::string path, std::string_view text) {
  SourceFile file{std::move(path), split_lines(text), {}};
  if (file.is_cpp()) file.code = split_lines(Blanker(text).run());
  return file;
}

Tree read_tree(const fs::path& root) {
  Tree tree{root.lexically_normal(), {}, read_top_level(root)};
  for (const std::string& name : tree.top_level) {
    if (fs::is_regular_file(root / name) && is_text(name)) add_file(tree, tree.root / name);
  }
  for (const std::string_view folder : scanned) add_folder(tree, tree.root / folder);
  if (fs::exists(tree.root / ".ci/run")) add_file(tree, tree.root / ".ci/run");
  std::sort(tree.files.begin(), tree.files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return tree;
}

std::size_t find_word(std::string_view line, std::string_view word, std::size_t start) {
  for (std::size_t at = line.find(word, start); at != std::string_view::npos;
       at = line.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool starts = at == 0 || !is_word_char(line[at - 1]);
    const bool stops = end == line.size() || !is_word_char(line[end]);
    if (starts && stops) return at;
  }
  return std::string_view::npos;
}

std::string_view included_name(std::string_view line) {
  if (!line.starts_with("#include")) return {};
  const std::size_t open = line.find_first_of("\"<");
  if (open == std::string_view::npos) return {};
  const std::size_t close = line.find(line[open] == '<' ? '>' : '"', open + 1);
  if (close == std::string_view::npos) return {};
  return line.substr(open, close - open + 1);
}

}  // namespace viosim::tidy
