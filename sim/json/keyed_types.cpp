// Objects with known keys: what is read from them, and described structs.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/limits.hpp"
#include "sim/json/type.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace viosim {
namespace {

void* writable(const void* member) {
  // Members are found through const objects; those that are read into are not const themselves.
  return const_cast<void*>(member);
}

// A pointer to a key that is kilobytes long, or not printable, helps nobody: then to its object.
Where place_of(std::string_view key, const Where& object) {
  constexpr std::size_t longest = 80;
  const bool printable = std::all_of(key.begin(), key.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  });
  return printable && key.size() <= longest ? object / key : object;
}

// What else is to be said of a key that the object's alternatives do not have; empty: nothing.
std::string goes_with(std::string_view key, const Slots& slots) {
  for (const OneOfType* one_of : slots.unions) {
    const std::string elsewhere = one_of->alternatives_with(key);
    if (elsewhere.empty()) continue;
    const std::vector<std::string_view> choices = one_of->names();
    if (!one_of->by_keys())
      return fmt::format("; it goes with \"{}\": {}", one_of->key(), elsewhere);
    if (std::find(choices.begin(), choices.end(), key) == choices.end())
      return fmt::format("; it goes with {}", elsewhere);
  }
  return {};
}

// The keys of which one may be there, and another is, if `key` is among them.
std::vector<std::string_view> rivals_of(std::string_view key, const Slots& slots) {
  for (const OneOfType* one_of : slots.unions) {
    std::vector<std::string_view> choices = one_of->names();
    const bool among = std::find(choices.begin(), choices.end(), key) != choices.end();
    if (one_of->by_keys() && among) return choices;
  }
  return {};
}

// Every key that would have been right, as far as is known.
std::vector<std::string_view> known_keys(const Slots& slots) {
  std::vector<std::string_view> names;
  for (const Slot& slot : slots.keys) names.push_back(slot.name);
  for (const Slots::Unchosen& unchosen : slots.unchosen)
    if (!unchosen.guessed) unchosen.one_of->add_keys(names);
  return names;
}

void reject_unknown(std::string_view key, const Slots& slots, const Where& object) {
  if (const std::vector<std::string_view> rivals = rivals_of(key, slots); !rivals.empty()) {
    return place_of(key, object)
        .reject(fmt::format("read it beside another of its kind; expected only one of \"{}\"",
                            fmt::join(rivals, "\", \"")));
  }
  std::string message = fmt::format("unknown key {}", quote_short(key));
  const std::string elsewhere = goes_with(key, slots);
  const std::vector<std::string_view> names = known_keys(slots);
  const std::string_view nearest = nearest_name(key, names);
  if (!elsewhere.empty()) {
    message += elsewhere;
  } else if (!nearest.empty()) {
    message += fmt::format("; did you mean \"{}\"?", nearest);
  } else if (names.empty()) {
    message += "; expected an empty object";
  } else if (slots.unchosen.empty()) {
    message += fmt::format("; expected {}", expected_choice(names));
  } else {
    message += "; nothing that could stand here has it";
  }
  place_of(key, object).reject(std::move(message));
}

// A member whose key the chosen alternatives do not have. Where it is not known what was meant, it
// is held against all that it could have been.
void read_unknown(const Value::Object& object, const Value::Member& member, Slots& slots,
                  const Where& where) {
  for (const Slots::Unchosen& unchosen : slots.unchosen) {
    if (!unchosen.misspelt.empty() && unchosen.misspelt == member.key) {
      Slot* meant = slots.find(unchosen.name);
      meant->seen = true;
      return meant->type->read(member.value, where / member.key, meant->into);
    }
    if (unchosen.guessed ? unchosen.one_of->has_key(member.key)
                         : unchosen.one_of->read_undecided(object, member, where, unchosen.into))
      return;
  }
  reject_unknown(member.key, slots, where);
}

void read_members(const Value::Object& object, Slots& slots, const Where& where) {
  for (const Value::Member& member : object) {
    if (where.full()) return;
    if (Slot* slot = slots.find(member.key)) {
      slot->seen = true;
      slot->type->read(member.value, where / member.key, slot->into);
    } else {
      read_unknown(object, member, slots, where);
    }
  }
}

void reject_missing(const Value::Object& object, const std::vector<Slot>& slots,
                    const Where& where) {
  for (const Slot& slot : slots) {
    if (slot.seen || !slot.required || find(object, slot.name) != nullptr) continue;
    std::string message =
        fmt::format("\"{}\" is missing; expected {}", slot.name, slot.type->expected());
    if (!slot.sentence.empty()) message += fmt::format(" ({})", slot.sentence);
    where.reject(std::move(message));
  }
}

void reject_unchosen(const Value::Object& object, const Slots& slots, const Where& where) {
  for (const Slots::Unchosen& unchosen : slots.unchosen) {
    if (unchosen.one_of->by_keys()) where.reject(unchosen.one_of->unchosen_text(unchosen));
    if (!unchosen.guessed)
      reject_missing(object, unchosen.one_of->required_of_all(object, unchosen.into), where);
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

// "How many there are. From 1 to 64."
std::string with_limits(std::string_view sentence, const JsonType& type) {
  const std::string limits = sentence_of(unquoted(type.limits()));
  return fmt::format("{}{}{}", sentence, limits.empty() || sentence.empty() ? "" : " ", limits);
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

Slot* Slots::find(std::string_view key) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const Slot& slot) { return slot.name == key; });
  return found == keys.end() ? nullptr : &*found;
}

bool KeyedType::has_key(std::string_view key) const {
  std::vector<std::string_view> keys;
  add_keys(keys);
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

void KeyedType::read(const Value& value, const Where& where, void* into) const {
  const Value::Object* object = value.if_object();
  if (object == nullptr) return reject_type(value, where, expected());
  Slots slots(*this);
  collect(*object, into, slots);
  const std::size_t before = where.problem_count();
  read_members(*object, slots, where);
  reject_missing(*object, slots.keys, where);
  reject_unchosen(*object, slots, where);
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
                    with_limits(field.sentence, type), std::string(field.source)});
    if (inside.type != nullptr)
      inside.type->add_rows(fmt::format("{}{}.", path, inside.suffix), inside.defaults, rows);
  }
}

void ObjectType::add_keys(std::vector<std::string_view>& keys) const {
  for (const FieldInfo& field : fields_) {
    if (field.presence == Presence::embedded) {
      field.type().inside(nullptr).type->add_keys(keys);
    } else {
      keys.push_back(field.name);
    }
  }
}

}  // namespace viosim
