// ENQCMD as a thread executes it: a write to a shared queue's portal that waits for its answer.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/cpu/thread.hpp"
#include "models/device/shared_queue.hpp"

#include <cstdint>
#include <tuple>

namespace viosim {

struct EnqcmdParams {
  std::uint32_t tries = 32;
  Ps pause = 50ns;

  static constexpr auto fields() {
    using P = EnqcmdParams;
    return std::tuple{
        field("tries", &P::tries, "How often a descriptor is submitted before its thread gives up.",
              "Linux' driver of such devices, for submissions by the kernel"),
        field("pause", &P::pause, "From an answer to try again to the next try.", "assumed")};
  }
  bool operator==(const EnqcmdParams&) const = default;
};

// Whether it was accepted. The processor is occupied until the answer is there.
inline bool enqcmd(Thread& thread, SharedQueue& queue, const SharedQueue::Descriptor& descriptor) {
  const SharedQueueParams& portal = queue.params();
  const std::uint32_t submission = queue.submit(descriptor);
  const Ps sooner = std::min(portal.accept, portal.refuse);
  thread.run(queue.link().latency + sooner);
  const auto accepted = queue.outcome(submission);
  ensure(accepted.has_value(), "a portal has not answered in time");
  thread.run((*accepted ? portal.accept : portal.refuse) - sooner + queue.link().latency);
  return *accepted;
}

// The same, again and again. 0: it was never accepted; otherwise how many tries it took.
inline std::uint32_t enqcmd(Thread& thread, SharedQueue& queue,
                            const SharedQueue::Descriptor& descriptor, const EnqcmdParams& params) {
  for (std::uint32_t tries = 1; tries <= params.tries; ++tries) {
    if (tries > 1) thread.run(params.pause);
    if (enqcmd(thread, queue, descriptor)) return tries;
  }
  return 0;
}

}  // namespace viosim
