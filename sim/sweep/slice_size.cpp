// Tries some runs and divides.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/slice_size.hpp"

#include "sim/sweep/local_engine.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace viosim {
namespace {

constexpr double most_work = 45;
constexpr double least_work = 5;
constexpr std::uint64_t enough_slices = 64;
constexpr std::chrono::seconds longest_trial{5};

}  // namespace

std::uint64_t slice_size(std::uint64_t runs, double seconds, unsigned jobs) {
  const auto runs_in = [&](double work) {
    return static_cast<std::uint64_t>(std::clamp(work * jobs / seconds, 1.0, 1e6));
  };
  return std::clamp((runs + enough_slices - 1) / enough_slices, runs_in(least_work),
                    runs_in(most_work));
}

double seconds_of_a_run(const Experiment& experiment, const Interrupt& interrupt) {
  const std::uint64_t last = experiment.most_runs() - 1;
  std::vector<double> taken;
  std::vector<Worker> workers;
  const auto& memory = experiment.sweep().limits.memory;
  for (const std::uint64_t number : {std::uint64_t{0}, last / 2, last}) {
    const auto trial = [&experiment, number](ByteWriter&) {
      perform(experiment, experiment.run(number));
    };
    try {
      workers.push_back(workers.empty() ? start_patiently(trial, memory) : Worker(trial, memory));
    } catch (const WorkerRefused&) {
      break;  // those that run will do
    }
  }
  const auto deadline = Worker::Clock::now() + longest_trial;
  while (!workers.empty() && Worker::Clock::now() < deadline && interrupt.signal() == 0) {
    std::vector<pollfd> descriptors;
    descriptors.reserve(workers.size());
    for (const Worker& worker : workers) descriptors.push_back({worker.descriptor(), POLLIN, 0});
    interrupt.wait(descriptors, std::chrono::milliseconds(100));
    std::vector<Worker> going_on;
    for (std::size_t i = 0; i < workers.size(); ++i) {
      if (descriptors[i].revents == 0 || workers[i].receive()) {
        going_on.push_back(std::move(workers[i]));
      } else {
        taken.push_back(workers[i].reap().cost.seconds);
      }
    }
    workers = std::move(going_on);
  }
  const double rest = std::chrono::duration<double>(longest_trial).count();
  taken.insert(taken.end(), workers.size(), rest);
  return std::accumulate(taken.begin(), taken.end(), 0.0) / static_cast<double>(taken.size());
}

}  // namespace viosim
