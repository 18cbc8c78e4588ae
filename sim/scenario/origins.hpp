// Where the text of a scenario stands that was put together from parts and templates, so that what is wrong
// with it is reported there.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// A place in a file, and who put what stands there to its use.
struct TextPlace {
  std::string file;
  std::string pointer;
  std::string used_by;  // "scenario.json: /hosts/0, parts/a.json: /content"; empty: itself
  bool operator==(const TextPlace&) const = default;

  TextPlace operator/(std::string_view key) const;
  TextPlace operator/(std::size_t index) const;
  std::string text() const;  // "file: /pointer"
};

// One pointer further down, escaped as RFC 6901 asks.
std::string pointer_below(std::string_view pointer, std::string_view key);

class Origins {
 public:
  // What stands at this pointer of the whole document, and below it, stands at `place`.
  void set(const std::string& pointer, TextPlace place);
  // Forgets everything below the pointer.
  void clear_below(const std::string& pointer);
  // By the nearest place that is known; where none is, the pointer itself in `file`.
  TextPlace find(std::string_view pointer, const std::string& file) const;

  // The problem, at the place where its text stands.
  Problem locate(Problem problem) const;
  std::vector<Problem> locate(std::vector<Problem> problems) const;

  void set_file(std::string file) { file_ = std::move(file); }
  // The file of the whole document.
  const std::string& file() const { return file_; }

  // Where its text came from is no part of what a scenario says.
  friend bool operator==(const Origins&, const Origins&) { return true; }

 private:
  std::string file_;
  std::map<std::string, TextPlace, std::less<>> places_;
};

}  // namespace viosim
