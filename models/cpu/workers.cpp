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
  Cpus::Turn turn = Cpus::Turn::behind_others;
};

Workers::Workers(Engine& engine, Cpus& cpus, std::string name, std::uint32_t number)
    : engine_(engine), cpus_(cpus), name_(std::move(name)), number_(number) {}

Workers::~Workers() = default;

void Workers::post(Job job, Cpus::Turn turn) {
  engine_.hold();
  if (!idle_.empty()) {
    Worker& worker = *idle_.back();
    idle_.pop_back();
    worker.job = std::move(job);
    worker.turn = turn;
    worker.woken.raise();
    return;
  }
  const std::string name = fmt::format("{}/{}", name_, workers_.size());
  Worker& worker = *workers_.emplace_back(std::make_unique<Worker>(engine_, cpus_, name));
  worker.job = std::move(job);
  worker.turn = turn;
  engine_.spawn(name, Lifetime::serves, [this, &worker] { serve(worker); });
}

void Workers::end() {
  ended_ = true;
  for (const auto& worker : workers_) worker->thread.end();
}

void Workers::work(Worker& worker) {
  if (ended_) return;
  try {
    worker.job(worker.thread);
  } catch (const ThreadGone&) {
  }
}

void Workers::serve(Worker& worker) {
  for (;;) {
    worker.thread.start(worker.turn);
    work(worker);
    worker.job = nullptr;
    worker.thread.stop();
    idle_.push_back(&worker);
    engine_.release();
    worker.woken.wait();
  }
}

void Workers::post_at(Instant at, Job job, Cpus::Turn turn) {
  if (later_free_.empty()) {
    later_free_.push_back(static_cast<std::uint32_t>(later_.size()));
    later_.emplace_back();
  }
  const std::uint32_t slot = later_free_.back();
  later_free_.pop_back();
  later_[slot] = {std::move(job), turn};
  engine_.agenda().schedule(at, rank(EventClass::timer, number_), *this, slot);
}

void Workers::fire(std::uint64_t what) {
  Later due = std::exchange(later_[what], {nullptr, Cpus::Turn::behind_others});
  later_free_.push_back(static_cast<std::uint32_t>(what));
  post(std::move(due.job), due.turn);
}

}  // namespace viosim
