// What is wrong with a recording, before it is known where: the reader adds file and line.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>

namespace viosim::recording {

class RecordingProblem : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace viosim::recording
