// Software that sends the answers to page requests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/pcie/ats.hpp"

namespace viosim {

class PageResponder {
 public:
  virtual void respond(const PageResponse& response) = 0;  // for actors

 protected:
  ~PageResponder() = default;
};

}  // namespace viosim
