// Names of simulated things: `host0.acc[3]`, and patterns for many of them: `host0.acc[0-3]`, `host0.acc[*]`.
// The same in scenarios, traces, results and messages.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/text_form.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

// A name and, where there are several of it, which one: "acc[3]". The index may hold dots, as in
// "nvme[01:00.0]".
struct PathStep {
  std::string_view name;
  std::string_view index;  // empty: none
  bool operator==(const PathStep&) const = default;
};

// The steps of a path, which are parted by dots outside of brackets. Views of `path`.
std::vector<PathStep> steps_of(std::string_view path);

// A path whose indices may stand for several: a number, "2-5", "0,2,5-7", "*" for all, or any other text
// for itself.
class PathPattern {
 public:
  PathPattern() = default;  // of no steps: matches nothing
  // Nothing when a name is empty, a bracket has no partner, or a range runs backwards.
  static std::optional<PathPattern> parse(std::string_view text);
  static std::string why_not(std::string_view text);

  const std::string& text() const { return text_; }
  std::size_t size() const { return steps_.size(); }
  // Of the first `count` steps; of those from `first` on.
  PathPattern first(std::size_t count) const;
  std::string text_from(std::size_t first) const;

  bool matches(std::string_view path) const;
  // Whether the path begins with this, or is it.
  bool leads_to(const std::vector<PathStep>& path) const;

  bool operator==(const PathPattern& other) const { return text_ == other.text_; }

 private:
  struct Range {
    std::uint64_t first;
    std::uint64_t last;
  };
  struct Step {
    std::string text;  // as written
    std::string name;
    std::string index;
    std::vector<Range> ranges;  // empty: the index is what it says
    bool any = false;
    bool matches(const PathStep& step) const;
  };
  static std::optional<Step> parse_step(std::string_view text);
  static bool parse_index(std::string_view text, Step& step);

  std::string text_;
  std::vector<Step> steps_;
};

template <>
struct TextForm<PathPattern> {
  static const TextFormInfo info;
  static std::optional<PathPattern> parse(std::string_view text) {
    return PathPattern::parse(text);
  }
  static std::string write(const PathPattern& pattern) { return pattern.text(); }
};

}  // namespace viosim
