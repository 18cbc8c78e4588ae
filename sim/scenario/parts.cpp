// Reads parts, merges what stands beside their names, and keeps account of where everything came from.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/parts.hpp"

#include "sim/json/json.hpp"
#include "sim/scenario/name_rule.hpp"
#include "sim/scenario/part_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace viosim {
namespace {

constexpr std::string_view part_key = "part";
constexpr std::string_view template_key = "template";
constexpr std::string_view templates_key = "templates";

class Assembler {
 public:
  Assembler(Value document, const std::string& file, PartFiles& parts)
      : parts_(parts), file_(file) {
    origins_.set_file(file);
    take_templates(document);
    document_ = expand(document, {file, "", ""}, "");
    expand_unused_templates();
  }

  AssembledDocument take() {
    return {std::move(document_), std::move(origins_), std::move(problems_),
            std::move(incomplete_)};
  }

 private:
  // What is being put in, from the outermost on.
  struct Use {
    std::string what;  // `part "links/pcie3"`
    TextPlace at;
  };
  struct Base {
    Value content;
    TextPlace place;
    std::string what;
  };

  void reject(const TextPlace& place, std::string message) {
    Where where(problems_, place.file);
    if (!place.used_by.empty()) message += fmt::format("; used by {}", place.used_by);
    if (where.full()) return;
    problems_.push_back({place.file, place.pointer, std::move(message)});
  }

  void take_templates(Value& document) {
    Value::Object* members = document.if_object();
    Value* templates = members == nullptr ? nullptr : find(*members, templates_key);
    if (templates == nullptr) return;
    const TextPlace place = TextPlace{file_, "", ""} / templates_key;
    if (const Value::Object* named = templates->if_object()) {
      for (const Value::Member& member : *named) {
        if (!component_name.holds(member.key)) {
          reject(place, fmt::format("read the name {}; expected {}", quote_short(member.key),
                                    component_name.expected));
        }
        if (member.value.if_object() == nullptr) {
          reject(place / member.key,
                 fmt::format("read {}; expected an object", summary(member.value)));
        }
        templates_.emplace(member.key, member.value);
      }
    } else {
      reject(place, fmt::format("read {}; expected an object of templates, each by its name",
                                summary(*templates)));
    }
    std::erase_if(*members, [](const Value::Member& m) { return m.key == templates_key; });
  }

  // They stand nowhere, but what they name must be there. What one says of another is said once.
  void expand_unused_templates() {
    Origins kept = std::exchange(origins_, Origins());
    const std::size_t incomplete = incomplete_.size();
    stands_nowhere_ = true;
    for (const auto& [name, content] : templates_) {
      if (!used_templates_.insert(name).second) continue;
      const TextPlace place = TextPlace{file_, "", ""} / templates_key / name;
      uses_.push_back({fmt::format("template {}", quote_short(name)), place});
      expand(content, place, "");
      uses_.pop_back();
    }
    incomplete_.resize(incomplete);
    origins_ = std::move(kept);
  }

  // A document that is put together could be much larger than its files.
  bool grown_too_large(const TextPlace& place) {
    if (++values_ <= json_value_limit) return false;
    if (values_ == json_value_limit + 1) {
      reject(place, fmt::format("the scenario holds more than {} values once its parts are put in",
                                json_value_limit));
    }
    return true;
  }

  // Each use is a line in the account of places.
  bool used_too_often(const TextPlace& place) {
    constexpr std::size_t most_uses = 100'000;
    if (++use_count_ <= most_uses) return false;
    if (use_count_ == most_uses + 1) {
      reject(place,
             fmt::format("parts and templates are put in more than {} times in all", most_uses));
    }
    return true;
  }

  // `at` is the pointer in the whole document.
  Value expand(const Value& value, const TextPlace& place, const std::string& at) {
    if (grown_too_large(place)) return {};
    if (const Value::Array* items = value.if_array()) {
      Value::Array all;
      for (std::size_t i = 0; i < items->size(); ++i)
        all.push_back(expand((*items)[i], place / i, fmt::format("{}/{}", at, i)));
      return Value(std::move(all));
    }
    const Value::Object* members = value.if_object();
    if (members == nullptr) return value;
    if (find(*members, part_key) != nullptr || find(*members, template_key) != nullptr)
      return expand_use(*members, place, at);
    Value::Object all;
    for (const Value::Member& member : *members) {
      all.push_back(
          {member.key, expand(member.value, place / member.key, pointer_below(at, member.key))});
    }
    return Value(std::move(all));
  }

  Value expand_use(const Value::Object& members, const TextPlace& place, const std::string& at) {
    if (used_too_often(place)) return Value(Value::Object());
    const std::optional<Base> base = base_of(members, place);
    if (!base) {
      incomplete_.push_back(at);
      Value own((Value::Object()));
      overlay(own, members, place, at);
      return own;
    }
    uses_.push_back({base->what, place});
    origins_.set(at, base->place);
    Value whole = expand(base->content, base->place, at);
    uses_.pop_back();
    if (whole.if_object() == nullptr) {  // it was too large
      incomplete_.push_back(at);
      return Value(Value::Object());
    }
    overlay(whole, members, place, at);
    return whole;
  }

  // What is in `into` already keeps its places; the object itself is that of its user.
  void overlay(Value& into, const Value::Object& changes, const TextPlace& place,
               const std::string& at) {
    Value::Object& members = *into.if_object();
    for (const Value::Member& member : members) {
      const std::string below = pointer_below(at, member.key);
      origins_.set(below, origins_.find(below, file_));
    }
    origins_.set(at, place);
    for (const Value::Member& change : changes) {
      if (change.key == part_key || change.key == template_key) continue;
      put(members, change, place / change.key, pointer_below(at, change.key));
    }
  }

  void put(Value::Object& members, const Value::Member& change, const TextPlace& place,
           const std::string& at) {
    if (change.value.is_null()) {
      std::erase_if(members, [&](const Value::Member& m) { return m.key == change.key; });
      return;
    }
    Value* there = find(members, change.key);
    const Value::Object* changes = change.value.if_object();
    const bool names_base = changes != nullptr && (find(*changes, part_key) != nullptr ||
                                                   find(*changes, template_key) != nullptr);
    if (there != nullptr && there->if_object() != nullptr && changes != nullptr && !names_base)
      return overlay(*there, *changes, place, at);
    origins_.clear_below(at);
    origins_.set(at, place);
    Value content = expand(change.value, place, at);
    if (there != nullptr) {
      *there = std::move(content);
    } else {
      members.push_back({change.key, std::move(content)});
    }
  }

  // What an object with "part" or "template" stands for, before anything in it is put in.
  std::optional<Base> base_of(const Value::Object& members, const TextPlace& place) {
    const Value* part = find(members, part_key);
    const Value* named = part != nullptr ? part : find(members, template_key);
    if (part != nullptr && find(members, template_key) != nullptr) {
      reject(place, "read both \"part\" and \"template\"; expected one of them");
      return {};
    }
    const TextPlace at = place / (part != nullptr ? part_key : template_key);
    const std::string* name = named->if_text();
    if (name == nullptr) {
      reject(at, fmt::format("read {}; expected the name of a {}", summary(*named),
                             part != nullptr ? "part" : "template"));
      return {};
    }
    return part != nullptr ? part_named(*name, place, at) : template_named(*name, place, at);
  }

  std::optional<Base> template_named(const std::string& name, const TextPlace& place,
                                     const TextPlace& at) {
    const auto found = place.file == file_ ? templates_.find(name) : templates_.end();
    if (found == templates_.end()) {
      std::vector<std::string_view> names;
      for (const auto& [known, unused] : templates_) names.push_back(known);
      if (place.file != file_) names.clear();
      const std::string_view nearest = nearest_name(name, names);
      reject(at,
             fmt::format("read {}; expected the name of a template in \"templates\" of this file{}",
                         quote_short(name),
                         nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
      return {};
    }
    const bool told = !used_templates_.insert(name).second && stands_nowhere_;
    const std::string what = fmt::format("template {}", quote_short(name));
    if (found->second.if_object() == nullptr || runs_in_circles(what, at)) return {};
    TextPlace from = TextPlace{file_, "", used_by(place)} / templates_key / name;
    return Base{told ? Value(Value::Object()) : found->second, std::move(from), what};
  }

  std::optional<Base> part_named(const std::string& name, const TextPlace& place,
                                 const TextPlace& at) {
    if (!part_name.holds(name)) {
      reject(at, fmt::format("read {}; expected {}", quote_short(name), part_name.expected));
      return {};
    }
    const std::string what = fmt::format("part {}", quote_short(name));
    if (runs_in_circles(what, at)) return {};
    const std::optional<std::filesystem::path> path = parts_.find(name, place.file);
    if (!path) {
      reject(at,
             fmt::format("read {}; expected the name of a part: there is no parts/{}.json beside "
                         "this file, nor beside a folder that it is in",
                         quote_short(name), name));
      return {};
    }
    const PartFile* file = read_part(path->string(), place);
    if (file == nullptr) return {};
    return Base{file->content, TextPlace{path->string(), "/content", used_by(place)}, what};
  }

  // Null: it cannot be read, which is told once.
  const PartFile* read_part(const std::string& path, const TextPlace& place) {
    if (unreadable_.contains(path)) return nullptr;
    try {
      return &parts_.read(path);
    } catch (const ConfigError& error) {
      unreadable_.insert(path);
      for (Problem problem : error.problems()) {
        problem.message += fmt::format("; used by {}", used_by(place));
        problems_.push_back(std::move(problem));
      }
    }
    return nullptr;
  }

  bool runs_in_circles(const std::string& what, const TextPlace& at) {
    const auto first =
        std::find_if(uses_.begin(), uses_.end(), [&](const Use& use) { return use.what == what; });
    if (first == uses_.end() && uses_.size() < json_depth_limit) return false;
    if (first == uses_.end()) {
      reject(at, fmt::format("{} is put in more than {} levels deep", what, json_depth_limit));
      return true;
    }
    std::string chain;
    for (auto use = first; use != uses_.end(); ++use)
      chain += fmt::format("{} is used at {}, and uses ", use->what, use->at.text());
    reject(at, fmt::format("{} is made of itself: {}it again", what, chain));
    return true;
  }

  static std::string used_by(const TextPlace& place) {
    return place.used_by.empty() ? place.text()
                                 : fmt::format("{}, {}", place.used_by, place.text());
  }

  PartFiles& parts_;
  const std::string& file_;
  Value document_;
  Origins origins_;
  std::vector<Problem> problems_;
  std::vector<std::string> incomplete_;
  std::vector<Use> uses_;
  std::map<std::string, Value, std::less<>> templates_;
  std::set<std::string, std::less<>> used_templates_;  // by their names
  bool stands_nowhere_ = false;                        // what is being expanded
  std::set<std::string> unreadable_;                   // parts
  std::size_t values_ = 0;
  std::size_t use_count_ = 0;
};

}  // namespace

AssembledDocument assemble(Value document, const std::string& file, PartFiles& parts) {
  AssembledDocument assembled = assemble_what_can_be(std::move(document), file, parts);
  if (!assembled.problems.empty()) throw ConfigError(std::move(assembled.problems));
  return assembled;
}

AssembledDocument assemble(Value document, const std::string& file) {
  PartFiles parts;
  return assemble(std::move(document), file, parts);
}

AssembledDocument assemble_what_can_be(Value document, const std::string& file, PartFiles& parts) {
  return Assembler(std::move(document), file, parts).take();
}

AssembledDocument assemble_what_can_be(Value document, const std::string& file) {
  PartFiles parts;
  return assemble_what_can_be(std::move(document), file, parts);
}

}  // namespace viosim
