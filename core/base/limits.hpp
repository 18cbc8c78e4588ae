// What values a field may have beyond what its type can hold: declared with the field (fields.hpp),
// and from there in every check, message, table and schema.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace viosim {

template <class T>
concept Counted = requires(const T& t) {
  t.count();
};
template <class T>
concept Valued = requires(const T& t) {
  t.value();
};
template <class T>
concept QuantityType = std::is_class_v<T> && std::is_trivially_copyable_v<T> &&
    (Counted<T> || Valued<T>);

// Numbers and quantities: Ps, Bytes, Strong numbers.
template <class T>
concept Ordered = (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) || QuantityType<T>;

// The number of picoseconds, bytes ... that a quantity is.
template <Ordered T>
constexpr auto number_of(const T& quantity) {
  if constexpr (std::is_arithmetic_v<T>) {
    return quantity;
  } else if constexpr (Counted<T>) {
    return number_of(quantity.count());
  } else {
    return number_of(quantity.value());
  }
}

// An end of a range.
template <class T>
struct End {
  T value{};
  bool given = false;
  bool excluded = false;
};

// How many values can be listed where nothing else is allowed.
inline constexpr std::size_t most_listed = 4;

// Of numbers and quantities. What is not given is not limited.
template <Ordered T>
struct ValueLimits {
  End<T> lowest;
  End<T> highest;
  T divisor{};
  bool divided = false;
  bool power_of_two = false;
  std::array<T, most_listed> listed{};  // nothing but these, where there are any
  std::size_t number_listed = 0;

  constexpr bool any() const {
    return lowest.given || highest.given || divided || power_of_two || number_listed > 0;
  }
  constexpr bool allow(const T& value) const {
    return in_range(value) && in_steps(value) && (number_listed == 0 || is_listed(value));
  }

 private:
  constexpr bool in_range(const T& value) const {
    const bool high_enough = lowest.excluded ? value > lowest.value : value >= lowest.value;
    const bool low_enough = highest.excluded ? value < highest.value : value <= highest.value;
    return (high_enough || !lowest.given) && (low_enough || !highest.given);
  }
  constexpr bool in_steps(const T& value) const {
    if constexpr (!std::floating_point<T>) {
      if (divided && number_of(value) % number_of(divisor) != 0) return false;
      if (power_of_two) return std::has_single_bit(static_cast<std::uint64_t>(number_of(value)));
    }
    return true;
  }
  constexpr bool is_listed(const T& value) const {
    for (std::size_t i = 0; i < number_listed; ++i)
      if (listed[i] == value) return true;
    return false;
  }
};

// What a text must look like.
struct TextRule {
  bool (*holds)(std::string_view text) = nullptr;
  std::string_view expected;        // "1 to 64 letters, digits, '-' or '_'"
  std::string_view pattern = {};    // ECMA regular expression of the same, for editors
  std::string (*list)() = nullptr;  // what else is expected, where it is long: names that there are
};

struct TextLimits {
  TextRule rule;
  constexpr bool any() const { return rule.holds != nullptr; }
  bool allow(const std::string& text) const { return !any() || rule.holds(text); }
};

// How many items a list may have.
struct ItemLimits {
  std::size_t lowest = 0;
  std::optional<std::size_t> highest = std::nullopt;
  constexpr bool any() const { return lowest > 0 || highest; }
  constexpr bool allow(std::size_t items) const {
    return items >= lowest && (!highest || items <= *highest);
  }
};

// Of anything else: some values are not allowed.
template <class T>
struct Rule {
  bool (*holds)(const T& value) = nullptr;
  std::string (*expected)() = nullptr;  // "a message that can come twice: one of ..."
  constexpr bool any() const { return holds != nullptr; }
  bool allow(const T& value) const { return !any() || holds(value); }
};

// Which of them a field of type T can have; what may be absent has those of what may be there.
template <class T>
struct Limited {
  using Type = T;
  using Limits = Rule<T>;
};
template <Ordered T>
struct Limited<T> {
  using Type = T;
  using Limits = ValueLimits<T>;
};
template <>
struct Limited<std::string> {
  using Type = std::string;
  using Limits = TextLimits;
};
template <class T>
struct Limited<std::vector<T>> {
  using Type = std::vector<T>;
  using Limits = ItemLimits;
};
template <class T>
struct Limited<std::optional<T>> : Limited<T> {};

}  // namespace viosim
