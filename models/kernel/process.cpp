// The life of a process, in jobs of its kernel.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace viosim {

void ProcessParams::check(const Where& where) const {
  if (work.requests == 0)
    (where / "work" / "requests").reject("read 0; expected how many requests a round has");
  if (work.on_fault == OnFault::abort) {
    (where / "work" / "on_fault")
        .reject("read \"abort\"; expected \"retry\": pages that are missing are requested");
  }
  const std::uint64_t pages = work.traffic.window.count() / page_4k.count();
  if (unmap > pages) {
    (where / "unmap")
        .reject(fmt::format("read {} pages; expected at most the {} of the window", unmap, pages));
    return;
  }
  if (unmap > 0 && unmap_every > pages / unmap)
    (where / "unmap_every")
        .reject(fmt::format(
            "read {} rounds; expected at most the {} pages of the window to be unmapped "
            "together",
            unmap_every, pages));
}

void ProcessStats::count(Errno error) {
  ++failed;
  switch (error) {
    case Errno::einval:
      ++einval;
      break;
    case Errno::ebusy:
      ++ebusy;
      break;
    case Errno::enodev:
      ++enodev;
      break;
    case Errno::enomem:
      ++enomem;
      break;
    case Errno::eoverflow:
      ++eoverflow;
      break;
    case Errno::enoent:
      ++enoent;
      break;
    case Errno::eagain:
      ++eagain;
      break;
    default:
      ++other_errors;
  }
}

Process::Process(ProcessGroup& group, std::string name)
    : group_(group),
      mm_(group.kernel.engine(), std::move(name), group.kernel.params().mm, group.memory,
          group.frames) {}

void Process::start() {
  ++group_.stats.started;
  state_ = State::busy;
  mm_.trace = group_.trace;
  group_.kernel.workers.post([this](Thread& thread) { begin(thread); });
}

bool Process::kill() {
  if (killed_ || state_ == State::not_started || state_ == State::ends) return false;
  killed_ = true;
  ++group_.stats.killed;
  if (state_ == State::idle) {
    state_ = State::ends;
    group_.kernel.workers.post([this](Thread& thread) { finish(thread); });
  }
  return true;
}

// What it waits for wakes it up.
void Process::rest(Thread& thread) {
  if (killed_) return finish(thread);
  state_ = State::idle;
}

Region Process::memory() const {
  const std::uint64_t bytes = group_.params.work.traffic.window.count();
  const std::uint64_t pages = (bytes + page_4k.count() - 1) / page_4k.count();
  return {group_.params.base, pages, {true, true, false, true}, group_.params.backing};
}

void Process::begin(Thread& thread) {
  const Errno mapped = mm_.map(thread, memory());
  ensure(mapped == Errno::ok, "a process' first region could not be mapped");
  if (!touch(thread) || !open(thread) || killed_ || group_.params.rounds == 0)
    return finish(thread);
  round(thread);
}

bool Process::touch(Thread& thread) {
  const Errno touched = group_.params.populate ? mm_.populate(thread) : Errno::ok;
  if (touched != Errno::ok) fail(touched);
  return touched == Errno::ok;
}

void Process::fail(Errno error) {
  failed_ = true;
  group_.stats.count(error);
}

// All of its devices, or as far as it gets.
bool Process::open(Thread& thread) {
  for (FunctionDriver* const device : group_.devices) {
    const Result<FunctionDriver::Use> use = device->open(
        thread, mm_,
        {.supervisor = group_.params.supervisor, .without_pasid = group_.params.without_pasid});
    if (!use.ok()) {
      fail(use.error());
      return false;
    }
    uses_.push_back(use.value());
  }
  return true;
}

// The last one first. A device that is gone has been closed for it.
void Process::close(Thread& thread) {
  while (!uses_.empty()) {
    group_.devices[uses_.size() - 1]->close(thread, uses_.back());
    uses_.pop_back();
  }
}

// The process counts as one more piece until it has submitted all.
void Process::round(Thread& thread) {
  QueueWork work;
  work.dma = group_.params.work;
  work.base = group_.params.base;
  work.zipf = group_.zipf;
  since_ = thread.now();
  pending_ = 1;
  for (std::size_t i = 0; i < uses_.size() && !failed_ && !killed_; ++i) {
    ++pending_;
    const Errno error = group_.devices[i]->submit(
        thread, uses_[i], work,
        [this](Thread& worker, FunctionDriver::End how) { work_ended(worker, how); });
    if (error == Errno::ok) continue;
    --pending_;
    fail(error);
  }
  if (--pending_ == 0) return after_round(thread);
  rest(thread);
}

// Nobody looks at what becomes of the work of a process that was killed.
void Process::work_ended(Thread& thread, FunctionDriver::End how) {
  if (state_ == State::ends) return;
  if (how != FunctionDriver::End::completed) ++group_.stats.work_failed;
  if (how == FunctionDriver::End::gone) failed_ = true;
  if (--pending_ > 0) return;
  state_ = State::busy;
  after_round(thread);
}

void Process::after_round(Thread& thread) {
  ++group_.stats.rounds;
  group_.round_latency.record(thread.now() - since_);
  unmap_some(thread);
  const bool over = thread.now() + group_.params.pause >= group_.until;
  if (failed_ || killed_ || ++rounds_ >= group_.params.rounds || over || !touch(thread))
    return finish(thread);
  if (group_.params.pause == Ps(0)) return go_on(thread);
  if (killed_) return finish(thread);  // while it touched its memory
  const Instant end = thread.now() + group_.params.pause;
  rest(thread);
  group_.kernel.workers.post_at(end, [this](Thread& worker) { go_on(worker); });
}

void Process::go_on(Thread& thread) {
  if (state_ == State::ends) return;
  state_ = State::busy;
  if (group_.params.rebind) {
    close(thread);
    if (!open(thread) || killed_) return finish(thread);
  }
  round(thread);
}

void Process::unmap_some(Thread& thread) {
  if (group_.params.unmap == 0) return;
  unmap_due_.push_back(thread.now());
  if (unmap_due_.size() < group_.params.unmap_every) return;
  unmap_pages(thread, group_.params.unmap * unmap_due_.size());
  for (const Instant end : unmap_due_) group_.exposure.record(thread.now() - end);
  unmap_due_.clear();
  ++group_.stats.unmaps;
}

void Process::unmap_pages(Thread& thread, std::uint64_t left) {
  const Region all = memory();
  while (left > 0) {
    const std::uint64_t pages = std::min(left, all.pages - next_page_);
    Region part = all;
    part.base = all.base + Bytes(next_page_ << 12U);
    part.pages = pages;
    mm_.unmap(thread, part.base, pages);
    mm_.map(thread, part);
    next_page_ = (next_page_ + pages) % all.pages;
    left -= pages;
  }
}

void Process::finish(Thread& thread) {
  state_ = State::ends;
  if (group_.params.end == ProcessEnd::orderly && !killed_) close(thread);
  mm_.exit(thread);
  close(thread);
  finished_ = true;
  ++group_.stats.finished;
  group_.last_exit = thread.now();
  if (group_.exited) group_.exited();
}

}  // namespace viosim
