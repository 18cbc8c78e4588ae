// Reads settings, and puts them where they belong.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/settings.hpp"

#include "sim/json/pointer.hpp"

#include <fmt/format.h>

namespace viosim {
namespace {

std::string why_no_pointer(std::string_view text) {
  return text.starts_with('/') ? "a '~' must be written as ~0, and a '/' in a key as ~1"
                               : "it begins with '/'";
}

class SettingsType final : public JsonType {
 public:
  void read(const Value& value, const Where& where, void* into) const override {
    const Value::Object* object = value.if_object();
    if (object == nullptr || object->empty()) return reject_type(value, where, expected());
    Settings& settings = *static_cast<Settings*>(into);
    settings.all.clear();
    for (const Value::Member& member : *object) {
      const auto pointer = TextForm<JsonPointer>::parse(member.key);
      if (!pointer) {
        (where / member.key)
            .reject(fmt::format("read {}; expected {} ({})", quote_short(member.key),
                                TextForm<JsonPointer>::info.expected, why_no_pointer(member.key)));
        continue;
      }
      for (const Setting& other : settings.all) {
        if (!other.pointer.meets(*pointer)) continue;
        (where / member.key)
            .reject(fmt::format("is set together with {}, which is the same place or above it",
                                quote_short(other.pointer.text)));
      }
      settings.all.push_back({*pointer, member.value});
    }
  }
  Value write(const void* from) const override {
    Value::Object object;
    for (const Setting& setting : static_cast<const Settings*>(from)->all)
      add(object, setting.pointer.text, setting.value);
    return Value(std::move(object));
  }
  std::string expected() const override {
    return "an object of JSON pointers and values such as {\"/hosts/0/count\": 2}";
  }
  std::string noun() const override { return "object of pointers and values"; }
  Value::Object schema(const void*) const override {
    Value::Object names;
    add(names, "pattern", TextForm<JsonPointer>::info.pattern);
    Value::Object schema;
    add(schema, "type", "object");
    add(schema, "minProperties", 1);
    add(schema, "propertyNames", std::move(names));
    return schema;
  }
};

}  // namespace

bool JsonPointer::meets(const JsonPointer& other) const {
  const std::string& shorter = text.size() < other.text.size() ? text : other.text;
  const std::string& longer = text.size() < other.text.size() ? other.text : text;
  return longer.starts_with(shorter) &&
         (longer.size() == shorter.size() || longer[shorter.size()] == '/');
}

const TextFormInfo TextForm<JsonPointer>::info = {
    "JSON pointer", "a JSON pointer such as \"/hosts/0/iommus/0/walkers\"", "^(/([^~/]|~[01])*)+$",
    why_no_pointer};

std::optional<JsonPointer> TextForm<JsonPointer>::parse(std::string_view text) {
  if (!text.starts_with('/')) return std::nullopt;
  for (std::size_t at = text.find('~'); at != std::string_view::npos; at = text.find('~', at + 1)) {
    if (at + 1 == text.size() || (text[at + 1] != '0' && text[at + 1] != '1')) return std::nullopt;
  }
  return JsonPointer{std::string(text)};
}

const JsonType& Settings::json_type() {
  static const SettingsType type;
  return type;
}

void apply(const Settings& settings, Value& document) {
  for (const Setting& setting : settings.all)
    set_pointer(document, setting.pointer.text, setting.value);
}

}  // namespace viosim
