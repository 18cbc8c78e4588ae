// What is kept of each component, unit or machine: their numbers are dense.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace viosim::check {

template <class Value>
class ByNumber {
 public:
  Value& operator[](std::uint32_t number) {
    if (number >= values_.size()) values_.resize(std::size_t{number} + 1);
    return values_[number];
  }
  const Value* find(std::uint32_t number) const {
    return number < values_.size() ? &values_[number] : nullptr;
  }
  Value* find(std::uint32_t number) { return number < values_.size() ? &values_[number] : nullptr; }

  // visit(number, value) of those that are kept, in order.
  template <class Visit>
  void each(Visit&& visit) {
    for (std::size_t i = 0; i < values_.size(); ++i)
      visit(static_cast<std::uint32_t>(i), values_[i]);
  }

 private:
  std::vector<Value> values_;
};

}  // namespace viosim::check
