// Finds components, and says what is near to a name that is none.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/components.hpp"

#include "sim/json/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace viosim {

std::uint32_t ComponentIndex::add(std::string_view path) {
  paths_.emplace_back(path);
  return static_cast<std::uint32_t>(paths_.size() - 1);
}

std::vector<std::uint32_t> ComponentIndex::matching(const PathPattern& pattern) const {
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < paths_.size(); ++i) {
    if (pattern.matches(paths_[i])) all.push_back(i);
  }
  return all;
}

std::vector<std::uint32_t> ComponentIndex::resolve(const PathPattern& pattern,
                                                   const Where& where) const {
  std::vector<std::uint32_t> all = matching(pattern);
  if (all.empty()) {
    const std::size_t known = known_steps(pattern);
    where.reject(unknown_step_text(pattern, known, steps_after(pattern.first(known)),
                                   "the path of a component"));
  }
  return all;
}

std::size_t ComponentIndex::known_steps(const PathPattern& pattern) const {
  std::vector<PathPattern> leads;
  for (std::size_t i = 1; i <= pattern.size(); ++i) leads.push_back(pattern.first(i));
  std::size_t known = 0;
  for (const std::string& path : paths_) {
    const std::vector<PathStep> steps = steps_of(path);
    while (known < leads.size() && leads[known].leads_to(steps)) ++known;
  }
  return known;
}

std::vector<std::string> ComponentIndex::steps_after(const PathPattern& lead) const {
  std::vector<std::string> next;
  for (const std::string& path : paths_) {
    const std::vector<PathStep> steps = steps_of(path);
    if (steps.size() <= lead.size() || (lead.size() > 0 && !lead.leads_to(steps))) continue;
    const PathStep& step = steps[lead.size()];
    const std::string text =
        step.index.empty() ? std::string(step.name) : fmt::format("{}[{}]", step.name, step.index);
    if (std::find(next.begin(), next.end(), text) == next.end()) next.push_back(text);
    constexpr std::size_t enough = 1000;
    if (next.size() == enough) break;
  }
  return next;
}

std::string unknown_step_text(const PathPattern& pattern, std::size_t known,
                              std::vector<std::string> candidates, std::string_view expected) {
  const std::string lead = pattern.first(known).text();
  std::string message = fmt::format("read {}; expected {}", quote_short(pattern.text()), expected);
  if (known == pattern.size() || candidates.empty()) return message;
  const std::string wrong = pattern.first(known + 1).text_from(known);
  message += fmt::format("; {} has no {}", known == 0 ? "the scenario" : quote_short(lead),
                         quote_short(wrong));
  // "acc" where there are acc[0], acc[1] ...
  const std::string each = wrong + "[*]";
  const bool indexed = std::any_of(candidates.begin(), candidates.end(),
                                   [&](const auto& step) { return step.starts_with(wrong + '['); });
  if (indexed) return fmt::format("{}; did you mean {}?", message, quote_short(each));
  // "nic[0]" where there is one nic.
  const std::string name(steps_of(wrong).front().name);
  if (name != wrong && std::find(candidates.begin(), candidates.end(), name) != candidates.end()) {
    std::string meant = known == 0 ? name : fmt::format("{}.{}", lead, name);
    if (known + 1 < pattern.size()) meant += '.' + pattern.text_from(known + 1);
    return fmt::format("{}: {} is one, without an index; did you mean {}?", message,
                       quote_short(name), quote_short(meant));
  }
  // "acc[99]" where there are 16.
  std::vector<std::string> same;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(same),
               [&](const std::string& step) { return step.starts_with(name + '['); });
  if (!same.empty()) {
    return fmt::format("{}; {}", message,
                       same.size() == 1
                           ? "there is only " + same[0]
                           : fmt::format("there are {} to {}", same.front(), same.back()));
  }
  const std::string_view nearest = nearest_name(wrong, {candidates.begin(), candidates.end()});
  if (!nearest.empty()) return fmt::format("{}; did you mean {}?", message, quote_short(nearest));
  constexpr std::size_t most_named = 12;
  const bool more = candidates.size() > most_named;
  if (more) candidates.resize(most_named);
  return fmt::format("{}, but {}{}", message, fmt::join(candidates, ", "), more ? " and more" : "");
}

}  // namespace viosim
