// What a run says on the terminal: what ran, how long, and the numbers a person looks at first.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"
#include "sim/run/results.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace viosim {

struct RunFacts {
  std::string name;
  std::uint64_t seed = 0;
  Ps simulated{0};
  double wall_seconds = 0;   // of the simulation alone, without reading and writing files
  std::uint64_t events = 0;  // agenda events
  std::uint64_t software_steps = 0;
  std::string database;  // empty: none was written
  bool traced = false;
  std::uint64_t trace_events = 0;
  std::vector<std::string> notes;  // what a person may not expect
};

// Tables for a person. `components` holds the path of each component number.
std::string summary_text(const RunFacts& facts, const Results& results,
                         const std::vector<std::string>& components);

// The same for a program: one JSON object; times in picoseconds.
Value summary_json(const RunFacts& facts, const Results& results,
                   const std::vector<std::string>& components);

}  // namespace viosim
