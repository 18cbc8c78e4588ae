// The event trace of a run: fixed-size typed events, appended on the hot path, handed over in
// blocks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace viosim {

// One thing that happened. What `address`, `value` and `code` mean is said by the kind
// (models/trace_events.hpp); unused fields are 0.
struct TraceEvent {
  std::int64_t time = 0;  // ps: when it ended; events are emitted in an order that a rerun repeats,
                          // not sorted by time
  std::int64_t duration = 0;    // ps: how long it took
  std::uint64_t address = 0;    // what it was about, usually an IOVA
  std::uint64_t value = 0;      // what came of it, usually a physical address
  std::uint32_t component = 0;  // index of the component's path in the run's string table
  std::uint32_t pasid = 0;
  std::uint32_t epoch = 0;  // which life of that PASID
  std::uint16_t kind = 0;
  std::uint16_t code = 0;  // outcome, fault reason, granularity ...
  bool operator==(const TraceEvent&) const = default;
};
static_assert(sizeof(TraceEvent) == 48);

inline constexpr std::size_t trace_block_events = std::size_t{1} << 16;

// Takes full blocks. Called on the simulation's thread.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  // Takes the events and gives back a vector to fill next. What it holds is overwritten: giving
  // back a full one saves clearing it.
  virtual std::vector<TraceEvent> take(std::vector<TraceEvent> events) = 0;
};

// Looks at events one by one, in the order in which they are emitted, whether they are recorded or
// not. Called on the simulation's thread.
class TraceObserver {
 public:
  virtual void observe(const TraceEvent& event) = 0;
  // Whether it wants the answers to single requests, too, which are most of all events. May change
  // with every event that it observes, and with no other call.
  virtual bool wants_requests() const = 0;

 protected:
  ~TraceObserver() = default;
};

// Where models write events. Costs one predictable branch when nobody listens.
class Tracer {
 public:
  Tracer() = default;  // off
  explicit Tracer(TraceSink& sink) { start(sink); }
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // Events go there from now on.
  void start(TraceSink& sink);
  void start(TraceObserver& observer);  // also there
  bool on() const { return on_; }
  bool follows_requests() const { return follows_requests_; }  // emit_request() has a listener
  bool recording() const { return next_ != nullptr; }
  std::uint64_t handed_over() const { return handed_over_; }  // events; all of them after finish()
  void emit(const TraceEvent& event) {                        // only when on()
    if (recording()) record(event);
    if (observer_ != nullptr) show(event);
  }
  // The answer to a request; only when follows_requests().
  void emit_request(const TraceEvent& event) {
    if (recording()) record(event);
    if (observed_requests_) [[unlikely]]
      show(event);
  }
  void record(const TraceEvent& event) {  // only when recording(): what no observer needs
    *next_++ = event;
    if (next_ == end_) [[unlikely]]
      hand_over();
  }
  void finish();  // hands over the rest; the tracer is off afterwards

 private:
  void hand_over();
  void aim();
  void show(const TraceEvent& event);
  void look_who_listens();

  TraceEvent* next_ = nullptr;
  TraceEvent* end_ = nullptr;
  bool on_ = false;
  bool follows_requests_ = false;
  bool observed_requests_ = false;
  TraceSink* sink_ = nullptr;
  TraceObserver* observer_ = nullptr;
  std::uint64_t handed_over_ = 0;
  std::vector<TraceEvent> block_;
};

}  // namespace viosim
