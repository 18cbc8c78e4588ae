// Finds what patterns and names mean in a run.
// SPDX-License-Identifier: Apache-2.0
#include "sim/trace/selection.hpp"

#include "core/base/error.hpp"
#include "sim/json/value.hpp"
#include "sim/scenario/component_path.hpp"
#include "sim/trace/part_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace viosim {
namespace {

[[noreturn]] void reject(const char* option, const std::string& text, const std::string& expected) {
  throw ConfigError(
      {"", "", fmt::format("{}: read {}; expected {}", option, quote_short(text), expected)});
}

PathPattern pattern_of(const char* option, const std::string& text) {
  const std::optional<PathPattern> pattern = PathPattern::parse(text);
  if (!pattern) reject(option, text, "a path: " + PathPattern::why_not(text));
  return *pattern;
}

std::string or_nearest(const std::string& text, const std::vector<std::string>& names) {
  const std::string_view nearest = nearest_name(text, {names.begin(), names.end()});
  return nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest);
}

// The path from its second step on: that of a guest without its host.
std::vector<PathStep> below_host(std::vector<PathStep> path) {
  if (!path.empty()) path.erase(path.begin());
  return path;
}

class Chosen {
 public:
  explicit Chosen(const RunReader& reader) : paths_(reader.components()), all_(paths_.size()) {}

  void components(const std::vector<std::string>& patterns) {
    for (const std::string& text : patterns) {
      const PathPattern pattern = pattern_of("--component", text);
      const bool any =
          choose([&](const std::string& path) { return pattern.leads_to(steps_of(path)); });
      if (!any) reject("--component", text, "a component of this run" + or_nearest(text, paths_));
    }
  }
  void guests(const std::vector<std::string>& patterns, const PartNames& parts) {
    for (const std::string& text : patterns) {
      const PathPattern pattern = pattern_of("--guest", text);
      const bool any = choose([&](const std::string& path) {
        const std::vector<PathStep> steps = steps_of(path);
        return parts.of(path) == PartOf::guest &&
               (pattern.leads_to(steps) || pattern.leads_to(below_host(steps)));
      });
      if (!any)
        reject("--guest", text, "a guest of this run" + or_nearest(text, guest_names(parts)));
    }
  }
  const std::vector<bool>& all() const { return all_; }

 private:
  template <class Wanted>
  bool choose(Wanted&& wanted) {
    bool any = false;
    for (std::size_t i = 0; i < paths_.size(); ++i) {
      if (!wanted(paths_[i])) continue;
      any = true;
      all_[i] = true;
    }
    return any;
  }
  std::vector<std::string> guest_names(const PartNames& parts) const {
    std::vector<std::string> names;
    for (const std::string& path : paths_)
      if (parts.of(path) == PartOf::guest) names.push_back(parts.path_of(path));
    return names;
  }

  const std::vector<std::string>& paths_;
  std::vector<bool> all_;
};

std::vector<bool> chosen_components(const RunReader& reader, const TraceFilter& filter) {
  if (filter.components.empty() && filter.guests.empty()) return {};
  Chosen by_path(reader);
  by_path.components(filter.components);
  Chosen by_guest(reader);
  by_guest.guests(filter.guests, PartNames(reader.manifest(), reader.file()));
  if (filter.guests.empty()) return by_path.all();
  if (filter.components.empty()) return by_guest.all();
  std::vector<bool> both(by_path.all().size());
  for (std::size_t i = 0; i < both.size(); ++i) both[i] = by_path.all()[i] && by_guest.all()[i];
  return both;
}

std::vector<bool> chosen_kinds(const RunReader& reader, const TraceFilter& filter) {
  std::vector<bool> chosen;
  for (const std::string& name : filter.kinds) {
    const auto row = std::find_if(reader.kinds().begin(), reader.kinds().end(),
                                  [&](const EventKindRow& kind) { return kind.name == name; });
    if (row == reader.kinds().end()) {
      std::vector<std::string> names;
      for (const EventKindRow& kind : reader.kinds()) names.push_back(kind.name);
      reject("--kind", name,
             fmt::format("one of {}{}", fmt::join(names, ", "), or_nearest(name, names)));
    }
    chosen.resize(std::max(chosen.size(), row->kind + std::size_t{1}));
    chosen[row->kind] = true;
  }
  return chosen;
}

}  // namespace

Selection::Selection(const RunReader& reader, const TraceFilter& filter)
    : components_(chosen_components(reader, filter)),
      kinds_(chosen_kinds(reader, filter)),
      pasids_(filter.pasids),
      from_(filter.from.value_or(Ps::min()).count()),
      until_(filter.until.value_or(Ps::max()).count()),
      limit_(filter.limit.value_or(std::numeric_limits<std::uint64_t>::max())) {
  if (from_ > until_)
    throw ConfigError({"", "", "--until: read a time before that of --from; expected a later one"});
}

std::vector<std::size_t> Selection::blocks(const RunReader& reader) const {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < reader.blocks().size(); ++i) {
    const BlockInfo& block = reader.blocks()[i];
    if (block.last_time >= from_ && block.first_time <= until_) numbers.push_back(i);
  }
  return numbers;
}

bool Selection::is_wanted_pasid(std::uint32_t pasid) const {
  return std::find(pasids_.begin(), pasids_.end(), pasid) != pasids_.end();
}

}  // namespace viosim
