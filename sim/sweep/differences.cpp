// Walks through two documents together.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/differences.hpp"

#include "sim/scenario/origins.hpp"

#include <algorithm>

namespace viosim {
namespace {

constexpr std::size_t most_told = 10;

class Comparison {
 public:
  void compare(const std::string& pointer, const Value* before, const Value* after) {
    if (found.size() == most_told) return;
    if (before != nullptr && after != nullptr) {
      if (*before == *after) return;
      if (before->if_object() != nullptr && after->if_object() != nullptr)
        return compare_objects(pointer, *before->if_object(), *after->if_object());
      if (before->if_array() != nullptr && after->if_array() != nullptr)
        return compare_lists(pointer, *before->if_array(), *after->if_array());
    }
    found.push_back({pointer, text_of(before), text_of(after)});
  }

  std::vector<Difference> found;

 private:
  static std::string text_of(const Value* value) {
    return value == nullptr ? "absent" : summary(*value);
  }

  void compare_objects(const std::string& pointer, const Value::Object& before,
                       const Value::Object& after) {
    for (const Value::Member& member : before)
      compare(pointer_below(pointer, member.key), &member.value, find(after, member.key));
    for (const Value::Member& member : after) {
      if (find(before, member.key) == nullptr)
        compare(pointer_below(pointer, member.key), nullptr, &member.value);
    }
  }

  void compare_lists(const std::string& pointer, const Value::Array& before,
                     const Value::Array& after) {
    for (std::size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
      compare(pointer_below(pointer, std::to_string(i)), i < before.size() ? &before[i] : nullptr,
              i < after.size() ? &after[i] : nullptr);
    }
  }
};

}  // namespace

std::vector<Difference> differences_of(const Value& before, const Value& after) {
  Comparison comparison;
  comparison.compare("", &before, &after);
  return comparison.found;
}

}  // namespace viosim
