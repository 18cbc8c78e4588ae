// A sweep's own options of sbatch, and how users may write them.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/sbatch_options.hpp"

#include "core/base/error.hpp"
#include "sim/json/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <string_view>

namespace viosim {
namespace {

struct OwnOption {
  std::string_view name;
  char letter;  // '\0': it has none
  std::string_view why;
};

constexpr std::string_view by_slices = "the sweep numbers its tasks by slices itself";
constexpr std::string_view to_logs = "the sweep reads what its tasks have printed";
constexpr std::string_view submits_again = "the sweep submits itself what is lost";
constexpr std::string_view has_to_submit =
    "the sweep has to learn the number of a job in the queue";

// sbatch(1), version 22.05.
constexpr std::array own_options = {
    OwnOption{"array", 'a', by_slices},
    OwnOption{"chdir", 'D', "tasks run where the sweep was started"},
    OwnOption{"clusters", 'M', "the sweep looks for its tasks on the default cluster"},
    OwnOption{"cpus-per-task", 'c', "a task has as many processors as --jobs of viosim says"},
    OwnOption{"error", 'e', to_logs},
    OwnOption{"help", 'h', has_to_submit},
    OwnOption{"job-name", 'J', "the sweep finds its tasks by their name"},
    OwnOption{"no-requeue", '\0', submits_again},
    OwnOption{"ntasks", 'n', "a slice is one task"},
    OwnOption{"open-mode", '\0', to_logs},
    OwnOption{"output", 'o', to_logs},
    OwnOption{"parsable", '\0', has_to_submit},
    OwnOption{"partition", 'p', "--partition of viosim says it"},
    OwnOption{"quiet", 'Q', has_to_submit},
    OwnOption{"requeue", '\0', submits_again},
    OwnOption{"test-only", '\0', has_to_submit},
    OwnOption{"usage", '\0', has_to_submit},
    OwnOption{"version", 'V', has_to_submit},
    OwnOption{"wait", 'W', "the sweep waits for its tasks itself"},
    OwnOption{"wrap", '\0', "tasks do a script of the sweep's"}};

// Options that sbatch takes from its environment, and that no option of the sweep's outdoes.
struct OwnVariable {
  const char* name;
  std::string_view why;
};
constexpr std::array own_variables = {
    OwnVariable{"SBATCH_CLUSTERS", "the sweep looks for its tasks on the default cluster"},
    OwnVariable{"SBATCH_WAIT", "the sweep waits for its tasks itself"}};

constexpr std::string_view letters_without_value = "HhIOQsVvW";

const OwnOption* own_long_option(std::string_view word) {
  const std::string_view name = word.substr(0, word.find('='));
  const auto* const found =
      std::find_if(own_options.begin(), own_options.end(),
                   [&](const OwnOption& option) { return option.name.starts_with(name); });
  return found == own_options.end() ? nullptr : found;
}

// Of letters in one word, as in -Ha1-5, the first that is the sweep's own.
const OwnOption* own_letter(std::string_view letters) {
  for (const char letter : letters) {
    const auto* const found =
        std::find_if(own_options.begin(), own_options.end(),
                     [&](const OwnOption& option) { return option.letter == letter; });
    if (found != own_options.end()) return found;
    if (letters_without_value.find(letter) == std::string_view::npos) break;
  }
  return nullptr;
}

// A word of its own after an option may be its value: --sbatch=--time --sbatch=30.
bool may_have_value(std::string_view option) {
  return option.starts_with('-') && option.find('=') == std::string_view::npos;
}

// Empty: sbatch may have it.
std::string why_refused(const std::vector<std::string>& words, std::size_t at) {
  const std::string_view word = words[at];
  if (word.size() < 2 || !word.starts_with('-') || word == "--") {
    if (at != 0 && may_have_value(words[at - 1]) && word != "--") return {};
    return "expected an option such as --time=30";
  }
  const bool is_long = word.starts_with("--");
  const OwnOption* const own =
      is_long ? own_long_option(word.substr(2)) : own_letter(word.substr(1));
  if (own == nullptr) return {};
  const std::string letter = own->letter == '\0' ? "" : fmt::format(", -{}", own->letter);
  return fmt::format("--{}{} cannot be given, since {}", own->name, letter, own->why);
}

}  // namespace

void check_sbatch_options(const std::vector<std::string>& words) {
  std::vector<Problem> problems;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string why = why_refused(words, i);
    if (!why.empty())
      problems.push_back({"--sbatch", "", fmt::format("read {}; {}", quote_short(words[i]), why)});
  }
  if (!problems.empty()) throw ConfigError(std::move(problems));
}

void check_sbatch_environment() {
  std::vector<Problem> problems;
  for (const OwnVariable& variable : own_variables) {
    const char* const value = std::getenv(variable.name);
    if (value == nullptr) continue;
    problems.push_back(
        {"--engine slurm", "",
         fmt::format("read the environment variable {} as {}; expected it not to be set, since {}",
                     variable.name, quote_short(value), variable.why)});
  }
  if (!problems.empty()) throw ConfigError(std::move(problems));
}

}  // namespace viosim
