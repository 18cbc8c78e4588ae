// What the checks allow, where it is a matter of taste.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/time.hpp"

namespace viosim::check {

struct Limits {
  Ps answer_within = std::chrono::milliseconds(1100);

  static constexpr auto fields() {
    return Fields{field("answer_within", &Limits::answer_within,
                        "I11: a page request group is answered no later after its first request "
                        "has arrived.",
                        "a host waits 1 s for its guest, and answers then")};
  }
  bool operator==(const Limits&) const = default;
};

}  // namespace viosim::check
