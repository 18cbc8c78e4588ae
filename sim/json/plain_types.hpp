// The erased types without keys: scalars, choices, lists, optionals. A field with limits has a type
// of its own, which knows them: so its check, message and schema say the same.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/limits.hpp"
#include "sim/json/text_form.hpp"
#include "sim/json/type.hpp"

#include <utility>

namespace viosim {

const JsonType& truth_type();  // bool
const JsonType& any_type();    // Value: JSON that somebody else understands

// double
class RealType final : public JsonType {
 public:
  explicit RealType(ValueBounds bounds = {}) : bounds_(std::move(bounds)) {}
  void read(const Value& value, const Where& where, void* into) const override;
  Value write(const void* from) const override;
  std::string expected() const override;
  std::string noun() const override { return "number"; }
  std::string limits() const override { return words(bounds_); }
  Value::Object schema(const void* defaults) const override;

 private:
  ValueBounds bounds_;
};

// std::string
class TextType final : public JsonType {
 public:
  explicit TextType(const TextLimits& limits = {}) : limits_(limits) {}
  void read(const Value& value, const Where& where, void* into) const override;
  Value write(const void* from) const override;
  std::string expected() const override;
  std::string noun() const override { return "text"; }
  std::string limits() const override;
  Value::Object schema(const void* defaults) const override;

 private:
  TextLimits limits_;
};

// A whole number, written without point and exponent: 1e3 and 1.0 are refused, because what looks
// approximate should not be taken for exact.
class WholeType final : public JsonType {
 public:
  struct Access {
    Wide lowest;
    Wide highest;
    Wide (*get)(const void*);
    void (*set)(void*, Wide);
  };
  explicit WholeType(Access access, ValueBounds bounds = {})
      : access_(access), bounds_(std::move(bounds)) {}
  void read(const Value& value, const Where& where, void* into) const override;
  Value write(const void* from) const override;
  std::string expected() const override;
  std::string noun() const override { return "whole number"; }
  std::string limits() const override { return words(bounds_); }
  Value::Object schema(const void* defaults) const override;

 private:
  ValueBounds whole_bounds() const;  // those of the C++ type where there are no others

  Access access_;
  ValueBounds bounds_;
};

// A TextForm.
class FormType final : public JsonType {
 public:
  struct Access {
    const TextFormInfo& info;
    bool (*parse)(std::string_view, void*);
    std::string (*write)(const void*);
  };
  explicit FormType(Access access, ValueBounds bounds = {})
      : access_(access), bounds_(std::move(bounds)) {}
  void read(const Value& value, const Where& where, void* into) const override;
  Value write(const void* from) const override;
  std::string expected() const override;
  std::string noun() const override { return std::string(access_.info.noun); }
  std::string limits() const override { return words(bounds_); }
  Value::Object schema(const void* defaults) const override;

 private:
  Access access_;
  ValueBounds bounds_;
};

// A value of another type that a Rule allows.
class RuledType final : public JsonType {
 public:
  RuledType(const JsonType& type, bool (*allow)(const void*), std::string (*what)())
      : type_(type), allow_(allow), what_(what) {}
  void read(const Value& value, const Where& where, void* into) const override;
  Value write(const void* from) const override { return type_.write(from); }
  std::string expected() const override { return what_(); }
  std::string noun() const override { return type_.noun(); }
  std::string limits() const override { return what_(); }
  Value::Object schema(const void* defaults) const override { return type_.schema(defaults); }
  Inside inside(const void* defaults) const override { return type_.inside(defaults); }

 private:
  const JsonType& type_;
  bool (*allow_)(const void*);
  std::string (*what_)();
};

// An enum with choices().
class ChoiceType final : public JsonType {
 public:
  struct Access {
    std::vector<Alternative> choices;
    std::size_t (*get)(const void*);
    void (*set)(void*, std::size_t);
  };
  explicit ChoiceType(Access access) : access_(std::move(access)) {}
  void read(const Value& value, const Where& where, void* into) const override;
  Value write(const void* from) const override;
  std::string expected() const override { return expected_choice(names()); }
  std::string noun() const override;
  Value::Object schema(const void* defaults) const override;

 private:
  std::vector<std::string_view> names() const;
  Access access_;
};

class ListType final : public JsonType {
 public:
  struct Access {
    const JsonType& (*element)();
    const void* (*fresh)();  // a default-constructed element
    std::size_t (*size)(const void*);
    const void* (*at)(const void*, std::size_t);
    void (*clear)(void*);
    void* (*append)(void*);
  };
  explicit ListType(Access access, ItemLimits limits = {}) : access_(access), limits_(limits) {}
  void read(const Value& value, const Where& where, void* into) const override;
  Value write(const void* from) const override;
  std::string expected() const override;
  std::string noun() const override;
  std::string limits() const override { return words(limits_); }
  Value::Object schema(const void* defaults) const override;
  Inside inside(const void* defaults) const override;

 private:
  Access access_;
  ItemLimits limits_;
};

// Absent and null both mean: none.
class OptionalType final : public JsonType {
 public:
  struct Access {
    const JsonType& (*content_type)();
    const void* (*fresh)();               // a default-constructed content
    const void* (*content)(const void*);  // nullptr when there is none
    void (*clear)(void*);
    void* (*fill)(void*);  // keeps a content that is there
  };
  explicit OptionalType(Access access) : access_(access) {}
  void read(const Value& value, const Where& where, void* into) const override;
  Value write(const void* from) const override;
  std::string expected() const override;
  std::string noun() const override;
  std::string limits() const override { return access_.content_type().limits(); }
  Value::Object schema(const void* defaults) const override;
  Inside inside(const void* defaults) const override;

 private:
  Access access_;
};

}  // namespace viosim
