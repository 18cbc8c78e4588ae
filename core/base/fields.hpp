// Declare once: a parameter's name, place, default and sentence live in one fields() function of
// its struct. Readers, writers, the JSON Schema, the tables of `viosim models` and the manifest are
// derived from it (sim/json).
//
//   struct Params {
//     std::uint32_t ways = 8;                 // the default lives here, and only here
//     Ps hit_latency = 5ns;
//     static constexpr auto fields() {
//       return Fields{field("ways", &Params::ways, "Entries per set.").from(1).to(64),
//                     field("hit_latency", &Params::hit_latency,
//                           "Request to answer, on a hit.", "assumed, 2-10 ns").from(1ns)};
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
  using Limits = typename Limited<T>::Limits;
  using V = typename Limited<T>::Type;
  constexpr Field from(V lowest) const requires Ordered<V> {
    return limited([&](auto& l) { l.lowest = {lowest, true, false}; });
  }
  constexpr Field to(V highest) const requires Ordered<V> {
    return limited([&](auto& l) { l.highest = {highest, true, false}; });
  }
  constexpr Field above(V lowest) const requires Ordered<V> {
    return limited([&](auto& l) { l.lowest = {lowest, true, true}; });
  }
  constexpr Field below(V highest) const requires Ordered<V> {
    return limited([&](auto& l) { l.highest = {highest, true, true}; });
  }
  constexpr Field multiple_of(V divisor) const requires Ordered<V> {
    return limited([&](auto& l) {
      l.divisor = divisor;
      l.divided = true;
    });
  }
  constexpr Field power_of_two() const requires Ordered<V> {
    return limited([](auto& l) { l.power_of_two = true; });
  }
  template <class... Vs>
  constexpr Field any_of(Vs... values) const requires Ordered<V> {
    static_assert(sizeof...(Vs) <= most_listed);
    return limited([&](auto& l) {
      l.number_listed = 0;
      ((l.listed[l.number_listed++] = V(values)), ...);
    });
  }
  constexpr Field matching(const TextRule& rule) const requires std::same_as<Limits, TextLimits> {
    return limited([&](auto& l) { l = {rule}; });
  }
  constexpr Field such_that(const Rule<V>& rule) const requires std::same_as<Limits, Rule<V>> {
    return limited([&](auto& l) { l = rule; });
  }
  constexpr Field items(ItemLimits number) const requires std::same_as<Limits, ItemLimits> {
    return limited([&](auto& l) { l = number; });
  }

 private:
  template <class Change>
  constexpr Field limited(const Change& change) const {
    Field field = *this;
    change(field.limits);
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

// What fields() gives: all of them in order. A std::tuple does the same, but its constructors cost the
// compiler the square of their number: half of the time that a scenario's headers took.
template <std::size_t I, class F>
struct FieldAt {
  F field;
};
template <class Numbers, class... Fs>
struct NumberedFields;
template <std::size_t... Is, class... Fs>
struct NumberedFields<std::index_sequence<Is...>, Fs...> : FieldAt<Is, Fs>... {
  constexpr explicit NumberedFields(const Fs&... fields) : FieldAt<Is, Fs>{fields}... {}
};
template <class... Fs>
struct Fields : NumberedFields<std::index_sequence_for<Fs...>, Fs...> {
  using NumberedFields<std::index_sequence_for<Fs...>, Fs...>::NumberedFields;
  static constexpr std::size_t number = sizeof...(Fs);
  template <std::size_t I>
  constexpr const auto& at() const {
    return at_number<I>(*this);
  }

 private:
  template <std::size_t I, class F>
  static constexpr const F& at_number(const FieldAt<I, F>& numbered) {
    return numbered.field;
  }
};
template <class... Fs>
Fields(Fs...) -> Fields<Fs...>;

// Those of the left, then those of the right.
template <class... Ls, class... Rs>
constexpr Fields<Ls..., Rs...> operator+(const Fields<Ls...>& left, const Fields<Rs...>& right) {
  return [&]<std::size_t... L, std::size_t... R>(std::index_sequence<L...>,
                                                 std::index_sequence<R...>) {
    return Fields<Ls..., Rs...>(left.template at<L>()..., right.template at<R>()...);
  }
  (std::index_sequence_for<Ls...>(), std::index_sequence_for<Rs...>());
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
  [&]<std::size_t... Is>(const auto& fields, std::index_sequence<Is...>) {
    (visit(fields.template at<Is>()), ...);
  }
  (T::fields(), std::make_index_sequence<decltype(T::fields())::number>());
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
//     static constexpr auto fields() { return Fields{required("stop", &Stop::stop, ...)}; }
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
