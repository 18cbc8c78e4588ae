// Declare once: a parameter's name, place, default and sentence live in one fields() function of
// its struct. Readers, writers, the JSON Schema, the tables of `viosim models` and the manifest are
// derived from it (sim/json).
//
//   struct Params {
//     std::uint32_t ways = 8;                 // the default lives here, and only here
//     Ps hit_latency = 5ns;
//     static constexpr auto fields() {
//       return std::tuple{field("ways", &Params::ways, "Entries per set.").from(1).to(64),
//                         field("hit_latency", &Params::hit_latency,
//                               "Request to answer, on a hit.", "assumed, 2-10 ns").from(1ns)};
//     }
//     void check(const Where&) const;         // optional: what one field cannot say: a < b
//     bool operator==(const Params&) const = default;
//   };
//
// A field without a sensible default is declared with required() instead. A struct whose keys stand
// among those of its owner, rather than in an object of their own, is declared with embedded().
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/limits.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>

namespace viosim {

enum class Presence {
  defaulted,  // an absent key means the default
  required,   // an absent key is an error
  embedded    // has no key of its own: the member's keys are read from the owner's object
};

template <class Owner, class T>
struct Field {
  using Type = T;
  std::string_view name;  // the JSON key, snake_case
  T Owner::*member;
  std::string_view sentence;  // what it means, for people
  std::string_view source;    // where the default comes from: a clause, a measurement, "assumed"
  Presence presence = Presence::defaulted;
  typename Limited<T>::Limits limits{};

  // The same field with a limit more; of an optional one, for what may be there.
  using V = typename Limited<T>::Type;
  constexpr Field from(V lowest) const requires Ordered<V> {
    Field field = *this;
    field.limits.lowest = {lowest, true, false};
    return field;
  }
  constexpr Field to(V highest) const requires Ordered<V> {
    Field field = *this;
    field.limits.highest = {highest, true, false};
    return field;
  }
  constexpr Field above(V lowest) const requires Ordered<V> {
    Field field = *this;
    field.limits.lowest = {lowest, true, true};
    return field;
  }
  constexpr Field below(V highest) const requires Ordered<V> {
    Field field = *this;
    field.limits.highest = {highest, true, true};
    return field;
  }
  constexpr Field multiple_of(V divisor) const requires Ordered<V> {
    Field field = *this;
    field.limits.divisor = divisor;
    field.limits.divided = true;
    return field;
  }
  constexpr Field power_of_two() const requires Ordered<V> {
    Field field = *this;
    field.limits.power_of_two = true;
    return field;
  }
  template <class... Vs>
  constexpr Field any_of(Vs... values) const requires Ordered<V> {
    Field field = *this;
    field.limits.number_listed = 0;
    ((field.limits.listed[field.limits.number_listed++] = V(values)), ...);
    return field;
  }
  constexpr Field matching(
      const TextRule& rule) const requires std::same_as<typename Limited<T>::Limits, TextLimits> {
    Field field = *this;
    field.limits = {rule};
    return field;
  }
  constexpr Field such_that(
      const Rule<V>& rule) const requires std::same_as<typename Limited<T>::Limits, Rule<V>> {
    Field field = *this;
    field.limits = rule;
    return field;
  }
  constexpr Field items(
      ItemLimits number) const requires std::same_as<typename Limited<T>::Limits, ItemLimits> {
    Field field = *this;
    field.limits = number;
    return field;
  }
};

template <class Owner, class T>
constexpr Field<Owner, T> field(std::string_view name, T Owner::*member, std::string_view sentence,
                                std::string_view source = {}) {
  return {name, member, sentence, source, Presence::defaulted, {}};
}

template <class Owner, class T>
constexpr Field<Owner, T> required(std::string_view name, T Owner::*member,
                                   std::string_view sentence, std::string_view source = {}) {
  return {name, member, sentence, source, Presence::required, {}};
}

template <class Owner, class T>
constexpr Field<Owner, T> embedded(T Owner::*member) {
  return {{}, member, {}, {}, Presence::embedded, {}};
}

// A struct that declares its fields.
template <class T>
concept Described = requires {
  T::fields();
};

// A struct that also checks what one field alone cannot say.
template <class T>
concept Checked = requires(const T& t, const Where& where) {
  t.check(where);
};

// Calls visit(field) for each field of T in declaration order.
template <Described T, class Visit>
constexpr void for_each_field(Visit&& visit) {
  std::apply([&](const auto&... f) { (visit(f), ...); }, T::fields());
}

// An enumerator's name in files. An enum is readable when choices(E) is found by argument-dependent
// lookup:
//   enum class Replacement { lru, fifo };
//   constexpr auto choices(Replacement) { return std::array{Choice{Replacement::lru, "lru", "Evicts
//   ..."}, ...}; }
template <class E>
struct Choice {
  E value;
  std::string_view name;
  std::string_view sentence;
};
template <class E>
Choice(E, std::string_view, std::string_view) -> Choice<E>;

template <class E>
concept Named = requires(E e) {
  choices(e);
};

template <Named E>
constexpr std::string_view name_of(E value) {
  for (const auto& choice : choices(E{})) {
    if (choice.value == value) return choice.name;
  }
  return "?";
}

// A text that can be a template argument.
template <std::size_t N>
struct FixedText {
  constexpr FixedText(const char (&text)[N]) { std::copy_n(text, N, chars); }  // NOLINT: "key"
  constexpr operator std::string_view() const { return {chars, N - 1}; }       // NOLINT
  char chars[N]{};
};

// How an alternative of a OneOf is called in files, and what choosing it means.
struct Alternative {
  std::string_view name;
  std::string_view sentence;
};

// One of several described structs, told apart in files by the value of one key:
//   struct Zipf {
//     static constexpr Alternative alternative{"zipf", "A few pages take most requests."};
//     double exponent = 0.99;
//     static constexpr auto fields() {...}
//   };
//   using Pattern = OneOf<"pattern", Sequential, Zipf>;   // {"pattern": "zipf", "exponent": 1.2}
// Use it as the std::variant that it is.
template <FixedText Key, class... Ts>
class OneOf : public std::variant<Ts...> {
 public:
  using std::variant<Ts...>::variant;
  using std::variant<Ts...>::operator=;
  using Variant = std::variant<Ts...>;
  static constexpr std::string_view key() { return Key; }
  static constexpr std::array<Alternative, sizeof...(Ts)> alternatives() {
    return {Ts::alternative...};
  }
  bool operator==(const OneOf&) const = default;
};

// The same, told apart by which key is there. Each alternative is called by a key that it requires
// and that no other alternative has:
//   struct Stop {
//     static constexpr Alternative alternative{"stop", "Stops devices."};
//     std::string stop;
//     static constexpr auto fields() { return std::tuple{required("stop", &Stop::stop, ...)}; }
//   };
//   using Action = OneOfKeys<Stop, Start>;   // {"stop": "host0.nic"}
template <class... Ts>
class OneOfKeys : public std::variant<Ts...> {
 public:
  using std::variant<Ts...>::variant;
  using std::variant<Ts...>::operator=;
  using Variant = std::variant<Ts...>;
  static constexpr std::string_view key() { return {}; }
  static constexpr std::array<Alternative, sizeof...(Ts)> alternatives() {
    return {Ts::alternative...};
  }
  bool operator==(const OneOfKeys&) const = default;
};

}  // namespace viosim
