// A kernel's threads: whatever there is to do is done by one of them.
// SPDX-License-Identifier: Apache-2.0
//
// Processes and interrupt handlers are data; a thread exists while one of them has something to do,
// and serves the next one afterwards. One that has no processor yet needs no thread. So a guest with a
// thousand sleeping processes needs as many actors as it has processors and threads that wait in
// the middle of something, not a thousand.
#pragma once

#include "core/des/engine.hpp"
#include "models/cpu/thread.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace viosim {

class Workers final : public EventHandler, private CpuClient {
 public:
  using Job = std::function<void(Thread&)>;

  // `number`: its place in the order of events at one instant.
  Workers(Engine& engine, Cpus& cpus, std::string name, std::uint32_t number);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Starts a job now, as soon as a processor is free. From actors and from hardware events. The run
  // is not over before the job has returned.
  void post(Job job, Cpus::Turn turn = Cpus::Turn::behind_others);
  // The same at an instant that is not before now.
  void post_at(Instant at, Job job, Cpus::Turn turn = Cpus::Turn::behind_others);

  // Their kernel is no more. Jobs end as Thread::end() says; those that have not begun never do.
  void end();

  std::size_t threads() const { return workers_.size(); }
  std::size_t at_work() const { return workers_.size() - idle_.size(); }

  void fire(std::uint64_t what) override;

 private:
  struct Worker;
  void cpu_given(std::uint32_t cpu, std::uint64_t slot) override;
  std::uint64_t keep(Job job, Cpus::Turn turn);
  void serve(Worker& worker);
  void work(Worker& worker);

  Engine& engine_;
  Cpus& cpus_;
  std::string name_;
  std::uint32_t number_;
  bool ended_ = false;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Worker*> idle_;  // the one that was busy last is taken first
  // Jobs that have not begun: they wait for their instant, or for a processor.
  struct Kept {
    Job job;
    Cpus::Turn turn;
  };
  std::vector<Kept> kept_;
  std::vector<std::uint32_t> free_;  // places among these
};

}  // namespace viosim
