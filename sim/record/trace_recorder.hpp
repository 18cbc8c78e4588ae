// Takes a run's trace off the simulation's thread: encodes blocks in the background and has them
// stored in order.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/trace.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

namespace viosim {

struct EncodedBlock {
  std::int64_t number = 0;
  std::int64_t events = 0;
  std::int64_t first_time = 0;  // the smallest and the largest time of its events
  std::int64_t last_time = 0;
  std::uint64_t checksum = 0;  // XXH64 of data
  std::span<const std::byte> data;
};

// Memory is bounded: at most `workers` blocks are being encoded and `waiting` wait; then the
// simulation's thread waits. About 16 MB of events and 3 MB for each worker.
class TraceRecorder : public TraceSink {
 public:
  struct Options {
    unsigned workers = 2;
    unsigned waiting = 2;
  };
  using Store = std::function<void(const EncodedBlock&)>;

  // `store` is called for one block at a time, in order, from any of the workers.
  TraceRecorder(Store store, Options options);
  ~TraceRecorder() override;  // stores what was taken; says nothing about failures
  TraceRecorder(const TraceRecorder&) = delete;
  TraceRecorder& operator=(const TraceRecorder&) = delete;

  // Throws what `store` threw, now or for an earlier block. At most trace_block_events events.
  std::vector<TraceEvent> take(std::vector<TraceEvent> events) override;
  // Returns once everything taken is stored. Throws what `store` threw.
  void finish();
  std::int64_t blocks_stored() const;

 private:
  struct Job {
    std::int64_t number;
    std::vector<TraceEvent> events;
  };

  void work();
  void work_with(class BlockEncoder& encoder);
  void encode_and_store(class BlockEncoder& encoder, Job& job);
  bool wait_for_turn(std::int64_t number);
  void stop();

  Store store_;
  Options options_;
  mutable std::mutex mutex_;
  std::condition_variable job_added_;
  std::condition_variable job_removed_;
  std::condition_variable block_stored_;
  std::deque<Job> jobs_;
  std::vector<std::vector<TraceEvent>> spare_;
  std::int64_t taken_ = 0;
  std::int64_t stored_ = 0;
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> workers_;
};

}  // namespace viosim
