// Throws bytes at the scenario reader: it must accept or complain, never crash, and what it accepts must
// survive being written and read again.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "sim/json/json.hpp"
#include "sim/scenario/parts.hpp"
#include "sim/scenario/scenario.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace viosim;
  try {
    const std::string file = "fuzz";
    // Templates are put in; parts would be files.
    PartFiles no_files([](const std::string&, const std::filesystem::path&) {
      return std::optional<std::filesystem::path>();
    });
    const AssembledDocument whole =
        assemble(parse_json({reinterpret_cast<const char*>(data), size}, file), file, no_files);
    const Scenario scenario = read_scenario(whole.document, file);
    if (!(read_scenario(write(scenario), "again") == scenario)) std::abort();
  } catch (const ConfigError& error) {
    if (error.problems().empty()) std::abort();
  }
  return 0;
}
