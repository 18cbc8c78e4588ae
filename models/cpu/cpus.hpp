// The processors of a simulated kernel: threads take them first come, first served, and keep them
// until they block.
// SPDX-License-Identifier: Apache-2.0
//
// What is modelled: how many there are, who waits for one, what each spends its time on. What is
// left out: time slices and priorities (a thread that does not block keeps its processor; interrupt
// threads queue at the front), migration costs, and processors of the host under guests (every vCPU
// has one of its own, so a guest that computes disturbs nobody).
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "models/cpu/gate.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace viosim {

// Where the time of one processor went; the rest it was idle.
struct CpuStats {
  Ps working{0};
  Ps spinning{0};
  Ps away{0};
  static constexpr auto fields() {
    using S = CpuStats;
    return Fields{
        metric("working", &S::working, Unit::picoseconds, "Running this kernel's own code."),
        metric("spinning", &S::spinning, Unit::picoseconds,
               "Waiting for spinlocks of this kernel."),
        metric(
            "away", &S::away, Unit::picoseconds,
            "A vCPU: stopped, while its thread runs the hypervisor's code or waits for the host.")};
  }
};

// Someone who has work for a processor, and needs nothing before he gets one.
class CpuClient {
 public:
  virtual void cpu_given(std::uint32_t cpu, std::uint64_t cookie) = 0;

 protected:
  ~CpuClient() = default;
};

class Cpus {
 public:
  enum class Turn : std::uint8_t { behind_others, before_others };

  Cpus(Engine& engine, std::string path, std::uint32_t count);
  Cpus(const Cpus&) = delete;
  Cpus& operator=(const Cpus&) = delete;

  // For actors: returns once one is free, with its number; the lowest free one is taken.
  std::uint32_t take(Turn turn = Turn::behind_others);
  // From anybody: the client is given one, within this call if one is free.
  void request(CpuClient& client, std::uint64_t cookie, Turn turn = Turn::behind_others);
  void give_back(std::uint32_t cpu);

  const std::string& path() const { return path_; }
  std::uint32_t count() const { return static_cast<std::uint32_t>(stats_.size()); }
  std::uint32_t free() const { return free_count_; }
  CpuStats& stats(std::uint32_t cpu) { return stats_[cpu]; }
  const CpuStats& stats(std::uint32_t cpu) const { return stats_[cpu]; }

  Gate gate;
  Histogram run_delay;  // able to run until running; only of those that had to wait

 private:
  // An actor, or a client.
  struct Waiter {
    Signal* chosen = nullptr;
    std::uint32_t* cpu = nullptr;  // which the actor got
    CpuClient* client = nullptr;
    std::uint64_t cookie = 0;
    Instant since;
  };
  std::uint32_t take_free();
  void queue(const Waiter& waiter, Turn turn);

  Engine& engine_;
  std::string path_;
  std::vector<CpuStats> stats_;
  std::vector<bool> busy_;
  std::uint32_t free_count_;
  std::deque<Waiter> waiters_;
};

}  // namespace viosim
