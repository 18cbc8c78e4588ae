// Jobs and who does them.
// SPDX-License-Identifier: Apache-2.0
#include "models/cpu/workers.hpp"

#include "models/event_order.hpp"

#include <fmt/format.h>

#include <utility>

namespace viosim {
struct Workers::Worker {
  Worker(Engine& engine, Cpus& cpus, const std::string& name)
      : thread(engine, cpus), woken(engine, name) {}
  Thread thread;
  Signal woken;
  Job job;
  std::uint32_t cpu = 0;  // for the job
};

Workers::Workers(Engine& engine, Cpus& cpus, std::string name, std::uint32_t number)
    : engine_(engine), cpus_(cpus), name_(std::move(name)), number_(number) {}

Workers::~Workers() = default;

void Workers::post(Job job, Cpus::Turn turn) {
  engine_.hold();
  cpus_.request(*this, keep(std::move(job), turn), turn);
}

std::uint64_t Workers::keep(Job job, Cpus::Turn turn) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(kept_.size()));
    kept_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  kept_[slot] = {std::move(job), turn};
  return slot;
}

// An idle worker does it, or a new one.
void Workers::cpu_given(std::uint32_t cpu, std::uint64_t slot) {
  const bool new_one = idle_.empty();
  if (new_one) {
    const std::string name = fmt::format("{}/{}", name_, workers_.size());
    idle_.push_back(workers_.emplace_back(std::make_unique<Worker>(engine_, cpus_, name)).get());
  }
  Worker& worker = *idle_.back();
  idle_.pop_back();
  worker.job = std::exchange(kept_[slot].job, nullptr);
  worker.cpu = cpu;
  free_.push_back(static_cast<std::uint32_t>(slot));
  worker.woken.raise();
  if (new_one)
    engine_.spawn(worker.woken.name(), Lifetime::serves, [this, &worker] { serve(worker); });
}

void Workers::end() {
  ended_ = true;
  for (const auto& worker : workers_) worker->thread.end();
}

void Workers::work(Worker& worker) {
  worker.thread.pass_gate();
  if (ended_) return;
  try {
    worker.job(worker.thread);
  } catch (const ThreadGone&) {
  }
}

// With its processor it may be given its next job, too.
void Workers::serve(Worker& worker) {
  for (;;) {
    worker.woken.wait();
    worker.thread.start(worker.cpu);
    work(worker);
    worker.job = nullptr;
    idle_.push_back(&worker);
    worker.thread.stop();
    engine_.release();
  }
}

void Workers::post_at(Instant at, Job job, Cpus::Turn turn) {
  engine_.agenda().schedule(at, rank(EventClass::timer, number_), *this,
                            keep(std::move(job), turn));
}

void Workers::fire(std::uint64_t slot) {
  engine_.hold();
  cpus_.request(*this, slot, kept_[slot].turn);
}

}  // namespace viosim
