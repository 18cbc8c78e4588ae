// Throws bytes at the scenario reader: it must accept or complain, never crash, and what it accepts must
// survive being written and read again.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "sim/json/json.hpp"
#include "sim/scenario/scenario.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace viosim;
  try {
    const Scenario scenario =
        read_scenario(parse_json({reinterpret_cast<const char*>(data), size}, "fuzz"), "fuzz");
    if (!(read_scenario(write(scenario), "again") == scenario)) std::abort();
  } catch (const ConfigError& error) {
    if (error.problems().empty()) std::abort();
  }
  return 0;
}
