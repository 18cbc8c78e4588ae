// Lets every object of the scenario's schema name a part or a template.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/document_schema.hpp"

#include "sim/json/json.hpp"
#include "sim/scenario/name_rule.hpp"
#include "sim/scenario/part_file.hpp"
#include "sim/scenario/scenario.hpp"

namespace viosim {
namespace {

Value name_property(std::string_view sentence, const TextRule& rule) {
  Value::Object property;
  add(property, "description", sentence);
  add(property, "type", "string");
  add(property, "pattern", rule.pattern);
  return Value(std::move(property));
}

Value requirement(Value::Array keys) {
  Value::Object object;
  add(object, "required", std::move(keys));
  return Value(std::move(object));
}

Value requirement(std::string_view key) {
  Value::Array keys;
  keys.emplace_back(key);
  return requirement(std::move(keys));
}

// What is required may come from what is put in.
void allow_parts(Value::Object& object) {
  Value::Object& properties = *find(object, "properties")->if_object();
  add(properties, "part",
      name_property("Stands for the content of parts/NAME.json; the keys beside it say what is "
                    "different.",
                    part_name));
  add(properties, "template",
      name_property("Stands for the template of that name; the keys beside it say what is "
                    "different.",
                    component_name));
  Value::Array both;
  both.emplace_back("part");
  both.emplace_back("template");
  add(object, "not", requirement(std::move(both)));
  Value* required = find(object, "required");
  if (required == nullptr) return;
  Value::Array ways;
  ways.push_back(requirement(*required->if_array()));
  ways.push_back(requirement("part"));
  ways.push_back(requirement("template"));
  std::erase_if(object, [](const Value::Member& member) { return member.key == "required"; });
  add(object, "anyOf", std::move(ways));
}

// Of shapes that are told apart by a key, several fit when that key comes from a part.
void relax(Value& schema) {
  if (Value::Array* items = schema.if_array()) {
    for (Value& item : *items) relax(item);
    return;
  }
  Value::Object* object = schema.if_object();
  if (object == nullptr) return;
  for (Value::Member& member : *object) {
    if (member.key == "oneOf") member.key = "anyOf";
    if (member.key != "default") relax(member.value);
  }
  const Value* type = find(*object, "type");
  const Value* properties = find(*object, "properties");
  const bool described = type != nullptr && type->if_text() != nullptr &&
                         *type->if_text() == "object" && properties != nullptr;
  if (described) allow_parts(*object);
}

Value templates_schema() {
  Value::Object names;
  add(names, "pattern", component_name.pattern);
  Value::Object content;
  add(content, "type", "object");
  Value::Object templates;
  add(templates, "description", "Objects that this file names by \"template\", each by its name.");
  add(templates, "type", "object");
  add(templates, "propertyNames", std::move(names));
  add(templates, "additionalProperties", std::move(content));
  return Value(std::move(templates));
}

}  // namespace

Value scenario_schema() {
  Value whole = schema<Scenario>("viosim scenario");
  relax(whole);
  find(*whole.if_object(), "properties")->if_object()->push_back({"templates", templates_schema()});
  return whole;
}

}  // namespace viosim
