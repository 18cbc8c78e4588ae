// The virtual command registers of one vIOMMU, as its hypervisor keeps them: idle, or busy with the
// one command that may be outstanding.
// SPDX-License-Identifier: Apache-2.0
//
// No time passes here. Who carries a command out does so when and where it likes, and completes it
// once with the number that it got.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "models/trace_point.hpp"
#include "models/vmm/virtual_command_format.hpp"

#include <cstdint>
#include <optional>

namespace viosim {

struct VirtualCommandStats {
  std::uint64_t commands = 0;
  std::uint64_t failed = 0;
  std::uint64_t no_pasid = 0;
  std::uint64_t bad_pasid = 0;
  std::uint64_t dropped_busy = 0;
  std::uint64_t ignored = 0;
  std::uint64_t undefined = 0;
  std::uint64_t late = 0;
  static constexpr auto fields() {
    using S = VirtualCommandStats;
    return Fields{
        metric("commands", &S::commands, Unit::count, "Commands taken."),
        metric("failed", &S::failed, Unit::count,
               "Of these, completed with another status than 0."),
        metric("no_pasid", &S::no_pasid, Unit::count,
               "Allocations completed with the status for no PASID: 16, in the old layout 1."),
        metric("bad_pasid", &S::bad_pasid, Unit::count,
               "Frees completed with the status for a bad PASID: 16, in the old layout 2."),
        metric("dropped_busy", &S::dropped_busy, Unit::count,
               "Writes ignored because a command was in progress."),
        metric("ignored", &S::ignored, Unit::count,
               "Writes ignored because PASIDs are not offered (PAS clear)."),
        metric("undefined", &S::undefined, Unit::count,
               "Commands with an opcode nobody knows, completed with status 1."),
        metric("late", &S::late, Unit::count,
               "Completions that found their command gone: after a reset, or the vIOMMU ejected.")};
  }
};

class VirtualCommand {
 public:
  struct Order {
    std::uint64_t number = 0;
    VcmdCommand command;
  };

  // `pasids`: VCCAP.PAS.
  VirtualCommand(Engine& engine, VcmdLayout layout, bool pasids)
      : engine_(engine),
        format_(layout),
        pasids_(pasids),
        changed_(engine, "a virtual command's response") {}

  const VcmdFormat& format() const { return format_; }
  std::uint64_t capability() const { return VcmdFormat::capability(pasids_); }
  std::uint64_t response() const { return response_; }
  bool busy() const { return order_ != 0; }

  // The command register is written. Nothing when there is nothing to carry out: the write is
  // ignored, or completed at once.
  // `overwrites`, an error: the one that is outstanding is forgotten.
  std::optional<Order> write(std::uint64_t bits, bool overwrites = false);
  bool complete(std::uint64_t number, std::uint8_t status, Pasid result = Pasid(0),
                bool unasked = false);
  bool outstanding(std::uint64_t number) const { return order_ == number; }
  // Idle, response 0; who carries a command out is too late.
  void reset();

  // For one guest's thread that polls: raised when the response may have changed.
  Signal& changed() { return changed_; }
  void expect_change(bool on) { expected_ = on; }
  void tell_change();

  VirtualCommandStats stats;
  TracePoint trace;

 private:
  void count_failed();
  void tell_written(const VcmdCommand& command) const;
  void tell_done(std::uint64_t number, Pasid result, std::uint16_t code) const;

  Engine& engine_;
  VcmdFormat format_;
  bool pasids_;
  Signal changed_;
  bool expected_ = false;
  std::uint64_t response_ = 0;
  std::uint64_t order_ = 0;  // the number of the one outstanding; 0: idle
  std::uint8_t opcode_ = 0;  // of that one
  std::uint64_t last_number_ = 0;
  Instant written_;  // the one outstanding
};

}  // namespace viosim
