// ENQCMD as a thread executes it: a write to a shared queue's portal that waits for its answer.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "models/cpu/thread.hpp"
#include "models/device/shared_queue.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace viosim {

struct EnqcmdParams {
  std::uint32_t tries = 32;
  Ps pause = 50ns;
  Ps load_pasid = 2us;

  static constexpr auto fields() {
    using P = EnqcmdParams;
    return Fields{
        field("tries", &P::tries, "How often a descriptor is submitted before its thread gives up.",
              "Linux' driver of such devices, for submissions by the kernel"),
        field("pause", &P::pause, "From an answer to try again to the next try.", "assumed"),
        field("load_pasid", &P::load_pasid,
              "A thread's first ENQCMD raises #GP: its kernel loads the PASID of the thread's "
              "address "
              "space (IA32_PASID), and lets it try again.",
              "assumed")};
  }
  bool operator==(const EnqcmdParams&) const = default;
};

// A descriptor on its way. A thread that ends while it waits for the answer forgets it.
class Submission {
 public:
  Submission(SharedQueue& queue, const SharedQueue::Descriptor& descriptor)
      : queue_(queue), number_(queue.submit(descriptor)) {}
  ~Submission() {
    if (!asked_) queue_.forget(number_);
  }
  Submission(const Submission&) = delete;
  Submission& operator=(const Submission&) = delete;

  // Once.
  std::optional<bool> outcome() {
    asked_ = true;
    return queue_.outcome(number_);
  }

 private:
  SharedQueue& queue_;
  std::uint32_t number_;
  bool asked_ = false;
};

// Whether it was accepted. The processor is occupied until the answer is there.
inline bool enqcmd(Thread& thread, SharedQueue& queue, const SharedQueue::Descriptor& descriptor) {
  const SharedQueueParams& portal = queue.params();
  Submission submission(queue, descriptor);
  const Ps sooner = std::min(portal.accept, portal.refuse);
  thread.run(queue.link().latency + sooner);
  const auto accepted = submission.outcome();
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
