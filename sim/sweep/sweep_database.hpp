// Writes the result of a sweep: one SQLite file, whose rows depend on the sweep alone.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/sweep/experiment.hpp"
#include "sim/sweep/journal.hpp"
#include "sim/sweep/schedule.hpp"

#include <cstdint>
#include <filesystem>

namespace viosim {

struct SweepTotals {
  std::uint64_t runs = 0;
  std::uint64_t failed = 0;
  std::uint64_t not_as_expected = 0;
};

// From a journal in which every run that counts is. Writes PATH.partial and renames it.
SweepTotals write_sweep_database(const std::filesystem::path& path, const Experiment& experiment,
                                 const SweepIdentity& identity, const Schedule& schedule,
                                 Journal& journal);

}  // namespace viosim
