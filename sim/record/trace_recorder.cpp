// The queue between the simulation's thread and the workers.
// SPDX-License-Identifier: Apache-2.0
#include "sim/record/trace_recorder.hpp"

#include "core/base/error.hpp"
#include "sim/record/block_encoder.hpp"
#include "sim/record/schema.hpp"

#include <csignal>
#include <pthread.h>
#include <utility>

namespace viosim {
namespace {

// Signals are for the simulation's thread. SIGXFSZ, sent to the thread that exceeds a file size
// limit, must not end the process either: with it blocked, the write fails and is reported.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

}  // namespace

TraceRecorder::TraceRecorder(Store store, Options options)
    : store_(std::move(store)), options_(options) {
  ensure(options.workers > 0 && options.waiting > 0, "a recorder has a worker and a place to wait");
  try {
    for (unsigned i = 0; i < options.workers; ++i) workers_.emplace_back([this] { work(); });
  } catch (...) {  // no memory for another thread
    stop();
    throw;
  }
}

TraceRecorder::~TraceRecorder() { stop(); }

std::vector<TraceEvent> TraceRecorder::take(std::vector<TraceEvent> events) {
  ensure(events.size() <= trace_block_events, "a trace block has at most 64 Ki events");
  std::unique_lock lock(mutex_);
  ensure(!stopping_, "a finished recorder takes no events");
  job_removed_.wait(lock, [&] { return jobs_.size() < options_.waiting || failure_; });
  if (failure_) std::rethrow_exception(failure_);
  if (events.empty()) return events;
  jobs_.push_back({taken_++, std::move(events)});
  job_added_.notify_one();
  if (spare_.empty()) return {};
  std::vector<TraceEvent> next = std::move(spare_.back());
  spare_.pop_back();
  return next;
}

void TraceRecorder::finish() {
  stop();
  if (failure_) std::rethrow_exception(failure_);
}

std::int64_t TraceRecorder::blocks_stored() const {
  const std::lock_guard lock(mutex_);
  return stored_;
}

void TraceRecorder::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  job_added_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void TraceRecorder::work() {
  block_signals();
  try {
    BlockEncoder encoder;
    work_with(encoder);
  } catch (...) {  // no memory for an encoder
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
    job_removed_.notify_all();
    block_stored_.notify_all();
  }
}

void TraceRecorder::work_with(BlockEncoder& encoder) {
  for (;;) {
    std::unique_lock lock(mutex_);
    job_added_.wait(lock, [&] { return !jobs_.empty() || stopping_; });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    job_removed_.notify_one();
    if (failure_) continue;  // later blocks are dropped, so that what is stored has no hole
    lock.unlock();
    encode_and_store(encoder, job);
  }
}

void TraceRecorder::encode_and_store(BlockEncoder& encoder, Job& job) {
  std::exception_ptr failure;
  try {
    const auto data = encoder.encode(job.events);
    const EncodedBlock block{.number = job.number,
                             .events = static_cast<std::int64_t>(job.events.size()),
                             .first_time = encoder.first_time(),
                             .last_time = encoder.last_time(),
                             .checksum = schema::checksum(data),
                             .data = data};
    if (!wait_for_turn(job.number)) return;
    store_(block);
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  if (failure) {
    if (!failure_) failure_ = failure;
    job_removed_.notify_all();
  } else {
    ++stored_;
    spare_.push_back(std::move(job.events));
  }
  block_stored_.notify_all();
}

// False: an earlier block failed, and this one must not be stored.
bool TraceRecorder::wait_for_turn(std::int64_t number) {
  std::unique_lock lock(mutex_);
  block_stored_.wait(lock, [&] { return stored_ == number || failure_; });
  return !failure_;
}

}  // namespace viosim
