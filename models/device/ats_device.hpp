// A function with a translation cache of its own, and work queues: requests look for their translation
// in the device first, ask the IOMMU for it otherwise, and ask software for missing pages.
// SPDX-License-Identifier: Apache-2.0
//
// The life of a request. A queue whose turn it is issues it, and it is looked up in the device TLB. A
// hit crosses the link as a translated request: the IOMMU checks that the function may send those, and
// it reaches memory. A miss first sends a translation request over the link; the IOMMU looks it up or
// walks; the completion crosses the link back, is kept, and the request goes out translated. Where the
// completion lacks the rights, the request waits for a page (page_requester.hpp) or ends with an
// error.
//
// Each message takes an event. Devices without a TLB are in dma_fabric.hpp, which needs none for hits.
// The queues' side is in ats_device_queues.cpp, messages other than requests in ats_device_messages.cpp.
#pragma once

#include "core/des/agenda.hpp"
#include "core/des/trace.hpp"
#include "models/device/ats_params.hpp"
#include "models/device/device_tlb.hpp"
#include "models/device/dma_fabric.hpp"
#include "models/device/page_requester.hpp"
#include "models/device/round_robin.hpp"
#include "models/device/work_queues.hpp"
#include "models/event_order.hpp"
#include "models/iommu/iommu.hpp"
#include "models/pcie/ats.hpp"
#include "models/trace_events.hpp"
#include "models/trace_point.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace viosim {

// Software that wants to know when a function that it stopped has nothing in flight.
class StopListener {
 public:
  virtual void stopped(Bdf source) = 0;  // from a hardware event, or from within stop()

 protected:
  ~StopListener() = default;
};

class AtsDevice final : public EventHandler,
                        public WalkClient,
                        public AtsFunction,
                        public WorkQueues {
 public:
  struct Wiring {
    Agenda& agenda;
    Tracer& tracer;
    AtsHost& host;
    const PasidLives* lives = nullptr;  // of the kernel whose PASIDs it is given
  };
  // One queue, enabled from the start; nothing disables it. `device.dma.on_fault` has no meaning here:
  // a fault is a page request, or an error.
  AtsDevice(const DmaFabric::Device& device, const AtsParams& ats,
            const std::optional<PriParams>& pri, const Wiring& wiring);
  // With queues that software enables.
  AtsDevice(const DeviceFunction& function, const AtsParams& ats,
            const std::optional<PriParams>& pri, const Wiring& wiring);
  // A virtual function: it shares the page requests of its physical function, which outlives it, and
  // its resets and removals.
  AtsDevice(const DeviceFunction& function, const AtsParams& ats, AtsDevice& physical,
            const Wiring& wiring);
  AtsDevice(const AtsDevice&) = delete;
  AtsDevice& operator=(const AtsDevice&) = delete;

  // The function as a whole.
  enum class State : std::uint8_t { run, stopping, stopped, reset, gone };
  State state() const { return state_; }
  // No new requests; those in flight finish, without asking for further pages. Then, if wanted, a stop
  // marker is sent, and the function is stopped. Queues stay enabled.
  void stop(bool marker);
  void start();  // again
  // Leaves at least this much after each request from the next one on.
  void set_interval(Ps interval);
  // Function-level reset: requests in flight, the device TLB and page request groups are gone; nobody
  // gets an answer. Silent, and page requests disabled, until told otherwise.
  void reset();
  void enable_page_requests();
  bool page_requests_enabled() const { return pages_ != nullptr && pages_->enabled(); }
  void listen(StopListener& listener) { stop_listener_ = &listener; }

  // Its queues.
  std::uint32_t queues() const override { return static_cast<std::uint32_t>(queues_.size()); }
  QueueState queue_state(std::uint32_t queue) const override;
  void enable(std::uint32_t queue, const QueueWork& work) override;
  void stop_queue(std::uint32_t queue, bool marker) override;
  // All queues with this PASID. One marker, after the last of them; then all of listen_to_pasids() are told.
  void stop_pasid(Pasid pasid, bool marker);
  // Of a PASID that was stopped and does not come to its stop: requests that wait for a page end with an
  // error, whoever was to answer.
  void abort_pasid(Pasid pasid);
  void listen_to_pasids(QueueListener& listener) { pasid_listeners_.push_back(&listener); }
  void listen_no_more(QueueListener& listener) { std::erase(pasid_listeners_, &listener); }
  void reset_function() override;
  void remove() override;
  void insert() override;
  bool present() const override { return state_ != State::gone; }
  // Of a PASID of its host's kernel, now: for `QueueWork::pasid_life`.
  std::uint32_t life_of(Pasid pasid) const { return trace_.epoch_of(pasid); }
  void tell_plugged() const;  // once the trace is on: what is there from the beginning
  std::uint64_t requests_in_flight() const override { return in_flight_; }
  const WorkQueueStats& queue_stats() const override { return queue_stats_; }
  // It is running, and has not done all of its work.
  bool at_work(std::uint32_t queue) const;
  // Of its last stop. Since then it has not been enabled.
  QueueRest rest(std::uint32_t queue) const { return rests_[queue]; }
  bool pasid_in_use(Pasid pasid) const;  // by a queue that is running or stopping

  void invalidate(const AtsInvalidation& invalidation) override;
  void answer(const PageResponse& response) override;
  Ps answer_time() const override { return config_.link.latency; }
  void fire(std::uint64_t what) override;
  void walked(std::uint64_t cookie, const WalkResult& result) override;

  void inject_by(Injector& injector);
  const std::string& path() const { return config_.path; }
  Bdf source() const { return config_.source; }
  const DeviceTlb& tlb() const { return tlb_; }
  std::uint32_t in_flight() const { return in_flight_; }
  // Of a device with one queue; of others, what was sent.
  Workload workload() const;
  // Requests that a reset has dropped while the IOMMU still worked on them, or a link carried them.
  std::uint32_t lost_in_flight() const;
  std::uint32_t page_requests_outstanding() const {
    return pages_ == nullptr ? 0 : pages_->outstanding(config_.source);
  }

  AtsStats stats;
  Histogram latency;               // issue to completion
  Histogram translation_latency;   // translation request to its completion, at the device
  Histogram page_latency;          // page needed to response
  Histogram invalidation_latency;  // invalidation received to answer sent

 private:
  enum class What : std::uint8_t {
    issue,
    translation_request,  // arrives at the IOMMU
    completion,           // of a translation request arrives at the device
    translated,           // a request arrives at the IOMMU
    untranslated,         // the same
    end,                  // a request's completion arrives at the device
    error,                // the same, an error
    invalidation,         // arrives at the device
    answer,               // to an invalidation leaves the device
    answered,             // and arrives at the IOMMU
    response,             // to a page request group arrives at the device
    page_request          // arrives at the IOMMU
  };
  // Lost: dropped by a reset, and until its event or its walk comes to an end the place is taken.
  enum class Stage : std::uint8_t {
    free,
    translating,
    answered,  // and what becomes of it is decided at this instant
    using_translation,
    waiting_for_page,
    lost
  };
  enum class Enabled : std::uint8_t { running, stopping, stopped };  // stopped: it misbehaves
  // What a queue has while it is enabled, or something of it is in flight.
  struct Queue {
    IommuPort port;
    std::uint32_t epoch;  // of its PASID, when it was enabled
    Traffic traffic;
    Iova window_end;
    Ps interval;
    Instant next_issue;  // not before this
    Instant until;
    std::uint64_t left;
    std::uint64_t all;  // with how many it began
    QueueListener* listener;
    std::uint32_t number;
    std::uint32_t outstanding;
    std::uint32_t in_flight = 0;
    std::uint32_t lost = 0;
    std::uint64_t failed = 0;  // requests that ended with an error
    std::uint64_t failed_at_stop = 0;
    Enabled state = Enabled::running;
    bool takes_turns = false;  // noted in turns_
    bool retired = false;      // its place is another's, or nobody's
    bool marker = false;
    DeviceTlb::Space space() const { return {port.pasid, port.privileged}; }
  };
  struct Request {
    Instant issue;
    Instant since;      // translation request sent; page needed
    Instant departure;  // translated request sent
    Instant part;       // the part of its life that it is in began here
    std::uint64_t number = 0;
    Iova iova;
    Iova page;  // what translation it uses
    Bytes size;
    Hpa at;
    Queue* queue = nullptr;
    std::uint64_t invalidations_before = 0;  // translation request sent
    std::uint64_t completion = 0;            // translation completion on its way
    std::uint32_t holds = 0;                 // ITags of invalidations that wait for it
    Access access = Access::read;
    Stage stage = Stage::free;
    bool hit = true;
    bool taken_up = false;    // the translation in use has just come
    std::uint16_t asked = 0;  // how often for its page
  };
  // Between an invalidation and its answer.
  struct Unanswered {
    Instant arrival;
    Instant ready;
    std::uint32_t users = 0;  // reads in flight that use what it covers
    bool open = false;
  };
  struct Asked {
    PageRequest request;
    std::uint32_t epoch;  // of its PASID, when it was sent
  };
  struct StoppingPasid {
    Pasid pasid;
    bool marker;
  };
  static constexpr std::uint32_t tags = 32;
  static constexpr Instant never = Instant::latest() + Ps(1);

  // Requests.
  void issue();
  void issue_from(Queue& queue);
  std::uint32_t take_slot();
  void look_up(std::uint32_t number);
  void use(std::uint32_t number, const DeviceTlb::Found& found, bool taken_up);
  void translation_request_arrives(std::uint32_t number);
  void answer_translation(std::uint32_t number, const WalkResult& result, Instant at);
  void completion_arrives(std::uint32_t number);
  void translated_arrives(std::uint32_t number);
  void untranslated_arrives(std::uint32_t number);
  void access_memory(std::uint32_t number, Instant translated);
  void page_needed(std::uint32_t number);
  void fail(std::uint32_t number);
  void end(std::uint32_t number, bool error);
  void release(Request& request);
  void no_more_translating(Request& request);
  // Queues.
  Pasid pasid_of(const QueueWork& work) const;
  void put(std::uint32_t number, const QueueWork& work, Instant start, Rng rng);
  void consider_issue();
  void offer(Queue& queue);
  Queue* take_turn();
  bool may_issue() const;
  bool may_issue(const Queue& queue) const;
  void begin_stop(Queue& queue);
  void settle(Queue& queue);
  void queue_is_stopped(Queue& queue);
  void pasid_may_be_stopped(Pasid pasid);
  void retire(std::uint32_t number);
  void bury(Queue& queue);
  void drop_requests();
  void discard(std::uint32_t number);
  void send_marker(Pasid pasid);
  // Messages.
  void invalidation_arrives();
  void answer_when_ready(std::uint32_t tag);
  void answer_leaves(std::uint32_t tag);
  bool overtaken(const Request& request, Iova page, Bytes size) const;
  void response_arrives();
  void go_on_after(const PageRequester::Answered& answered);
  void pages_answered(std::uint32_t number, bool retry);
  void send(const std::vector<PageRequest>& requests);
  void send_own(const PageRequest& request);
  AtsDevice& sharing(Bdf source);
  void now_stopped();
  bool does(Misdeed misdeed, Pasid pasid = no_pasid) const {
    return viosim::does(params_.misbehaviour, misdeed) ||
           injection_.ask(misdeed, pasid).fate == Fate::misbehave;
  }
  void schedule(Instant at, What what, std::uint64_t number = 0);
  std::uint64_t cookie(What what, std::uint64_t number) const;
  void emit(const Request& request, std::uint16_t code);
  void tell(EventKind kind, std::uint64_t address = 0) const;
  void tell_begun(std::uint32_t queue, const QueueWork& work) const;
  void tell_asked(const Asked& asked) const;
  void tell_answered(const PageResponse& response, PageRequester::Outcome outcome) const;
  static std::uint32_t pasid_of(const Request& request);
  void part(Request& request, EventKind kind, Instant until);
  void used(Request& request);

  DeviceFunction config_;
  AtsParams params_;
  Agenda& agenda_;
  Tracer& tracer_;
  TracePoint trace_;  // of all but requests
  InjectionPort injection_;
  AtsHost& host_;
  DeviceTlb tlb_;
  std::unique_ptr<PageRequester> own_pages_;
  PageRequester* pages_ = nullptr;  // its own, or its physical function's
  AtsDevice* physical_ = nullptr;
  std::vector<AtsDevice*> virtual_functions_;
  StopListener* stop_listener_ = nullptr;
  std::vector<QueueListener*> pasid_listeners_;  // a driver in each kernel that uses it
  UseStamp last_use_;
  bool queue_is_fixed_ = false;                  // the only one, which no reset disables
  std::vector<std::unique_ptr<Queue>> queues_;   // null: disabled
  std::vector<std::unique_ptr<Queue>> retired_;  // with something in flight
  std::vector<StoppingPasid> stopping_pasids_;
  RoundRobin turns_;
  std::vector<QueueRest> rests_;
  std::vector<std::uint32_t> lives_;  // of each queue: how often it was enabled
  std::vector<Request> requests_;
  std::vector<std::uint32_t> free_;
  Instant next_issue_;        // of the function: not before this
  Instant issue_at_ = never;  // the pending event that counts
  std::uint32_t in_flight_ = 0;
  std::uint32_t translating_ = 0;
  std::uint32_t life_ = 0;  // ends with a reset: what was on its way then is not taken up
  State state_ = State::run;
  bool marker_ = false;
  bool goes_on_ = false;  // though stopped, which is wrong
  WorkQueueStats queue_stats_;
  std::array<Unanswered, tags> unanswered_;
  std::vector<AtsInvalidation>
      invalidations_;  // since a translation request was sent that is on its way
  std::uint64_t invalidations_dropped_ = 0;  // earlier ones, nobody needs them
  // On the link; each in the order of its arrival.
  std::deque<AtsInvalidation> arriving_invalidations_;
  std::deque<PageResponse> arriving_responses_;
  std::deque<Asked> arriving_page_requests_;
};

}  // namespace viosim
