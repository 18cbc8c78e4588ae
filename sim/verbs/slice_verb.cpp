// `viosim slice`: the part of a sweep that one task of a cluster does.
// SPDX-License-Identifier: Apache-2.0
#include "sim/sweep/slice_task.hpp"
#include "sim/verbs/verbs.hpp"

#include <csignal>

namespace viosim {

int slice_verb(const SliceArguments& arguments) {
  Experiment experiment(arguments.sweep);
  experiment.check_each_value();
  const int signal = perform_slice(experiment, Slices(arguments.directory), arguments.slice,
                                   static_cast<unsigned>(arguments.jobs));
  if (signal != 0) std::raise(signal);
  return 0;
}

}  // namespace viosim
