// Objects with known keys: described structs and unions of them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/type.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
namespace {

void* writable(const void* member) {
  // Members are found through const objects; those that are read into are not const themselves.
  return const_cast<void*>(member);
}

Slot* slot_of(Slots& slots, std::string_view key) {
  const auto found = std::find_if(slots.keys.begin(), slots.keys.end(),
                                  [&](const Slot& slot) { return slot.name == key; });
  return found == slots.keys.end() ? nullptr : &*found;
}

// A pointer to a key that is kilobytes long, or not printable, helps nobody: then to its object.
Where place_of(std::string_view key, const Where& object) {
  constexpr std::size_t longest = 80;
  const bool printable = std::all_of(key.begin(), key.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  });
  return printable && key.size() <= longest ? object / key : object;
}

void reject_unknown(std::string_view key, const Slots& slots, const Where& object) {
  // With an unknown alternative nobody can tell whether the key would be right.
  if (!slots.complete) return;
  std::vector<std::string_view> names;
  for (const Slot& slot : slots.keys) names.push_back(slot.name);
  std::string message = fmt::format("unknown key {}", quote_short(key));
  std::string elsewhere;
  for (const OneOfType* one_of : slots.unions) {
    elsewhere = one_of->alternatives_with(key);
    if (elsewhere.empty()) continue;
    const std::vector<std::string_view> choices = one_of->names();
    if (!one_of->by_keys()) {
      message += fmt::format("; it goes with \"{}\": {}", one_of->key(), elsewhere);
    } else if (std::find(choices.begin(), choices.end(), key) == choices.end()) {
      message += fmt::format("; it goes with {}", elsewhere);
    } else {
      message += fmt::format("; expected only one of \"{}\"", fmt::join(choices, "\", \""));
    }
    break;
  }
  if (elsewhere.empty()) {
    const std::string_view nearest = nearest_name(key, names);
    if (!nearest.empty()) {
      message += fmt::format("; did you mean \"{}\"?", nearest);
    } else if (names.empty()) {
      message += "; expected an empty object";
    } else {
      message += fmt::format("; expected {}", expected_choice(names));
    }
  }
  place_of(key, object).reject(std::move(message));
}

void read_members(const Value::Object& object, Slots& slots, const Where& where) {
  for (const Value::Member& member : object) {
    if (where.full()) return;
    if (Slot* slot = slot_of(slots, member.key)) {
      slot->seen = true;
      slot->type->read(member.value, where / member.key, slot->into);
    } else {
      reject_unknown(member.key, slots, where);
    }
  }
}

void reject_missing(const Slots& slots, const Where& where) {
  for (const Slot& slot : slots.keys) {
    if (slot.seen || !slot.required) continue;
    std::string message =
        fmt::format("\"{}\" is missing; expected {}", slot.name, slot.type->expected());
    if (!slot.sentence.empty()) message += fmt::format(" ({})", slot.sentence);
    where.reject(std::move(message));
  }
}

Value::Object property_of(const JsonType& type, std::string_view sentence, const void* defaults) {
  Value::Object property = type.schema(defaults);
  if (!sentence.empty()) {
    // A choice describes its values too; the field's own sentence goes before.
    if (Value* described = find(property, "description")) {
      *described = Value(fmt::format("{}\n{}", sentence, *described->if_text()));
    } else {
      property.insert(property.begin(), {"description", Value(sentence)});
    }
  }
  return property;
}

void add_property(Shape& shape, std::string_view key, const Value::Object& property) {
  ensure(find(shape.properties, key) == nullptr,
         fmt::format("the key \"{}\" is declared twice in one object", key));
  add(shape.properties, key, property);
}

// Every shape of the owner with every shape of what is embedded in it.
std::vector<Shape> combined(const std::vector<Shape>& owners, const std::vector<Shape>& embedded) {
  std::vector<Shape> all;
  for (const Shape& owner : owners) {
    for (const Shape& inner : embedded) {
      Shape shape = owner;
      for (const Value::Member& property : inner.properties)
        add_property(shape, property.key, *property.value.if_object());
      shape.required.insert(shape.required.end(), inner.required.begin(), inner.required.end());
      all.push_back(std::move(shape));
    }
  }
  return all;
}

Value::Object schema_of(const Shape& shape) {
  Value::Object schema;
  add(schema, "type", "object");
  add(schema, "properties", shape.properties);
  if (!shape.required.empty()) add(schema, "required", shape.required);
  add(schema, "additionalProperties", false);
  return schema;
}

}  // namespace

void KeyedType::read(const Value& value, const Where& where, void* into) const {
  const Value::Object* object = value.if_object();
  if (object == nullptr) return reject_type(value, where, expected());
  Slots slots;
  collect(*object, into, slots);
  const std::size_t before = where.problem_count();
  read_members(*object, slots, where);
  reject_missing(slots, where);
  for (const OneOfType* one_of : slots.unchosen) where.reject(one_of->unchosen_text(*object));
  // Checks compare fields; they make sense once every field is what it should be.
  if (where.problem_count() != before || where.full()) return;
  for (const Slots::Check& check : slots.checks) check.run(check.checked, where);
}

Value KeyedType::write(const void* from) const {
  Value::Object members;
  write_members(from, members);
  return Value(std::move(members));
}

Value::Object KeyedType::schema(const void* defaults) const {
  const std::vector<Shape> all = shapes(defaults);
  if (all.size() == 1) return schema_of(all.front());
  Value::Array schemas;
  for (const Shape& shape : all) schemas.emplace_back(schema_of(shape));
  Value::Object schema;
  add(schema, "oneOf", std::move(schemas));
  return schema;
}

void ObjectType::collect(const Value::Object& object, void* into, Slots& slots) const {
  for (const FieldInfo& field : fields_) {
    void* member = writable(field.member(into));
    if (field.presence == Presence::embedded) {
      field.type().inside(member).type->collect(object, member, slots);
    } else {
      slots.keys.push_back({field.name, field.sentence, &field.type(), member,
                            field.presence == Presence::required});
    }
  }
  if (check_ != nullptr) slots.checks.push_back({check_, into});
}

void ObjectType::write_members(const void* from, Value::Object& members) const {
  for (const FieldInfo& field : fields_) {
    const void* member = field.member(from);
    if (field.presence == Presence::embedded) {
      field.type().inside(member).type->write_members(member, members);
    } else {
      members.push_back({std::string(field.name), field.type().write(member)});
    }
  }
}

std::vector<Shape> ObjectType::shapes(const void* defaults) const {
  std::vector<Shape> all(1);
  for (const FieldInfo& field : fields_) {
    const void* member = field.member(defaults);
    if (field.presence == Presence::embedded) {
      all = combined(all, field.type().inside(member).type->shapes(member));
      continue;
    }
    Value::Object property = property_of(field.type(), field.sentence, member);
    const bool required = field.presence == Presence::required;
    // An object's defaults are those of its keys, which say so themselves.
    if (!required && find(property, "properties") == nullptr)
      property.push_back({"default", field.type().write(member)});
    for (Shape& shape : all) {
      add_property(shape, field.name, property);
      if (required) shape.required.emplace_back(field.name);
    }
  }
  return all;
}

void ObjectType::add_rows(const std::string& prefix, const void* defaults,
                          std::vector<ParameterRow>& rows) const {
  for (const FieldInfo& field : fields_) {
    const void* member = field.member(defaults);
    const JsonType& type = field.type();
    const JsonType::Inside inside = type.inside(member);
    if (field.presence == Presence::embedded) {
      inside.type->add_rows(prefix, inside.defaults, rows);
      continue;
    }
    const std::string path = prefix + std::string(field.name);
    const bool required = field.presence == Presence::required;
    const bool plain_object = inside.type == &type;
    rows.push_back({path, type.noun(),
                    required ? "required" : (plain_object ? "" : plain_text(type, member)),
                    std::string(field.sentence), std::string(field.source)});
    if (inside.type != nullptr)
      inside.type->add_rows(fmt::format("{}{}.", path, inside.suffix), inside.defaults, rows);
  }
}

bool ObjectType::has_key(std::string_view key) const {
  return std::any_of(fields_.begin(), fields_.end(), [&](const FieldInfo& field) {
    if (field.presence != Presence::embedded) return field.name == key;
    return field.type().inside(nullptr).type->has_key(key);
  });
}

void OneOfType::collect(const Value::Object& object, void* into, Slots& slots) const {
  slots.unions.push_back(this);
  if (by_keys()) {
    for (std::size_t i = 0; i < info_.alternatives.size(); ++i) {
      if (find(object, info_.alternatives[i].name) == nullptr) continue;
      info_.select(into, i);
      return info_.types[i]().collect(object, writable(info_.content(into)), slots);
    }
    slots.unchosen.push_back(this);
    slots.complete = false;
    return;
  }
  slots.keys.push_back({info_.key, "", &tag_, nullptr, true});
  const Value* tag = find(object, info_.key);
  const std::string* name = tag == nullptr ? nullptr : tag->if_text();
  for (std::size_t i = 0; name != nullptr && i < info_.alternatives.size(); ++i) {
    if (info_.alternatives[i].name != *name) continue;
    info_.select(into, i);
    return info_.types[i]().collect(object, writable(info_.content(into)), slots);
  }
  slots.complete = false;
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

bool OneOfType::has_key(std::string_view key) const {
  return key == info_.key || !alternatives_with(key).empty();
}

std::string OneOfType::alternatives_with(std::string_view key) const {
  std::vector<std::string_view> knowing;
  for (std::size_t i = 0; i < info_.alternatives.size(); ++i) {
    if (info_.types[i]().has_key(key)) knowing.push_back(info_.alternatives[i].name);
  }
  return fmt::format("{}{}{}", knowing.empty() ? "" : "\"", fmt::join(knowing, "\" or \""),
                     knowing.empty() ? "" : "\"");
}

// A misspelt key is the likeliest reason.
std::string OneOfType::unchosen_text(const Value::Object& object) const {
  std::string message = fmt::format("expected {} as a key", expected_choice(names()));
  for (const Value::Member& member : object) {
    const std::string_view nearest = nearest_name(member.key, names());
    if (nearest.empty()) continue;
    return fmt::format("{}; did you mean \"{}\" by {}?", message, nearest, quote_short(member.key));
  }
  return message;
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
