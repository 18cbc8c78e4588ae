// Mends a copy of the document by leaving out what is wrong, and builds what is left.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/diagnosis.hpp"

#include "sim/json/json.hpp"
#include "sim/run/load.hpp"
#include "sim/scenario/scenario.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <new>
#include <optional>
#include <set>

namespace viosim {
namespace {

const Value* member(const Value& value, std::string_view key) {
  const Value::Object* object = value.if_object();
  return object == nullptr ? nullptr : find(*object, key);
}
const std::string* text_member(const Value& value, std::string_view key) {
  const Value* found = member(value, key);
  return found == nullptr ? nullptr : found->if_text();
}
Value::Array* list_member(Value& value, std::string_view key) {
  Value::Object* object = value.if_object();
  Value* found = object == nullptr ? nullptr : find(*object, key);
  return found == nullptr ? nullptr : found->if_array();
}

std::vector<std::string> keys_of(std::string_view pointer) {
  std::vector<std::string> steps;
  for (std::size_t at = 0; at < pointer.size();) {
    const std::size_t end = std::min(pointer.find('/', at + 1), pointer.size());
    steps.emplace_back(pointer.substr(at + 1, end - at - 1));
    at = end;
  }
  return steps;
}

// A list, or nothing, and the item of it that a step names.
Value* item_of(Value& value, const std::string& step) {
  if (Value::Array* items = value.if_array()) {
    std::size_t index = 0;
    const auto [stop, error] = std::from_chars(step.data(), step.data() + step.size(), index);
    return error == std::errc{} && index < items->size() ? &(*items)[index] : nullptr;
  }
  Value::Object* members = value.if_object();
  return members == nullptr ? nullptr : find(*members, step);
}

class Mending {
 public:
  Mending(Value document, const std::string& file) : document_(std::move(document)), file_(file) {}

  // The names of components that are left out.
  const std::set<std::string>& lost() const { return lost_; }

  // Devices whose recordings are of no use.
  void leave_out_recordings(const std::set<std::string>& unreadable) {
    Value::Array* hosts = list_member(document_, "hosts");
    if (hosts == nullptr) return;
    for (Value& host : *hosts) {
      Value::Array* devices = list_member(host, "devices");
      if (devices == nullptr) continue;
      std::erase_if(*devices, [&](const Value& device) {
        const std::string* trace = text_member(device, "trace");
        if (trace == nullptr || !unreadable.contains(*trace)) return false;
        lose(device);
        return true;
      });
    }
  }

  // Nothing when it cannot be mended.
  std::optional<Scenario> scenario() {
    take("expect");
    take("events");
    constexpr int most_rounds = 8;
    for (int round = 0; round < most_rounds; ++round) {
      try {
        return read_scenario(document_, file_);
      } catch (const ConfigError& error) {
        if (!mend(error.problems())) return {};
      }
    }
    return {};
  }

 private:
  void take(std::string_view key) {
    if (Value::Object* members = document_.if_object())
      std::erase_if(*members, [&](const Value::Member& m) { return m.key == key; });
  }

  // From the last one on, so that the places of those before stay.
  bool mend(const std::vector<Problem>& problems) {
    std::set<std::pair<std::string, std::size_t>> items;  // a list's pointer, and a place in it
    bool mended = false;
    for (const Problem& problem : problems) {
      if (erase_member(keys_of(problem.pointer))) {
        mended = true;
      } else {
        note_item(keys_of(problem.pointer), items);
      }
    }
    for (auto item = items.rbegin(); item != items.rend(); ++item) {
      Value* list = &document_;
      for (const std::string& step : keys_of(item->first)) {
        list = list == nullptr ? nullptr : item_of(*list, step);
      }
      if (list == nullptr || list->if_array() == nullptr) continue;
      Value::Array& all = *list->if_array();
      if (item->second >= all.size()) continue;
      lose(all[item->second]);
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(item->second));
      mended = true;
    }
    return mended;
  }

  // A value that is wrong has its default instead.
  bool erase_member(const std::vector<std::string>& steps) {
    if (steps.empty()) return false;
    Value* owner = &document_;
    for (std::size_t i = 0; i + 1 < steps.size() && owner != nullptr; ++i)
      owner = item_of(*owner, steps[i]);
    Value::Object* members = owner == nullptr ? nullptr : owner->if_object();
    if (members == nullptr) return false;
    return std::erase_if(*members, [&](const Value::Member& m) { return m.key == steps.back(); }) !=
           0;
  }

  // The smallest thing in a list that the pointer is in.
  void note_item(const std::vector<std::string>& steps,
                 std::set<std::pair<std::string, std::size_t>>& items) {
    Value* at = &document_;
    std::string list;
    std::optional<std::pair<std::string, std::size_t>> smallest;
    std::string walked;
    for (const std::string& step : steps) {
      Value* next = item_of(*at, step);
      if (next == nullptr) break;
      if (at->if_array() != nullptr)
        smallest = {walked, static_cast<std::size_t>(next - at->if_array()->data())};
      walked += '/' + step;
      at = next;
    }
    if (smallest) items.insert(*smallest);
  }

  void lose(const Value& component) {
    if (const std::string* name = text_member(component, "name")) lost_.insert(*name);
  }

  Value document_;
  const std::string& file_;
  std::set<std::string> lost_;
};

void add(std::vector<Problem>& problems, const ConfigError& error, const std::string& suffix) {
  for (Problem problem : error.problems()) {
    problem.message += suffix;
    problems.push_back(std::move(problem));
  }
}

// Every recording that the document names, whatever else is wrong with it.
Recordings read_named(const Value& document, const NamedBy& named_by, Progress* progress,
                      std::set<std::string>& unreadable, std::vector<Problem>& problems) {
  Recordings recordings;
  const Value* hosts = member(document, "hosts");
  if (hosts == nullptr || hosts->if_array() == nullptr) return recordings;
  for (std::size_t h = 0; h < hosts->if_array()->size(); ++h) {
    const Value* devices = member((*hosts->if_array())[h], "devices");
    if (devices == nullptr || devices->if_array() == nullptr) continue;
    for (std::size_t d = 0; d < devices->if_array()->size(); ++d) {
      const Value& device = (*devices->if_array())[d];
      const std::string* model = text_member(device, "model");
      const std::string* trace = text_member(device, "trace");
      // An empty one has been refused with the rest of the scenario.
      if (model == nullptr || *model != "recording" || trace == nullptr || trace->empty()) continue;
      if (recordings.contains(*trace) || unreadable.contains(*trace)) continue;
      try {
        recordings.emplace(*trace, read_recording(named_by.base / *trace, progress));
      } catch (const ConfigError& error) {
        unreadable.insert(*trace);
        add(problems, error, named_by.text(h, d));
      }
    }
  }
  return recordings;
}

// "host0.acc[3].dma.p99": whether one of these is among its parts. A pattern could mean any of them.
bool names_any(std::string_view path, const std::set<std::string>& lost) {
  if (!lost.empty() && path.find('*') != std::string_view::npos) return true;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('.', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (lost.contains(std::string(part.substr(0, part.find('['))))) return true;
    at = end + 1;
  }
  return false;
}

// Whether a clause or an event is about something that was left out.
bool names_any(const Value& value, const std::set<std::string>& lost) {
  if (const std::string* text = value.if_text()) return names_any(std::string_view(*text), lost);
  if (const Value::Array* items = value.if_array())
    return std::any_of(items->begin(), items->end(),
                       [&](const Value& item) { return names_any(item, lost); });
  const Value::Object* members = value.if_object();
  return members != nullptr &&
         std::any_of(members->begin(), members->end(),
                     [&](const Value::Member& m) { return names_any(m.value, lost); });
}

// The clauses that can be read and are about what there is; `places` says where each stands.
std::vector<Expectation> clauses_of(const Value& document, const std::set<std::string>& lost,
                                    std::vector<std::size_t>& places) {
  std::vector<Expectation> clauses;
  const Value* expect = member(document, "expect");
  if (expect == nullptr || expect->if_array() == nullptr) return clauses;
  for (std::size_t i = 0; i < expect->if_array()->size(); ++i) {
    const Value& written = (*expect->if_array())[i];
    std::vector<Problem> problems;
    auto clause = read<Expectation>(written, Where(problems, ""));
    if (!problems.empty() || names_any(written, lost)) continue;
    clauses.push_back(std::move(clause));
    places.push_back(i);
  }
  return clauses;
}

// Events name each other, so all of them are looked at, or none.
std::vector<EventConfig> events_of(const Value& document, bool ends,
                                   const std::set<std::string>& lost) {
  const Value* events = member(document, "events");
  if (events == nullptr || names_any(*events, lost)) return {};
  std::vector<Problem> problems;
  const Where where(problems, "");
  auto all = read<std::vector<EventConfig>>(*events, where);
  if (problems.empty()) check_events(all, ends, where);
  return problems.empty() ? all : std::vector<EventConfig>();
}

// "/expect/1/metric" of the clauses that were looked at, where it stands in the document.
std::string pointer_in_document(const std::string& pointer,
                                const std::vector<std::size_t>& places) {
  const std::vector<std::string> steps = keys_of(pointer);
  if (steps.size() < 2 || steps[0] != "expect") return pointer;
  std::string whole = fmt::format("/expect/{}", places.at(std::stoul(steps[1])));
  for (std::size_t i = 2; i < steps.size(); ++i) whole += '/' + steps[i];
  return whole;
}

}  // namespace

std::vector<Problem> diagnose(const Value& document, const std::string& file,
                              const std::filesystem::path& base, Progress* progress,
                              bool with_plan) {
  std::vector<Problem> problems;
  std::set<std::string> unreadable;
  const Recordings recordings = read_named(document, {base, file}, progress, unreadable, problems);
  const bool plans = member(document, "expect") != nullptr || member(document, "events") != nullptr;
  if (!with_plan || !plans) return problems;
  Mending mending(document, file);
  mending.leave_out_recordings(unreadable);
  std::optional<Scenario> scenario = mending.scenario();
  if (!scenario) return problems;
  std::vector<std::size_t> places;
  scenario->expect = clauses_of(document, mending.lost(), places);
  scenario->events = events_of(document, scenario->duration.has_value(), mending.lost());
  try {
    check_plan(*scenario, recordings);
  } catch (const ConfigError& error) {
    for (Problem problem : error.problems()) {
      problem.pointer = pointer_in_document(problem.pointer, places);
      problems.push_back(std::move(problem));
    }
  } catch (const std::bad_alloc&) {
    // What was meant may be larger than this machine; what is wrong is known already.
  }
  return problems;
}

}  // namespace viosim
