// What a run database holds, in forms that two runs can be compared by.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace viosim::test {

// XXH64 over the events, field by field, with the paths of their components: it depends on what
// happened, and not on how the database packs it.
std::string trace_digest_of(const std::filesystem::path& database);

// Every row of every table but `wall`, as SQL literals.
std::string tables_of(const std::filesystem::path& database);

}  // namespace viosim::test
