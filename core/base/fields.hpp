// Declare once: a parameter's name, place, default and sentence live in one fields() function of
// its struct. Readers, writers, the JSON Schema, the tables of `viosim models` and the manifest are
// derived from it (sim/json).
//
//   struct Params {
//     std::uint32_t ways = 8;                 // the default lives here, and only here
//     Ps hit_latency = 5ns;
//     static constexpr auto fields() {
//       return std::tuple{field("ways", &Params::ways, "Entries per set."),
//                         field("hit_latency", &Params::hit_latency, "Request to answer, on a
//                         hit.", "assumed, 2-10 ns")};
//     }
//     void check(const Where&) const;         // optional: what a type cannot say (a power of two,
//     a < b) bool operator==(const Params&) const = default;
//   };
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <array>
#include <concepts>
#include <string_view>
#include <tuple>
#include <utility>

namespace viosim {

template <class Owner, class T>
struct Field {
  using Type = T;
  std::string_view name;  // the JSON key, snake_case
  T Owner::*member;
  std::string_view sentence;  // what it means, for people
  std::string_view source;    // where the default comes from: a clause, a measurement, "assumed"
};

template <class Owner, class T>
constexpr Field<Owner, T> field(std::string_view name, T Owner::*member, std::string_view sentence,
                                std::string_view source = {}) {
  return {name, member, sentence, source};
}

// A struct that declares its fields.
template <class T>
concept Described = requires {
  T::fields();
};

// A struct that also checks what types cannot say.
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

}  // namespace viosim
