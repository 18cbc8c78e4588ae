// Reads paths and patterns, and tells which paths a pattern means.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/component_path.hpp"

#include <algorithm>
#include <charconv>

namespace viosim {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  if (text.empty() || text.size() > 18) return std::nullopt;
  if (std::from_chars(text.data(), end, value) != std::from_chars_result{end, {}})
    return std::nullopt;
  return value;
}

// Calls visit(part) for each part between separators that stand outside of brackets.
template <class Visit>
void split_outside_brackets(std::string_view text, char separator, Visit&& visit) {
  std::size_t begin = 0;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') inside = true;
    if (text[i] == ']') inside = false;
    if (text[i] != separator || inside) continue;
    visit(text.substr(begin, i - begin));
    begin = i + 1;
  }
  visit(text.substr(begin));
}

struct IndexRange {
  std::optional<std::uint64_t> first;
  std::optional<std::uint64_t> last;
};

// "3", "0-3"
IndexRange range_of(std::string_view part) {
  const std::size_t dash = part.find('-');
  const auto first = number(part.substr(0, dash));
  return {first, dash == std::string_view::npos ? first : number(part.substr(dash + 1))};
}

// Empty: nothing is wrong. Only what looks like numbers must be numbers: a requester id is an index, too.
std::string_view why_no_index(std::string_view index) {
  if (index.empty()) return "the brackets are empty";
  if (index == "*" || index.find_first_not_of("0123456789-,*") != std::string_view::npos) return {};
  std::string_view why;
  split_outside_brackets(index, ',', [&](std::string_view part) {
    const auto [first, last] = range_of(part);
    if (!first || !last) {
      why = "an index is a number, a range such as 0-3, a list of them, or *";
    } else if (*first > *last && why.empty()) {
      why = "a range runs backwards";
    }
  });
  return why;
}

PathStep step_of(std::string_view text) {
  const std::size_t open = text.find('[');
  if (open == std::string_view::npos || !text.ends_with(']')) return {text, {}};
  return {text.substr(0, open), text.substr(open + 1, text.size() - open - 2)};
}

// Its name is there, and no bracket is left within.
bool has_plain_parts(const PathStep& step) {
  constexpr std::string_view brackets = "[]";
  return !step.name.empty() && step.name.find_first_of(brackets) == std::string_view::npos &&
         step.index.find_first_of(brackets) == std::string_view::npos;
}

}  // namespace

std::vector<PathStep> steps_of(std::string_view path) {
  std::vector<PathStep> steps;
  split_outside_brackets(path, '.', [&](std::string_view step) { steps.push_back(step_of(step)); });
  return steps;
}

bool PathPattern::parse_index(std::string_view text, Step& step) {
  if (!why_no_index(text).empty()) return false;
  step.index = text;
  step.any = text == "*";
  std::vector<Range> ranges;
  bool numbers = true;
  split_outside_brackets(text, ',', [&](std::string_view part) {
    const auto [first, last] = range_of(part);
    numbers = numbers && first && last && *first <= *last;
    if (numbers) ranges.push_back({*first, *last});
  });
  if (numbers) step.ranges = std::move(ranges);
  return true;
}

std::optional<PathPattern::Step> PathPattern::parse_step(std::string_view text) {
  Step step;
  step.text = text;
  const PathStep read = step_of(text);
  step.name = read.name;
  const bool bracketed = text.size() != read.name.size();
  if (!has_plain_parts(read)) return std::nullopt;
  if (bracketed && !parse_index(read.index, step)) return std::nullopt;
  return step;
}

std::optional<PathPattern> PathPattern::parse(std::string_view text) {
  constexpr std::size_t longest = 1000;
  if (text.size() > longest) return std::nullopt;
  PathPattern pattern;
  pattern.text_ = text;
  bool good = true;
  split_outside_brackets(text, '.', [&](std::string_view part) {
    std::optional<Step> step = parse_step(part);
    good = good && step.has_value();
    if (step) pattern.steps_.push_back(std::move(*step));
  });
  if (!good) return std::nullopt;
  return pattern;
}

std::string PathPattern::why_not(std::string_view text) {
  std::string why;
  split_outside_brackets(text, '.', [&](std::string_view part) {
    if (!why.empty() || parse_step(part)) return;
    const bool opens = part.find('[') != std::string_view::npos;
    const PathStep step = step_of(part);
    if (part.empty()) {
      why = "a name between dots is missing";
    } else if (opens != part.ends_with(']')) {
      why = "a bracket has no partner";
    } else if (!has_plain_parts(step)) {
      why = "brackets stand where a name would";
    } else {
      why = why_no_index(step.index);
    }
  });
  return why;
}

PathPattern PathPattern::first(std::size_t count) const {
  PathPattern pattern;
  for (std::size_t i = 0; i < count && i < steps_.size(); ++i) {
    if (i > 0) pattern.text_ += '.';
    pattern.text_ += steps_[i].text;
    pattern.steps_.push_back(steps_[i]);
  }
  return pattern;
}

std::string PathPattern::text_from(std::size_t first) const {
  std::string text;
  for (std::size_t i = first; i < steps_.size(); ++i) {
    if (i > first) text += '.';
    text += steps_[i].text;
  }
  return text;
}

bool PathPattern::Step::matches(const PathStep& step) const {
  if (name != step.name) return false;
  if (any) return !step.index.empty();
  if (index == step.index) return true;
  const auto which = number(step.index);
  return which && std::any_of(ranges.begin(), ranges.end(), [&](const Range& range) {
           return *which >= range.first && *which <= range.last;
         });
}

bool PathPattern::leads_to(const std::vector<PathStep>& path) const {
  if (steps_.empty() || path.size() < steps_.size()) return false;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (!steps_[i].matches(path[i])) return false;
  }
  return true;
}

bool PathPattern::matches(std::string_view path) const {
  const std::vector<PathStep> steps = steps_of(path);
  return steps.size() == steps_.size() && leads_to(steps);
}

const TextFormInfo TextForm<PathPattern>::info{
    "component path",
    "a component path such as \"host0.acc[3]\", \"host0.acc[0-3]\" or \"host0.acc[*]\"",
    R"(^[^\[\].]+(\[[^\[\]]+\])?(\.[^\[\].]+(\[[^\[\]]+\])?)*$)", &PathPattern::why_not};

}  // namespace viosim
