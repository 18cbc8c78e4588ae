// What an engine runs: one run after the other, until enough is done.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/outcome.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

class RunQueue {
 public:
  virtual ~RunQueue() = default;
  // The number of the next run to start; none: not now.
  virtual std::optional<std::uint64_t> next() = 0;
  virtual void finish(std::uint64_t run, const RunOutcome& outcome) = 0;
  virtual bool complete() const = 0;
};

// Whom an engine tells.
struct EngineListener {
  std::function<void(const std::vector<FinishedRun>&)> store;  // keeps runs that are done
  // Called now and then. What there is to tell about the engine, beside how far the sweep is; may be empty.
  std::function<void(const std::string&)> tick;
  std::function<void(const std::string&)> say;  // what people should know
};

}  // namespace viosim
