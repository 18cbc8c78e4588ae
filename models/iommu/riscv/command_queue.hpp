// The command queue: a ring of 16-byte commands in memory that hardware fetches and executes in
// order.
// SPDX-License-Identifier: Apache-2.0
//
// Software writes commands into the ring and then the tail register (cqt). Hardware reads what lies
// between head and tail in one batch, and executes it command by command; each takes its cost and
// has its effect at the end of it. An illegal command stops the queue with head (cqh) pointing at it
// (cmd_ill), until software clears the error.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/agenda.hpp"
#include "core/des/trace.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/iommu.hpp"
#include "models/iommu/riscv/architecture.hpp"
#include "models/iommu/riscv/command.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace viosim::riscv {

struct CommandQueueParams {
  std::uint32_t entries = 256;
  Ps doorbell = 100ns;
  Ps fetch = 80ns;
  Ps fetch_each = 5ns;
  Ps translations = 200ns;
  Ps directory = 100ns;
  Ps ats = 700ns;
  Ps fence = 100ns;

  static constexpr auto fields() {
    using P = CommandQueueParams;
    return Fields{
        field("entries", &P::entries,
              "Commands in the ring: the most that software gives at once, its fence, and one that "
              "stays free are 4.",
              "assumed: as VT-d under Linux")
            .power_of_two()
            .from(4)
            .to(32768),
        field("doorbell", &P::doorbell, "Tail register write, processor to IOMMU.",
              "assumed, 50-200 ns"),
        field("fetch", &P::fetch, "Reading a batch of commands from memory.",
              "assumed: one DRAM read"),
        field("fetch_each", &P::fetch_each, "The same, for each command of the batch.", "assumed"),
        field("translations", &P::translations, "Executing an IOTINVAL command.", "assumed"),
        field("directory", &P::directory, "Executing an IODIR command.", "assumed"),
        field("ats", &P::ats, "Executing an ATS command: its message, and the device's answer.",
              "assumed: two link crossings and 300 ns in the device"),
        field("fence", &P::fence, "Executing IOFENCE.C: its data reach memory.", "assumed")};
  }
  bool operator==(const CommandQueueParams&) const = default;
};

struct CommandQueueStats {
  std::uint64_t commands = 0;
  std::uint64_t fences = 0;
  std::uint64_t batches = 0;
  std::uint64_t errors = 0;
  static constexpr auto fields() {
    using S = CommandQueueStats;
    return Fields{
        metric("commands", &S::commands, Unit::count, "Commands executed."),
        metric("fences", &S::fences, Unit::count, "Of these, IOFENCE.C."),
        metric("batches", &S::batches, Unit::count, "Batches fetched from memory."),
        metric("errors", &S::errors, Unit::count, "Illegal commands, which stopped the queue.")};
  }
};

// Who wants to know how far the queue is. Called from hardware events.
class CommandListener {
 public:
  virtual void command_executed() {}
  virtual void fence_written(Hpa /*address*/) {}
  virtual void queue_stopped(std::uint32_t /*head*/) {}
  // ATS.INVAL, ATS.PRGR: the message is at its device.
  virtual void ats_message(const Command& /*command*/) {}

 protected:
  ~CommandListener() = default;
};

class CommandQueue final : public EventHandler {
 public:
  // `number`: the IOMMU's place in the order of events.
  CommandQueue(const CommandQueueParams& params, const RiscvArchitecture& architecture,
               std::uint32_t number, Agenda& agenda, PhysicalMemory& memory, Iommu& iommu);

  // Registers, as software sees them.
  Hpa base() const { return base_; }
  std::uint32_t entries() const { return params_.entries; }
  static constexpr Bytes entry_size() { return Bytes(16); }
  std::uint32_t head() const { return head_; }
  void write_tail(std::uint32_t tail);  // takes effect `doorbell` later
  void clear_error();                   // the command at head is taken up again

  void listen(CommandListener& listener) { listener_ = &listener; }
  // Writes an event for every command executed.
  void trace_to(Tracer& tracer, std::uint32_t component) {
    tracer_ = &tracer;
    component_ = component;
  }
  void fire(std::uint64_t what) override;

  CommandQueueStats stats;
  Histogram batch_latency;  // start of the fetch to last command executed

 private:
  using Words2 = std::array<std::uint64_t, 2>;
  enum class What : std::uint8_t { doorbell, fetched, executed };
  void start_fetch();
  void fetched();
  void start_next();
  void executed();
  void effect(const Command& command);
  void emit(const Words2& command);
  bool legal(const Words2& command) const;
  Ps cost(CommandType type) const;
  void schedule(Ps after, What what, std::uint64_t argument = 0);

  CommandQueueParams params_;
  const RiscvArchitecture& architecture_;
  std::uint32_t number_;
  Agenda& agenda_;
  PhysicalMemory& memory_;
  Iommu& iommu_;
  CommandListener* listener_ = nullptr;
  Tracer* tracer_ = nullptr;
  std::uint32_t component_ = 0;
  Hpa base_;
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  bool busy_ = false;
  bool stopped_ = false;
  std::uint32_t fetched_until_ = 0;
  std::vector<Words2> batch_;
  std::size_t batch_at_ = 0;  // the one being executed
  Instant batch_start_;
  Instant command_start_;
};

}  // namespace viosim::riscv
