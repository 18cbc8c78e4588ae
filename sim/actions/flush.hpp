// Event action: a kernel makes IOMMUs forget all translations.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "sim/actions/targets.hpp"

#include <vector>

namespace viosim {

struct FlushIommus {
  static constexpr Alternative alternative{"flush", "IOMMUs forget all cached translations."};
  PathPattern flush;

  static constexpr auto fields() {
    return Fields{required(
        "flush", &FlushIommus::flush,
        "IOMMUs that are told, by a global invalidation, to forget all translations; those "
        "in device TLBs stay.")};
  }
  bool operator==(const FlushIommus&) const = default;

  std::vector<Act> prepare(const Targets& targets, const Where& where) const;
};

}  // namespace viosim
