// Throws bytes at the reader of sweep files: it must accept or complain, never crash. What it accepts must survive
// being written and read again, and its design must have its points.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "sim/json/json.hpp"
#include "sim/sweep/design.hpp"
#include "sim/sweep/sweep.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

// Drawing many points takes its time and finds nothing more.
constexpr std::uint32_t most_drawn = 1000;

void try_design(const viosim::Sweep& sweep) {
  if (sweep.points.value_or(0) > most_drawn) return;
  const viosim::Design design(sweep, "fuzz");
  if (design.points() == 0) std::abort();
  for (const std::uint64_t number : {std::uint64_t{0}, design.points() / 2, design.points() - 1}) {
    if (design.point(number).size() != sweep.axes.size()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace viosim;
  try {
    const std::string file = "fuzz";
    const auto sweep =
        read_document<Sweep>(parse_json({reinterpret_cast<const char*>(data), size}, file), file);
    if (!(read_document<Sweep>(write(sweep), "again") == sweep)) std::abort();
    try_design(sweep);
  } catch (const ConfigError& error) {
    if (error.problems().empty()) std::abort();
  }
  return 0;
}
