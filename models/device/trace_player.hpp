// Plays a recorded stream: its requests as device traffic, and around them what software did when it was recorded.
// SPDX-License-Identifier: Apache-2.0
//
// Records are taken in the order of the stream, each not before its recorded time. With `in_flight`
// 1 each request and each descriptor is over before the next record begins, as in an emulator that
// holds one lock; with more, requests overlap, and records of software (maps, descriptors) still
// wait for descriptors that were posted before. Requests are recorded at the IOMMU, so no link is
// crossed before the look-up.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/engine.hpp"
#include "core/des/trace.hpp"
#include "models/device/dma_fabric.hpp"
#include "models/device/recorded_stream.hpp"
#include "models/host/invalidation_driver.hpp"
#include "models/iommu/vtd/unit.hpp"
#include "models/trace_events.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

struct TracePlayerParams {
  std::uint32_t in_flight = 1;
  std::uint32_t speed = 1;

  static constexpr auto fields() {
    using P = TracePlayerParams;
    return Fields{field("in_flight", &P::in_flight,
                        "Requests in flight at a time. 1 plays one record after the other, as "
                        "a hypervisor under one lock does.")
                      .from(1)
                      .to(4096),
                  field("speed", &P::speed,
                        "Plays this many times faster than recorded: the gaps between records "
                        "are divided by it.")
                      .from(1)
                      .to(1'000'000)};
  }
  bool operator==(const TracePlayerParams&) const = default;
};

// What happens to recorded requests only.
struct RecordedStats {
  std::uint64_t bypassed = 0;
  static constexpr auto fields() {
    return Fields{metric("bypassed", &RecordedStats::bypassed, Unit::count,
                         "Requests that were recorded as not translated, and were not looked up.")};
  }
};

// How one request of the stream came out, against what was recorded.
struct Disagreement {
  RecordedOp recorded;
  RecordedOutcome outcome = RecordedOutcome::unknown;
  Hpa address;
  FaultCode fault = FaultCode::none;
};

struct Agreement {
  static constexpr std::size_t kept = 10;
  std::uint64_t comparable = 0;  // requests to be played whose outcome was recorded
  std::uint64_t compared = 0;    // as many, when all were played
  std::uint64_t agreed = 0;
  std::uint64_t bypassed = 0;       // requests that were recorded as not translated
  std::vector<Disagreement> first;  // at most `kept`
};

// The first record of a stream that an IOMMU with such a queue would not take, and what it says.
struct RefusedRecord {
  std::uint32_t line = 0;
  std::string says;  // "a descriptor with an address mask of 20; expected ..."
};
std::optional<RefusedRecord> first_refused(const RecordedStream& stream,
                                           const vtd::InvalidationQueueParams& queue);

class TracePlayer final : public EventHandler, public WalkClient, public InvalidationDriver::Done {
 public:
  struct Wiring {
    Engine& engine;
    PhysicalMemory& memory;
    vtd::Unit& unit;
    InvalidationDriver& driver;
    Tracer& tracer;
  };
  // What one requester id of the stream did.
  struct Function {
    Bdf source{};
    IommuPort port;
    DeviceStats stats;
    RecordedStats recorded;
    Histogram latency;  // arrival to translation
    std::uint32_t component = 0;
  };

  // `stream` outlives the player. `number`: its place in the order of events. `components`: one per
  // requester of the stream, then one for the software.
  TracePlayer(std::string path, const TracePlayerParams& params, const RecordedStream& stream,
              const Wiring& wiring, std::uint32_t number, std::vector<std::uint32_t> components);

  // Schedules the first record. `until`: records at or after that instant are left out.
  void start(Instant until);

  const std::string& path() const { return path_; }
  const std::vector<Function>& functions() const { return functions_; }
  const Agreement& agreement() const { return agreement_; }
  // In records.
  Workload workload() const { return {next_op_, end_op_ - next_op_}; }
  // What is left to do when the run is at its end; nothing when all was played and answered.
  std::optional<std::string> unfinished() const;
  std::uint64_t maps() const { return maps_; }
  std::uint64_t unmaps() const { return unmaps_; }
  std::uint64_t descriptors() const { return descriptors_; }

  void fire(std::uint64_t what) override;
  void walked(std::uint64_t cookie, const WalkResult& result) override;
  void descriptor_done() override;

 private:
  // A domain of the recording, with a page table of its own.
  struct Domain {
    PageTable table;
    DomainId id;
  };
  struct Walking {
    std::size_t op;
    std::uint32_t function;
    Instant arrival;
  };

  void schedule_next(Instant earliest);
  void play(const RecordedOp& op);
  void request(const RecordedOp& op);
  void attach(const RecordedOp& op);
  bool flush_left_domain(const RecordedOp& op);
  void post(std::uint64_t low, std::uint64_t high);
  void invalidate(const RecordedOp& op);
  void judge(const RecordedOp& op, RecordedOutcome outcome, Hpa address, FaultCode fault);
  void finish(Function& function, const RecordedOp& op, Instant arrival, Instant end,
              RecordedOutcome outcome, Hpa address, FaultCode fault);
  void emit(EventKind kind, std::uint32_t component, const RecordedOp& op, Ps duration,
            std::uint64_t value, std::uint16_t code);
  Domain& domain(std::uint32_t number);
  Function& function_of(std::uint16_t sid);

  std::string path_;
  TracePlayerParams params_;
  const RecordedStream& stream_;
  Wiring to_;
  std::uint32_t number_;
  std::uint32_t software_component_ = 0;
  std::vector<Function> functions_;
  std::map<std::uint32_t, Domain> domains_;
  std::map<std::uint16_t, std::uint32_t> attached_;  // requester to domain
  std::vector<Walking> walking_;
  std::vector<std::uint32_t> free_walking_;
  std::uint32_t in_flight_ = 0;
  std::size_t next_op_ = 0;
  std::size_t end_op_ = 0;
  bool held_ = false;    // the next record waits for a request or a descriptor
  bool posted_ = false;  // a descriptor is on its way
  Agreement agreement_;
  std::uint64_t maps_ = 0;
  std::uint64_t unmaps_ = 0;
  std::uint64_t descriptors_ = 0;
};

}  // namespace viosim
