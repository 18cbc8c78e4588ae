// How problems become one message, and the edit distance behind "did you mean".
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace viosim {
namespace {

std::string join(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) {
    if (!text.empty()) text += '\n';
    text += problem.text();
  }
  return text;
}

// Levenshtein distance with one row of memory.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

// Of a name that may come from anywhere: what would move the cursor is shown as '?'.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

}  // namespace

std::string Problem::text() const {
  std::string place = printable(file);
  if (!pointer.empty()) place += place.empty() ? pointer : ": " + pointer;
  return place.empty() ? message : place + ": " + message;
}

ConfigError::ConfigError(std::vector<Problem> problems)
    : std::runtime_error(join(problems)), problems_(std::move(problems)) {}

Where Where::operator/(std::string_view key) const {
  Where below = *this;
  below.pointer_ += '/';
  for (const char c : key) {
    if (c == '~') {
      below.pointer_ += "~0";
    } else if (c == '/') {
      below.pointer_ += "~1";
    } else {
      below.pointer_ += c;
    }
  }
  return below;
}

Where Where::operator/(std::size_t index) const {
  Where below = *this;
  below.pointer_ += fmt::format("/{}", index);
  return below;
}

Where Where::reporting_to(std::vector<Problem>& problems) const {
  Where same = *this;
  same.problems_ = &problems;
  return same;
}

void Where::reject(std::string message) const { take({file_, pointer_, std::move(message)}); }

void Where::take(Problem problem) const {
  if (full()) return;
  if (problems_->size() == most_problems)
    problem = {file_, {}, "has more problems than these; they are not listed"};
  problems_->push_back(std::move(problem));
}

void fail_internal(std::string_view what, CodePlace where) {
  throw InternalError(fmt::format("{} ({}:{})", what, where.file, where.line));
}

std::string_view nearest_name(std::string_view text,
                              const std::vector<std::string_view>& candidates) {
  constexpr std::size_t longest_sensible_name = 100;
  if (text.size() > longest_sensible_name) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, text.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(text, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace viosim
