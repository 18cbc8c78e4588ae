// Strong<Tag, Rep>: the same bits, a different type: a PASID cannot be passed as a domain id.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace viosim {

template <class Tag, class Rep>
class Strong {
 public:
  using Value = Rep;

  constexpr Strong() = default;
  explicit constexpr Strong(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  constexpr auto operator<=>(const Strong&) const = default;

 private:
  Rep value_{};
};

}  // namespace viosim

template <class Tag, class Rep>
struct std::hash<viosim::Strong<Tag, Rep>> {
  std::size_t operator()(viosim::Strong<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};
