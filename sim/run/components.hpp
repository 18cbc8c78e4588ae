// The components of a built system by their paths, and what a user meant by a path that is none.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "sim/scenario/component_path.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

class ComponentIndex {
 public:
  // Returns its number: 0, 1, 2 ...
  std::uint32_t add(std::string_view path);
  const std::vector<std::string>& paths() const { return paths_; }
  const std::string& path(std::uint32_t component) const { return paths_[component]; }

  // All that a pattern means, in the order of their numbers.
  std::vector<std::uint32_t> matching(const PathPattern& pattern) const;
  // The same; reports at `where` when there is none, with the nearest that there is.
  std::vector<std::uint32_t> resolve(const PathPattern& pattern, const Where& where) const;

  // How many of the pattern's first steps lead to a component.
  std::size_t known_steps(const PathPattern& pattern) const;
  // What may stand after the first steps of a pattern: "iotlb", "acc[0]" ...
  std::vector<std::string> steps_after(const PathPattern& lead) const;

 private:
  std::vector<std::string> paths_;
};

// "read X; expected ...": with what there is in its place. `known`: how many of the steps are right.
std::string unknown_step_text(const PathPattern& pattern, std::size_t known,
                              std::vector<std::string> candidates, std::string_view expected);

}  // namespace viosim
