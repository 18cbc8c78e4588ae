// What more can be said about a scenario that cannot run: its recordings, and what it expects of its run.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/json/value.hpp"
#include "sim/run/recordings.hpp"

#include <filesystem>
#include <vector>

namespace viosim {

// `document` has its parts put in, and mistakes. Of recordings that it names, those that cannot be
// read; of its clauses and events, those whose names are of nothing that there would be if the
// mistakes were mended. What depends on a mistake is left out; `with_plan` false leaves out all
// clauses and events, as when keys come twice and a name may be the other one. At the places of the
// document; recordings with their own file.
std::vector<Problem> diagnose(const Value& document, const std::string& file,
                              const std::filesystem::path& base, Progress* progress,
                              bool with_plan);

}  // namespace viosim
