// Which of a user's options for sbatch a sweep cannot hand on.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace viosim {

// `words`: as sbatch shall get them. Throws ConfigError for each that a sweep decides itself, also when it is
// abbreviated, as getopt_long(3) allows; for those that would keep sbatch from submitting, or squeue from finding what
// was submitted; and for words that are no options.
void check_sbatch_options(const std::vector<std::string>& words);

// The same for what sbatch would take from its environment. Throws ConfigError.
void check_sbatch_environment();

}  // namespace viosim
