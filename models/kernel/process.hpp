// Processes that work with devices: what one does from its start to its exit.
// SPDX-License-Identifier: Apache-2.0
//
// A process maps a window of memory, opens its devices (each binds it), and then works in rounds: it
// gives each device a piece of work over the window, waits for all of them, unmaps some pages and
// maps them again, and pauses. At the end it closes its devices and exits; or exits without, and
// closes them afterwards, as a kernel does for it. It is data: only while it has something to do
// does it occupy a thread.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "models/kernel/function_driver.hpp"
#include "models/kernel/kernel.hpp"
#include "models/trace_point.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace viosim {

enum class ProcessEnd : std::uint8_t { orderly, exit_first };

constexpr auto choices(ProcessEnd) {
  return std::array{
      Choice{ProcessEnd::orderly, "orderly", "closes its devices, then exits"},
      Choice{
          ProcessEnd::exit_first, "exit-first",
          "exits while its devices are open: they are stopped on its exit, and closed after it"}};
}

struct ProcessParams {
  DmaParams work = a_round();
  Iova base{0x7f00'0000'0000};
  Backing backing = Backing::memory;
  bool populate = false;
  std::uint32_t rounds = 1;
  Ps pause{0};
  std::uint64_t unmap = 0;
  std::uint32_t unmap_every = 1;
  bool rebind = false;
  bool without_pasid = false;
  bool supervisor = false;
  ProcessEnd end = ProcessEnd::orderly;

  static constexpr auto fields() {
    using P = ProcessParams;
    return Fields{
        field("work", &P::work,
              "What each of its devices does in a round; `requests` of them. Pages that are "
              "missing are requested: `on_fault` is \"retry\"."),
        field("base", &P::base, "Where its memory begins.").multiple_of(Iova(page_4k.count())),
        field("backing", &P::backing, "Where the content of a page is before it is first touched."),
        field("populate", &P::populate,
              "It touches all of its memory itself before each round; otherwise devices' page "
              "requests bring the pages in."),
        field("rounds", &P::rounds, "How often it works; 0: it opens its devices, and exits."),
        field("pause", &P::pause, "From the end of a round to the next."),
        field(
            "unmap", &P::unmap,
            "Pages that it unmaps after each round, and maps again: the next ones of its memory."),
        field("unmap_every", &P::unmap_every,
              "Rounds from one unmapping to the next: 1 is strict; with more, what these rounds "
              "are to unmap is unmapped together, by one flush. Until then devices reach it.",
              "1; Linux' deferred unmapping flushes once for 250 buffers or after 10 ms")
            .from(1),
        field("rebind", &P::rebind,
              "It closes its devices after each round, and opens them again."),
        field("without_pasid", &P::without_pasid,
              "It gets its devices whole: their requests carry no PASID, and are its own. What is "
              "no memory to such requests, such as the interrupt window at 0xfee00000, it must not "
              "have mapped (-EBUSY); nor may another process have the device so. Not with a shared "
              "queue."),
        field("supervisor", &P::supervisor,
              "It asks for the kernel's own address space, which is refused (-EOPNOTSUPP)."),
        field("end", &P::end, "How it ends.")};
  }
  void check(const Where& where) const;
  bool operator==(const ProcessParams&) const = default;
  static constexpr DmaParams a_round() {
    DmaParams work;
    work.requests = 64;
    work.on_fault = OnFault::retry;
    return work;
  }
};

struct ProcessStats {
  std::uint64_t started = 0;
  std::uint64_t finished = 0;
  std::uint64_t rounds = 0;
  std::uint64_t work_failed = 0;
  std::uint64_t unmaps = 0;
  std::uint64_t killed = 0;
  std::uint64_t failed = 0;
  // Of these, by what the failing call answered.
  std::uint64_t einval = 0;
  std::uint64_t ebusy = 0;
  std::uint64_t enodev = 0;
  std::uint64_t enomem = 0;
  std::uint64_t eoverflow = 0;
  std::uint64_t enoent = 0;
  std::uint64_t eagain = 0;
  std::uint64_t other_errors = 0;

  static constexpr auto fields() {
    using S = ProcessStats;
    return Fields{
        metric("started", &S::started, Unit::count, "Processes started."),
        metric("finished", &S::finished, Unit::count, "Processes that have exited."),
        metric("rounds", &S::rounds, Unit::count, "Rounds of work done."),
        metric("work_failed", &S::work_failed, Unit::count,
               "Pieces of work that ended with an error."),
        metric("unmaps", &S::unmaps, Unit::count, "Times that one unmapped pages."),
        metric("killed", &S::killed, Unit::count, "Processes that were killed."),
        metric("failed", &S::failed, Unit::count,
               "Calls that failed: opening a device, or submitting to it. The process then ends."),
        metric("einval", &S::einval, Unit::count, "Of these, with -EINVAL."),
        metric("ebusy", &S::ebusy, Unit::count, "Of these, with -EBUSY."),
        metric("enodev", &S::enodev, Unit::count, "Of these, with -ENODEV."),
        metric("enomem", &S::enomem, Unit::count, "Of these, with -ENOMEM."),
        metric("eoverflow", &S::eoverflow, Unit::count, "Of these, with -EOVERFLOW."),
        metric("enoent", &S::enoent, Unit::count, "Of these, with -ENOENT."),
        metric("eagain", &S::eagain, Unit::count, "Of these, with -EAGAIN."),
        metric("other_errors", &S::other_errors, Unit::count, "Of these, with another error.")};
  }
  void count(Errno error);
};

// What many processes have in common.
struct ProcessGroup {
  Kernel& kernel;
  TableMemory& memory;  // for their page tables
  FramePool& frames;
  ProcessParams params;
  std::vector<FunctionDriver*> devices;  // that each of them opens
  const ZipfTable* zipf = nullptr;
  ProcessStats stats;
  Histogram round_latency;  // first submission to last completion, seen by the process
  Instant last_exit;        // of a process
  // No process begins a round from this instant on, but its first.
  Instant until = Instant::latest();
  // Told by a thread of the kernel when a process has exited.
  std::function<void()> exited{};
  TracePoint trace{};    // of its processes' address spaces
  Histogram exposure{};  // end of a round to the flush of the pages that it unmaps
};

class Process {
 public:
  Process(ProcessGroup& group, std::string name);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // From anybody, once.
  void start();
  // From anybody: it exits without closing its devices, which are stopped, and closed after it. Where it is
  // in a call of its kernel it goes on to the end of that first. False: it does not run, or is killed
  // already.
  bool kill();
  bool finished() const { return finished_; }
  const Mm& mm() const { return mm_; }

 private:
  // Idle: its devices work, or it pauses, and nothing of it occupies a thread.
  enum class State : std::uint8_t { not_started, busy, idle, ends };

  void begin(Thread& thread);
  void rest(Thread& thread);
  void go_on(Thread& thread);
  bool touch(Thread& thread);
  bool open(Thread& thread);
  void close(Thread& thread);
  void round(Thread& thread);
  void work_ended(Thread& thread, FunctionDriver::End how);
  void after_round(Thread& thread);
  void unmap_some(Thread& thread);
  void unmap_pages(Thread& thread, std::uint64_t left);
  void finish(Thread& thread);
  void fail(Errno error);
  Region memory() const;

  ProcessGroup& group_;
  Mm mm_;
  std::vector<FunctionDriver::Use> uses_;  // of the devices, in their order
  std::uint32_t rounds_ = 0;
  std::size_t pending_ = 0;  // pieces of work
  std::uint64_t next_page_ = 0;
  std::vector<Instant> unmap_due_;  // the ends of rounds whose pages are still mapped
  Instant since_;
  State state_ = State::not_started;
  bool failed_ = false;
  bool killed_ = false;
  bool finished_ = false;
};

}  // namespace viosim
