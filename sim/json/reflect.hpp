// From a C++ type to its JsonType. Kept thin: everything that does not need the type is in the .cpp
// files, because these templates are compiled again for each struct of each program.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/strong.hpp"
#include "sim/json/plain_types.hpp"

#include <concepts>
#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

namespace viosim {

template <class T>
const JsonType& json_type();

namespace reflect {

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
concept StrongInteger = requires {
  typename T::Value;
}
&&std::integral<typename T::Value>&& requires(const T& t) { T(t.value()); };

template <class T>
concept Union = requires {
  T::key();
  T::alternatives();
};

// A type that says itself how it is read.
template <class T>
concept BringsJsonType = requires {
  { T::json_type() } -> std::same_as<const JsonType&>;
};

template <class T>
const T& as(const void* object) {
  return *static_cast<const T*>(object);
}
template <class T>
T& as(void* object) {
  return *static_cast<T*>(object);
}

// One default-constructed T: where defaults are read from.
template <class T>
const void* fresh() {
  static const T object{};
  return &object;
}

template <std::integral T>
WholeType::Access whole_access() {
  using Limits = std::numeric_limits<T>;
  return {Limits::min(), Limits::max(), [](const void* from) -> Wide { return as<T>(from); },
          [](void* into, Wide n) { as<T>(into) = static_cast<T>(n); }};
}

template <StrongInteger T>
WholeType::Access whole_access() {
  using Rep = typename T::Value;
  using Limits = std::numeric_limits<Rep>;
  return {Limits::min(), Limits::max(),
          [](const void* from) -> Wide { return as<T>(from).value(); },
          [](void* into, Wide n) { as<T>(into) = T(static_cast<Rep>(n)); }};
}

template <HasTextForm T>
FormType::Access form_access() {
  return {TextForm<T>::info,
          [](std::string_view text, void* into) {
            const std::optional<T> parsed = TextForm<T>::parse(text);
            if (parsed) as<T>(into) = *parsed;
            return parsed.has_value();
          },
          [](const void* from) { return TextForm<T>::write(as<T>(from)); }};
}

template <Named E>
const JsonType& choice() {
  static const ChoiceType type([] {
    ChoiceType::Access access;
    for (const auto& c : choices(E{})) access.choices.push_back({c.name, c.sentence});
    access.get = [](const void* from) {
      std::size_t i = 0;
      for (const auto& c : choices(E{})) {
        if (c.value == as<E>(from)) return i;
        ++i;
      }
      fail_internal("an enumerator has no name");
    };
    access.set = [](void* into, std::size_t i) { as<E>(into) = choices(E{})[i].value; };
    return access;
  }());
  return type;
}

template <class List>
ListType::Access list_access() {
  using T = typename List::value_type;
  static_assert(!std::is_same_v<T, bool>, "std::vector<bool> has no elements to read into");
  return {&json_type<T>,
          &fresh<T>,
          [](const void* from) { return as<List>(from).size(); },
          [](const void* from, std::size_t i) -> const void* { return &as<List>(from)[i]; },
          [](void* into) { as<List>(into).clear(); },
          [](void* into) -> void* { return &as<List>(into).emplace_back(); }};
}

template <class Optional>
OptionalType::Access optional_access(const JsonType& (*content_type)()) {
  using T = typename Optional::value_type;
  return {content_type, &fresh<T>,
          [](const void* from) -> const void* {
            const Optional& maybe = as<Optional>(from);
            return maybe ? &*maybe : nullptr;
          },
          [](void* into) { as<Optional>(into).reset(); },
          [](void* into) -> void* {
            Optional& maybe = as<Optional>(into);
            if (!maybe) maybe.emplace();
            return &*maybe;
          }};
}

// `type`: of the values, to write the limits as files have them.
template <class T>
ValueBounds bounds_of(const ValueLimits<T>& limits, const JsonType& type,
                      bool (*allow)(const void*)) {
  ValueBounds bounds;
  bounds.allow = allow;
  if (limits.lowest.given) bounds.lowest = type.write(&limits.lowest.value);
  bounds.lowest_excluded = limits.lowest.excluded;
  if (limits.highest.given) bounds.highest = type.write(&limits.highest.value);
  bounds.highest_excluded = limits.highest.excluded;
  if (limits.divided) bounds.divisor = type.write(&limits.divisor);
  bounds.power_of_two = limits.power_of_two;
  for (std::size_t i = 0; i < limits.number_listed; ++i)
    bounds.listed.push_back(type.write(&limits.listed[i]));
  return bounds;
}

// Put together once: each time costs the compiler as much as there are fields.
template <Described T>
inline constexpr auto fields_of = T::fields();

// The type of what a field with limits holds. T: its own type, or what an optional one contains.
template <class Owner, std::size_t I, class T>
const JsonType& limited() {
  if constexpr (is_optional<T>) {
    static const OptionalType type(optional_access<T>(&limited<Owner, I, typename T::value_type>));
    return type;
  } else if constexpr (is_vector<T>) {
    static const ListType type(list_access<T>(), fields_of<Owner>.template at<I>().limits);
    return type;
  } else if constexpr (std::is_same_v<T, std::string>) {
    static const TextType type(fields_of<Owner>.template at<I>().limits);
    return type;
  } else if constexpr (!Ordered<T>) {
    static const RuledType type(
        json_type<T>(),
        [](const void* value) {
          return fields_of<Owner>.template at<I>().limits.allow(as<T>(value));
        },
        fields_of<Owner>.template at<I>().limits.expected);
    return type;
  } else {
    const auto bounds = [] {
      return bounds_of(fields_of<Owner>.template at<I>().limits, json_type<T>(),
                       [](const void* value) {
                         return fields_of<Owner>.template at<I>().limits.allow(as<T>(value));
                       });
    };
    if constexpr (std::is_same_v<T, double>) {
      static const RealType type(bounds());
      return type;
    } else if constexpr (HasTextForm<T>) {
      static const FormType type(form_access<T>(), bounds());
      return type;
    } else {
      static const WholeType type(whole_access<T>(), bounds());
      return type;
    }
  }
}

template <class T, std::size_t I>
FieldInfo field_info() {
  constexpr auto& declared = fields_of<T>.template at<I>();
  using Member = typename std::remove_cvref_t<decltype(declared)>::Type;
  const JsonType& (*type)() = &json_type<Member>;
  if constexpr (declared.limits.any()) type = &limited<T, I, Member>;
  return {declared.name,
          declared.sentence,
          declared.source,
          declared.presence,
          type,
          [](const void* owner) -> const void* {
            constexpr auto member = fields_of<T>.template at<I>().member;
            return &(as<T>(owner).*member);
          }};
}

template <Described T>
const KeyedType& object() {
  static const ObjectType type(
      []<std::size_t... I>(std::index_sequence<I...>) {
        return std::vector<FieldInfo>{field_info<T, I>()...};
      }(std::make_index_sequence<fields_of<T>.number>()),
      []() -> ObjectType::Checker {
        if constexpr (Checked<T>) {
          return [](const void* checked, const Where& where) { as<T>(checked).check(where); };
        } else {
          return nullptr;
        }
      }());
  return type;
}

template <class U, class... Ts>
OneOfInfo union_info(const std::variant<Ts...>*) {
  using Select = void (*)(U&);
  static constexpr Select selects[] = {[](U& one_of) {
    if (!std::holds_alternative<Ts>(one_of)) one_of.template emplace<Ts>();
  }...};
  const auto names = U::alternatives();
  return {U::key(),
          {names.begin(), names.end()},
          {&object<Ts>...},
          [](const void* from) { return as<U>(from).index(); },
          [](void* into, std::size_t i) { selects[i](as<U>(into)); },
          [](const void* from) {
            return std::visit([](const auto& content) -> const void* { return &content; },
                              static_cast<const typename U::Variant&>(as<U>(from)));
          },
          {&fresh<Ts>...}};
}

template <Union U>
const JsonType& one_of() {
  static const OneOfType type(union_info<U>(static_cast<const typename U::Variant*>(nullptr)));
  return type;
}

}  // namespace reflect

template <class T>
const JsonType& json_type() {
  if constexpr (std::is_same_v<T, bool>) {
    return truth_type();
  } else if constexpr (std::is_same_v<T, double>) {
    static const RealType type;
    return type;
  } else if constexpr (std::is_same_v<T, std::string>) {
    static const TextType type;
    return type;
  } else if constexpr (std::is_same_v<T, Value>) {
    return any_type();
  } else if constexpr (reflect::BringsJsonType<T>) {
    return T::json_type();
  } else if constexpr (HasTextForm<T>) {
    static const FormType type(reflect::form_access<T>());
    return type;
  } else if constexpr (std::integral<T> || reflect::StrongInteger<T>) {
    static const WholeType type(reflect::whole_access<T>());
    return type;
  } else if constexpr (reflect::is_vector<T>) {
    static const ListType type(reflect::list_access<T>());
    return type;
  } else if constexpr (reflect::is_optional<T>) {
    static const OptionalType type(reflect::optional_access<T>(&json_type<typename T::value_type>));
    return type;
  } else if constexpr (reflect::Union<T>) {
    return reflect::one_of<T>();
  } else if constexpr (Described<T>) {
    return reflect::object<T>();
  } else {
    static_assert(Named<T>, "give the type fields(), choices() or a TextForm");
    return reflect::choice<T>();
  }
}

}  // namespace viosim
