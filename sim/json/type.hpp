// How values of one C++ type are read from JSON, written to it and described. The types are erased
// here, so that the work is compiled once; reflect.hpp makes the small typed ends.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/fields.hpp"
#include "sim/json/value.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

class KeyedType;

class JsonType {
 public:
  JsonType() = default;
  JsonType(const JsonType&) = delete;
  JsonType& operator=(const JsonType&) = delete;
  virtual ~JsonType() = default;

  // Reports at `where` what is wrong; then `into` is half read and good for nothing.
  virtual void read(const Value& value, const Where& where, void* into) const = 0;
  virtual Value write(const void* from) const = 0;

  // What messages expect, with an example: `a time such as "250 ns"`.
  virtual std::string expected() const = 0;

  // What tables call it: `time`, `list of texts`.
  virtual std::string noun() const = 0;

  // What the declaration of a field limits its values to, for people: `from 1 to 64`; often nothing.
  virtual std::string limits() const { return {}; }

  // JSON Schema (draft 7) of a value. `defaults` is an object of the C++ type: it says what the
  // absent keys of an object mean.
  virtual Value::Object schema(const void* defaults) const = 0;

  // The keyed type below this one, when there is one; tables then go on with its fields.
  struct Inside {
    const KeyedType* type = nullptr;
    const void* defaults = nullptr;
    std::string_view suffix;  // of the path: "[]" for a list
  };
  virtual Inside inside(const void*) const { return {}; }
};

// A row of `viosim models` and of the tables in README files.
struct ParameterRow {
  std::string name;  // a path: "iotlb.ways"
  std::string type;
  std::string default_text;
  std::string sentence;
  std::string source;
  bool operator==(const ParameterRow&) const = default;
};

// One key that an object may hold, and where its content goes.
struct Slot {
  std::string_view name;
  std::string_view sentence;
  const JsonType* type;
  void* into;
  bool required;
  bool seen = false;
};

class OneOfType;

// Every key that an object may hold, those of embedded structs included.
struct Slots {
  struct Check {
    void (*run)(const void*, const Where&);
    const void* checked;
  };
  // A union of which nothing in the object names an alternative.
  struct Unchosen {
    const OneOfType* one_of;
    void* into;
    // An alternative is taken for meant, since its name is near; otherwise none is.
    bool guessed;
    std::string_view misspelt;  // OneOfKeys: the key that stands for this name
    std::string_view name;
  };
  explicit Slots(const KeyedType& object) : type(object) {}
  const KeyedType& type;  // of the whole object
  std::vector<Slot> keys;
  std::vector<Check> checks;
  std::vector<const OneOfType*> unions;
  std::vector<Unchosen> unchosen;

  Slot* find(std::string_view key);
};

// One shape that an object may have; embedded unions give several.
struct Shape {
  Value::Object properties;
  Value::Array required;
};

// A JSON object with known keys.
class KeyedType : public JsonType {
 public:
  void read(const Value& value, const Where& where, void* into) const final;
  Value write(const void* from) const final;
  std::string expected() const override { return "an object"; }
  std::string noun() const override { return "object"; }
  Value::Object schema(const void* defaults) const final;
  Inside inside(const void* defaults) const final { return {this, defaults, ""}; }

  virtual void collect(const Value::Object& object, void* into, Slots& slots) const = 0;
  virtual void write_members(const void* from, Value::Object& members) const = 0;
  virtual std::vector<Shape> shapes(const void* defaults) const = 0;
  virtual void add_rows(const std::string& prefix, const void* defaults,
                        std::vector<ParameterRow>& rows) const = 0;
  // Every key that an object of this type may hold, whichever alternatives it has.
  virtual void add_keys(std::vector<std::string_view>& keys) const = 0;
  bool has_key(std::string_view key) const;
};

// A described struct.
struct FieldInfo {
  std::string_view name;
  std::string_view sentence;
  std::string_view source;
  Presence presence;
  const JsonType& (*type)();  // asked late: a type may refer to types that are being made
  const void* (*member)(const void* owner);
};

class ObjectType final : public KeyedType {
 public:
  using Checker = void (*)(const void*, const Where&);
  ObjectType(std::vector<FieldInfo> fields, Checker check)
      : fields_(std::move(fields)), check_(check) {}

  void collect(const Value::Object& object, void* into, Slots& slots) const override;
  void write_members(const void* from, Value::Object& members) const override;
  std::vector<Shape> shapes(const void* defaults) const override;
  void add_rows(const std::string& prefix, const void* defaults,
                std::vector<ParameterRow>& rows) const override;
  void add_keys(std::vector<std::string_view>& keys) const override;

 private:
  std::vector<FieldInfo> fields_;
  Checker check_;  // nullptr when the struct has nothing to check
};

// A OneOf: its key first, then the fields of the alternative that the key names. A OneOfKeys: the
// fields of the alternative whose name is a key that is there.
struct OneOfInfo {
  std::string_view key;  // empty: a OneOfKeys
  std::vector<Alternative> alternatives;
  std::vector<const KeyedType& (*)()> types;
  std::size_t (*index)(const void* one_of);
  void (*select)(void* one_of, std::size_t index);  // keeps the content when it is that already
  const void* (*content)(const void* one_of);
  std::vector<const void* (*)()> defaults;  // one default-constructed object per alternative
};

class OneOfType final : public KeyedType {
 public:
  explicit OneOfType(OneOfInfo info) : info_(std::move(info)), tag_(*this) {}

  void collect(const Value::Object& object, void* into, Slots& slots) const override;
  void write_members(const void* from, Value::Object& members) const override;
  std::vector<Shape> shapes(const void* defaults) const override;
  void add_rows(const std::string& prefix, const void* defaults,
                std::vector<ParameterRow>& rows) const override;
  void add_keys(std::vector<std::string_view>& keys) const override;

  std::string_view key() const { return info_.key; }
  bool by_keys() const { return info_.key.empty(); }
  std::vector<std::string_view> names() const;
  // What is wrong with an object that has none of the keys. `unchosen`: what it is taken for.
  std::string unchosen_text(const Slots::Unchosen& unchosen) const;
  // Of an object of which nobody knows which alternative it is: reports what is wrong with a
  // member in every alternative that has its key. False: none has.
  bool read_undecided(const Value::Object& object, const Value::Member& member, const Where& where,
                      void* into) const;
  // What every alternative requires.
  std::vector<Slot> required_of_all(const Value::Object& object, void* into) const;
  // The names of the alternatives that know the key, quoted and joined; empty when none does.
  std::string alternatives_with(std::string_view key) const;

 private:
  // The value of the key that tells the alternatives apart. Only checks: collect() has chosen.
  class Tag final : public JsonType {
   public:
    explicit Tag(const OneOfType& owner) : owner_(owner) {}
    void read(const Value& value, const Where& where, void* into) const override;
    Value write(const void* from) const override;
    std::string expected() const override;
    std::string noun() const override { return "choice"; }
    Value::Object schema(const void* defaults) const override;

   private:
    const OneOfType& owner_;
  };

  const void* defaults_of(std::size_t alternative, const void* defaults) const;
  // The alternative's own slots; what the object held of another one is gone.
  Slots slots_of(std::size_t alternative, const Value::Object& object, void* into) const;
  void collect_by_tag(const Value::Object& object, void* into, Slots& slots) const;
  void collect_by_keys(const Value::Object& object, void* into, Slots& slots) const;
  void take(std::size_t alternative, const Value::Object& object, void* into, Slots& slots) const;

  OneOfInfo info_;
  Tag tag_;
};

// "read X; expected Y", with the nearest valid name when there is one.
void reject_type(const Value& value, const Where& where, const std::string& expected);
void reject_choice(const Value& value, const Where& where,
                   const std::vector<std::string_view>& names);

// The properties of both, for schemas; a key that is in both is our mistake.
void add_property(Shape& shape, std::string_view key, const Value::Object& property);
std::vector<Shape> combined(const std::vector<Shape>& owners, const std::vector<Shape>& embedded);

// `"lru"`, `"lru" or "fifo"`, `one of "lru", "fifo", "random"`.
std::string expected_choice(const std::vector<std::string_view>& names);

// A default as tables show it.
std::string plain_text(const JsonType& type, const void* from);

}  // namespace viosim
