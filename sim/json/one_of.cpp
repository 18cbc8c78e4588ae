// Unions: which alternative an object is, and what can be said of it when nothing says which.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/type.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
void OneOfType::take(std::size_t alternative, const Value::Object& object, void* into,
                     Slots& slots) const {
  info_.select(into, alternative);
  // Found through a const object, but not const itself.
  info_.types[alternative]().collect(object, const_cast<void*>(info_.content(into)), slots);
}

Slots OneOfType::slots_of(std::size_t alternative, const Value::Object& object, void* into) const {
  Slots slots(info_.types[alternative]());
  take(alternative, object, into, slots);
  return slots;
}

void OneOfType::collect(const Value::Object& object, void* into, Slots& slots) const {
  slots.unions.push_back(this);
  if (by_keys()) {
    collect_by_keys(object, into, slots);
  } else {
    collect_by_tag(object, into, slots);
  }
}

void OneOfType::collect_by_tag(const Value::Object& object, void* into, Slots& slots) const {
  slots.keys.push_back({info_.key, "", &tag_, nullptr, true});
  const Value* tag = find(object, info_.key);
  const std::string* text = tag == nullptr ? nullptr : tag->if_text();
  const std::vector<std::string_view> all = names();
  if (text != nullptr) {
    const auto exact = std::find(all.begin(), all.end(), *text);
    const bool known = exact != all.end();
    const std::string_view near = known ? *exact : nearest_name(*text, all);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (near.empty() || all[i] != near) continue;
      if (!known) slots.unchosen.push_back({this, into, true, {}, {}});
      return take(i, object, into, slots);
    }
  }
  slots.unchosen.push_back({this, into, false, {}, {}});
}

// A misspelt key is the likeliest reason for having none of them.
void OneOfType::collect_by_keys(const Value::Object& object, void* into, Slots& slots) const {
  const std::vector<std::string_view> all = names();
  for (std::size_t i = 0; i < all.size(); ++i)
    if (find(object, all[i]) != nullptr) return take(i, object, into, slots);
  for (const Value::Member& member : object) {
    if (slots.type.has_key(member.key)) continue;
    const std::string_view near = nearest_name(member.key, all);
    if (near.empty()) continue;
    const auto i = std::find(all.begin(), all.end(), near) - all.begin();
    slots.unchosen.push_back({this, into, true, member.key, near});
    return take(static_cast<std::size_t>(i), object, into, slots);
  }
  slots.unchosen.push_back({this, into, false, {}, {}});
}

bool OneOfType::read_undecided(const Value::Object& object, const Value::Member& member,
                               const Where& where, void* into) const {
  std::optional<std::vector<Problem>> problems;  // of the first alternative that has the key
  for (std::size_t i = 0; i < info_.types.size(); ++i) {
    if (!info_.types[i]().has_key(member.key)) continue;
    Slots slots = slots_of(i, object, into);
    const Slot* slot = slots.find(member.key);
    if (slot == nullptr) return true;  // it depends on a further choice
    std::vector<Problem> found;
    slot->type->read(member.value, where.reporting_to(found) / member.key, slot->into);
    if (found.empty()) return true;
    if (!problems) problems = std::move(found);
  }
  if (!problems) return false;
  for (Problem& problem : *problems) where.take(std::move(problem));
  return true;
}

std::vector<Slot> OneOfType::required_of_all(const Value::Object& object, void* into) const {
  std::vector<Slot> common = slots_of(0, object, into).keys;
  for (std::size_t i = 1; i < info_.types.size(); ++i) {
    Slots others = slots_of(i, object, into);
    std::erase_if(common, [&](const Slot& slot) {
      const Slot* other = others.find(slot.name);
      return other == nullptr || !other->required;
    });
  }
  return common;
}

void OneOfType::write_members(const void* from, Value::Object& members) const {
  const std::size_t chosen = info_.index(from);
  if (!by_keys()) add(members, info_.key, info_.alternatives[chosen].name);
  info_.types[chosen]().write_members(info_.content(from), members);
}

std::vector<Shape> OneOfType::shapes(const void* defaults) const {
  std::vector<Shape> all;
  for (std::size_t i = 0; i < info_.alternatives.size(); ++i) {
    if (by_keys()) {
      for (Shape& whole : info_.types[i]().shapes(defaults_of(i, defaults)))
        all.push_back(std::move(whole));
      continue;
    }
    Value::Object tag;
    add(tag, "description", info_.alternatives[i].sentence);
    add(tag, "const", info_.alternatives[i].name);
    Shape shape;
    add_property(shape, info_.key, tag);
    shape.required.emplace_back(info_.key);
    for (Shape& whole : combined({shape}, info_.types[i]().shapes(defaults_of(i, defaults))))
      all.push_back(std::move(whole));
  }
  return all;
}

void OneOfType::add_rows(const std::string& prefix, const void* defaults,
                         std::vector<ParameterRow>& rows) const {
  for (std::size_t i = 0; i < info_.alternatives.size(); ++i) {
    const Alternative& alternative = info_.alternatives[i];
    if (!by_keys()) {
      rows.push_back({prefix + std::string(info_.key), quote(alternative.name), "required",
                      std::string(alternative.sentence), ""});
    }
    info_.types[i]().add_rows(prefix, defaults_of(i, defaults), rows);
  }
}

void OneOfType::add_keys(std::vector<std::string_view>& keys) const {
  if (!by_keys()) keys.push_back(info_.key);
  for (const auto& type : info_.types) type().add_keys(keys);
}

std::string OneOfType::alternatives_with(std::string_view key) const {
  std::vector<std::string_view> knowing;
  for (std::size_t i = 0; i < info_.alternatives.size(); ++i) {
    if (info_.types[i]().has_key(key)) knowing.push_back(info_.alternatives[i].name);
  }
  return fmt::format("{}{}{}", knowing.empty() ? "" : "\"", fmt::join(knowing, "\" or \""),
                     knowing.empty() ? "" : "\"");
}

std::string OneOfType::unchosen_text(const Slots::Unchosen& unchosen) const {
  std::string message = fmt::format("read none of its keys; expected {}", expected_choice(names()));
  if (!unchosen.guessed) return message;
  return fmt::format("{}; did you mean \"{}\" by {}?", message, unchosen.name,
                     quote_short(unchosen.misspelt));
}

std::vector<std::string_view> OneOfType::names() const {
  std::vector<std::string_view> all;
  for (const Alternative& alternative : info_.alternatives) all.push_back(alternative.name);
  return all;
}

const void* OneOfType::defaults_of(std::size_t alternative, const void* defaults) const {
  return info_.index(defaults) == alternative ? info_.content(defaults)
                                              : info_.defaults[alternative]();
}

void OneOfType::Tag::read(const Value& value, const Where& where, void*) const {
  const std::vector<std::string_view> names = owner_.names();
  const std::string* text = value.if_text();
  if (text == nullptr || std::find(names.begin(), names.end(), *text) == names.end())
    reject_choice(value, where, names);
}

Value OneOfType::Tag::write(const void*) const { fail_internal("a tag is written by its union"); }

std::string OneOfType::Tag::expected() const { return expected_choice(owner_.names()); }

Value::Object OneOfType::Tag::schema(const void*) const {
  fail_internal("a tag is described by its union");
}

}  // namespace viosim
