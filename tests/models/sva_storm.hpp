// Processes that map, unmap, bind, unbind and end at random, over devices that use their addresses;
// somebody watches that no device ever uses a frame that is no longer the page's.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/rng.hpp"
#include "tests/support/kernel_rig.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace viosim::test {

class SvaStorm final : private SvaClient {
 public:
  explicit SvaStorm(std::uint64_t seed);
  // `disturb`: before anything happens.
  void run(const std::function<void(KernelRig&)>& disturb = {});

  const std::string& log() const { return log_; }
  std::uint64_t stale() const { return stale_; }  // uses of frames that were not the page's
  std::uint64_t sum(std::uint64_t ScriptedDevice::*of) const;  // over all devices
  std::string leftovers();  // what is not as at the beginning; empty: nothing
  KernelRig& rig() { return rig_; }

 private:
  static constexpr std::uint64_t slots = 6;  // for regions
  static constexpr std::uint64_t slot_pages = 8;
  static constexpr unsigned device_count = 3;
  // What is unmapped, and when that was over.
  struct Unmapping {
    Iova base;
    Iova end;
    Instant over = Instant::latest();
  };
  // A life of a process, with what its other thread shares.
  struct Process {
    explicit Process(Engine& engine, const std::string& name)
        : rng(1, name), helper_done(engine, name + " helper") {}
    Mm* mm = nullptr;
    Rng rng;
    Signal helper_done;
    std::map<unsigned, std::uint32_t> bound;  // by device
    std::deque<Unmapping> unmappings;
    Pasid pasid = no_pasid;
  };

  void live(Thread& thread, const std::string& name);
  void help(Thread& thread, Process& process, Rng rng);
  void act(Thread& thread, Process& process);
  void map(Thread& thread, Process& process, Rng& rng);
  void unmap(Thread& thread, Process& process, Rng& rng);
  void touch(Thread& thread, Process& process, Rng& rng);
  void bind(Thread& thread, Process& process, unsigned device);
  void unbind(Thread& thread, Process& process, unsigned device, bool polite);
  void use(Process& process);
  void end(Thread& thread, Process& process);
  void probe(Thread& thread);
  void mm_exit(Thread& thread, Bdf source, Pasid pasid) override;
  void on_use(Pasid pasid, Iova page, Hpa frame, Instant since);
  void note(const std::string& who, const std::string& what);
  Iova random_page(Rng& rng);

  Rng rng_;
  KernelRig rig_;
  std::deque<Process> processes_;
  Signal life_over_;
  std::string log_;
  std::uint64_t stale_ = 0;
  std::uint32_t most_pasid_ = 0;
};

}  // namespace viosim::test
