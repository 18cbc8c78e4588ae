// Finds places by their nearest known ancestor.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/origins.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {

std::string pointer_below(std::string_view pointer, std::string_view key) {
  std::string below(pointer);
  below += '/';
  for (const char c : key) {
    if (c == '~') {
      below += "~0";
    } else if (c == '/') {
      below += "~1";
    } else {
      below += c;
    }
  }
  return below;
}

TextPlace TextPlace::operator/(std::string_view key) const {
  return {file, pointer_below(pointer, key), used_by};
}

TextPlace TextPlace::operator/(std::size_t index) const {
  return {file, fmt::format("{}/{}", pointer, index), used_by};
}

std::string TextPlace::text() const {
  return pointer.empty() ? file : fmt::format("{}: {}", file, pointer);
}

void Origins::set(const std::string& pointer, TextPlace place) {
  places_[pointer] = std::move(place);
}

void Origins::clear_below(const std::string& pointer) {
  const std::string first = pointer + '/';
  auto at = places_.lower_bound(first);
  while (at != places_.end() && at->first.starts_with(first)) at = places_.erase(at);
}

TextPlace Origins::find(std::string_view pointer, const std::string& file) const {
  for (std::size_t length = pointer.size();; length = pointer.rfind('/', length - 1)) {
    const auto known = places_.find(pointer.substr(0, length));
    if (known != places_.end()) {
      TextPlace place = known->second;
      place.pointer += pointer.substr(length);
      return place;
    }
    if (length == 0) return {file, std::string(pointer), {}};
  }
}

Problem Origins::locate(Problem problem) const {
  if (places_.empty() || problem.file != file_) return problem;
  if (!problem.pointer.empty() && !problem.pointer.starts_with('/')) return problem;
  TextPlace place = find(problem.pointer, problem.file);
  problem.file = std::move(place.file);
  problem.pointer = std::move(place.pointer);
  if (!place.used_by.empty()) problem.message += fmt::format("; used by {}", place.used_by);
  return problem;
}

std::vector<Problem> Origins::locate(std::vector<Problem> problems) const {
  std::transform(problems.begin(), problems.end(), problems.begin(),
                 [this](Problem& problem) { return locate(std::move(problem)); });
  return problems;
}

}  // namespace viosim
