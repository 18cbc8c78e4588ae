// The erased types without keys: scalars, choices, lists, optionals.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/text_form.hpp"
#include "sim/json/type.hpp"

namespace viosim {

const JsonType& truth_type();  // bool
const JsonType& real_type();   // double
const JsonType& text_type();   // std::string
const JsonType& any_type();    // Value: JSON that somebody else understands

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
  explicit WholeType(Access access) : access_(access) {}
  void read(const Value& value, const Where& where, void* into) const override;
  Value write(const void* from) const override;
  std::string expected() const override;
  std::string noun() const override { return "whole number"; }
  Value::Object schema(const void* defaults) const override;

 private:
  Access access_;
};

// A TextForm.
class FormType final : public JsonType {
 public:
  struct Access {
    const TextFormInfo& info;
    bool (*parse)(std::string_view, void*);
    std::string (*write)(const void*);
  };
  explicit FormType(Access access) : access_(access) {}
  void read(const Value& value, const Where& where, void* into) const override;
  Value write(const void* from) const override;
  std::string expected() const override { return std::string(access_.info.expected); }
  std::string noun() const override { return std::string(access_.info.noun); }
  Value::Object schema(const void* defaults) const override;

 private:
  Access access_;
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
  explicit ListType(Access access) : access_(access) {}
  void read(const Value& value, const Where& where, void* into) const override;
  Value write(const void* from) const override;
  std::string expected() const override;
  std::string noun() const override;
  Value::Object schema(const void* defaults) const override;
  Inside inside(const void* defaults) const override;

 private:
  Access access_;
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
  Value::Object schema(const void* defaults) const override;
  Inside inside(const void* defaults) const override;

 private:
  Access access_;
};

}  // namespace viosim
