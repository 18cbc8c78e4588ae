// What Slurm's reasons mean to who has submitted a sweep.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/wait_reason.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace viosim {
namespace {

// Of squeue(1), JOB REASON CODES: what others' jobs, the sweep's own or a clock put an end to.
constexpr std::array<std::string_view, 9> passing = {"None",
                                                     "Priority",
                                                     "Resources",
                                                     "BeginTime",
                                                     "Cleaning",
                                                     "Licenses",
                                                     "JobArrayTaskLimit",
                                                     "QOSMaxJobsPerUserLimit",
                                                     "AssocMaxJobsLimit"};

struct Advice {
  std::string_view begin;  // of the reason
  std::string_view expected;
};
constexpr std::string_view smaller =
    "what a node of the partition has: fewer --jobs, which are processors of a task, another "
    "--partition, or other limits by --sbatch";
constexpr std::array<Advice, 9> advices = {{
    {"PartitionTimeLimit", "no more time than the partition allows: --sbatch=--time=MINUTES"},
    {"PartitionDown", "a --partition that is up"},
    {"PartitionInactive", "a --partition that is up"},
    {"Partition", smaller},
    {"BadConstraints", smaller},
    {"JobHeld", "a job that is not held: \"scontrol release\""},
    {"Account", "an account that may use the partition: --sbatch=--account=NAME"},
    {"InvalidAccount", "an account that is valid: --sbatch=--account=NAME"},
    {"InvalidQOS", "a quality of service that is valid: --sbatch=--qos=NAME"},
}};

}  // namespace

std::optional<std::string> wait_text(const SlurmTask& task) {
  const auto begins = [&](const Advice& advice) { return task.reason.starts_with(advice.begin); };
  if (!task.waits() || std::find(passing.begin(), passing.end(), task.reason) != passing.end())
    return std::nullopt;
  const auto* advice = std::find_if(advices.begin(), advices.end(), begins);
  return fmt::format(
      "job {} waits: {}, which may not pass by itself; expected {} (\"scontrol show job "
      "{}\" tells more)",
      task.job, task.reason,
      advice == advices.end() ? "a job that Slurm can start" : advice->expected, task.job);
}

}  // namespace viosim
