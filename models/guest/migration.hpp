// A guest's move to another host while it runs: its memory in rounds, then a pause in which it changes its
// residence.
// SPDX-License-Identifier: Apache-2.0
//
// In order. Prepare: the target's hypervisor opens its files there and attaches the functions that the guest
// is to have. Rounds: all of its memory is sent, then what was written meanwhile, and so on, until little is
// left or there were enough of them. Pause: vCPUs stop, what the source does for the guest finishes, its
// functions come to rest with what they have not done. Then the rest of the memory and all states are sent,
// and the target builds what the host has for the guest: system-wide PASIDs as the same numbers, guest-wide
// ones with numbers of its own behind them, and everything bound again. With that done the guest changes its
// residence and goes on, and the source is cleared up. Whatever fails before: the target is cleared up, and
// the guest goes on where it was.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "models/guest/residence.hpp"
#include "models/kernel/arrivals.hpp"
#include "models/network/network_link.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace viosim {

class Guest;

struct MigrationParams {
  Bandwidth dirty_rate{0};
  std::uint32_t rounds = 30;
  Bytes stop_below = 1_MiB;
  Bytes page_header = 8_B;
  Bytes vcpu_state = 4_KiB;
  Bytes device_state = 4_KiB;
  Bytes work_state = 64_B;
  Ps save = 5us;
  Ps load = 5us;
  Ps look = 1us;
  Ps rest_limit = 100ms;

  static constexpr auto fields() {
    using P = MigrationParams;
    return Fields{
        field("dirty_rate", &P::dirty_rate,
              "Memory that the guest's processors write in a time, as far as it has that much; "
              "writes to tables of IOMMUs and processes come on top, by themselves.",
              "of the load; 1-2 GB/s are a busy guest"),
        field("rounds", &P::rounds, "Most rounds before it is paused; 0: it is paused at once."),
        field("stop_below", &P::stop_below,
              "It is paused when no more than this has been written since the last round began.",
              "assumed"),
        field("page_header", &P::page_header, "Sent with each page.", "QEMU sends 8 bytes"),
        field("vcpu_state", &P::vcpu_state, "State of one vCPU.", "assumed"),
        field("device_state", &P::device_state,
              "State of one vIOMMU or function, without its queues in memory.", "assumed"),
        field("work_state", &P::work_state, "State of one piece of work that is not done.",
              "a descriptor"),
        field("save", &P::save, "Reading the state of one vCPU, vIOMMU or function, for software.",
              "assumed"),
        field("load", &P::load, "Writing it.", "assumed"),
        field("look", &P::look, "Between two looks at functions that have not come to rest yet.",
              "assumed"),
        field("rest_limit", &P::rest_limit,
              "How long functions may take to come to rest. When one has not by then, the guest "
              "stays and goes on.",
              "assumed: as long as a function may take for its reset (PCIe 4.0, 6.6.2)")};
  }
  bool operator==(const MigrationParams&) const = default;
};

// Why a guest stayed where it was.
enum class MigrationFailure : std::uint8_t {
  not_running,
  under_way,
  there_already,
  no_link,
  no_files,
  no_function,
  guest_ended,
  not_at_rest,
  pasid_taken,
  out_of_pasids,
  not_bound
};

constexpr auto choices(MigrationFailure) {
  using enum MigrationFailure;
  return std::array{
      Choice{not_running, "not-running", "it had not booted, or was gone"},
      Choice{under_way, "under-way", "it was migrating already"},
      Choice{there_already, "there-already", "it lives on that host"},
      Choice{no_link, "no-link", "no link leads from its host to that one"},
      Choice{no_files, "no-files", "the target's kernel refused the hypervisor its files"},
      Choice{no_function, "no-function", "a function of the target could not be attached"},
      Choice{guest_ended, "guest-ended", "it ended or panicked meanwhile"},
      Choice{not_at_rest, "not-at-rest", "a function of its did not come to rest in time"},
      Choice{pasid_taken, "pasid-taken", "one of its system-wide PASIDs is somebody else's there"},
      Choice{out_of_pasids, "out-of-pasids", "the target gave no PASID: quota or range used up"},
      Choice{not_bound, "not-bound", "the target refused to bind a page table of the guest"}};
}

constexpr std::string_view sentence_of(MigrationFailure why) {
  for (const auto& choice : choices(why))
    if (choice.value == why) return choice.sentence;
  return {};
}

// What became of one migration.
struct MigrationReport {
  std::string to;
  Instant began;
  std::optional<Instant> paused;
  std::optional<Instant> ended;  // the guest goes on, at the target or the source; or is gone
  std::uint64_t rounds = 0;
  std::uint64_t bytes = 0;
  std::uint64_t rebinds = 0;
  std::uint64_t kept_pasids = 0;
  std::uint64_t moved_work = 0;
  struct Failed {
    MigrationFailure why;
    Pasid pasid = no_pasid;  // that it was about
    Errno error = Errno::ok;
  };
  std::optional<Failed> failed;
  // Nothing while it is under way.
  Ps total() const { return ended ? *ended - began : Ps(0); }
  Ps downtime() const { return ended && paused ? *ended - *paused : Ps(0); }
};

class Migration {
 public:
  // Where to. Functions are of the same kind as those that the guest has, by their numbers. Without lanes
  // there is no link.
  struct Target {
    Host* host = nullptr;
    std::string name;  // for the report
    std::vector<Residence::Function> functions;
    NetworkLane* there = nullptr;
    NetworkLane* back = nullptr;
  };

  // The guest runs. `residence`: at the target, nothing opened yet.
  Migration(Guest& guest, const Target& target, Residence& residence, MigrationReport& report);
  Migration(const Migration&) = delete;
  Migration& operator=(const Migration&) = delete;

  // All of it, by a thread of the source's kernel; the guest's life goes on meanwhile.
  void run(Thread& thread);
  // The guest's residence is the one that it ends with; the other may still have to be cleared up.
  bool decided() const { return decided_; }
  bool over() const { return over_; }
  // For threads that may block.
  void wait_until_decided(Thread& thread);

 private:
  using Failed = std::optional<MigrationReport::Failed>;

  Failed attempt(Thread& thread);
  Failed prepare(Thread& thread);
  Failed send_rounds(Thread& thread);
  Failed pause(Thread& thread);
  Failed send_rest(Thread& thread);
  Failed open_target(Thread& thread);
  Failed attach(Thread& thread, std::size_t function);
  Failed build(Thread& thread);
  Failed take_pasids(Thread& thread);
  Failed bind_again(Thread& thread);
  Failed halt_functions(Thread& thread);
  bool functions_at_rest() const;
  void leave_out(Thread& thread);
  void go_on_at_source();
  void decide();
  void clear_up(Thread& thread, Residence& left);
  std::uint64_t memory_left() const;
  std::uint64_t on_wire(std::uint64_t memory) const;
  std::uint64_t devices() const;
  Ps states(Ps each) const;
  Failed ended() const;
  void send(Thread& thread, std::uint64_t bytes);
  // A thread of the target's does it, and this one waits.
  template <class Job>
  Failed at_target(Thread& thread, Job job);

  Guest& guest_;
  const MigrationParams& params_;
  Target target_;
  Residence& from_;
  Residence& to_;
  std::string path_;
  std::vector<bool> moves_;    // of each function, whether it comes along
  std::vector<Pasid> pasids_;  // that the guest has got from its host
  std::uint64_t written_ = 0;  // by processors, since the last round began
  bool decided_ = false;
  bool over_ = false;
  Arrivals arrivals_;  // of writes to the functions' registers
  Signal decision_;
  std::uint32_t waiting_ = 0;
  MigrationReport& report_;
};

}  // namespace viosim
