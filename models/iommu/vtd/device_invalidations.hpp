// Invalidation requests on their way to functions with a translation cache: tags, queue depths,
// completions, time-outs. And page group responses.
// SPDX-License-Identifier: Apache-2.0
//
// A request takes a tag (ITag), of which a function has 32, and counts against the depth of its
// invalidate queue, which virtual functions share with their physical function when descriptors
// name that one. While there is no tag or no room, requests wait here, in order.
#pragma once

#include "core/des/agenda.hpp"
#include "models/injection.hpp"
#include "models/iommu/vtd/descriptor.hpp"
#include "models/iommu/vtd/invalidation_params.hpp"
#include "models/pcie/ats.hpp"
#include "models/trace_point.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <unordered_map>

namespace viosim::vtd {

class DeviceInvalidations final : public EventHandler {
 public:
  // Called from hardware events. `cookie` is the number given to send().
  class Owner {
   public:
    virtual void device_invalidated(std::uint64_t cookie) = 0;
    virtual void device_timed_out(std::uint64_t cookie, Bdf source) = 0;
    virtual void device_unexpected(Bdf source) = 0;

   protected:
    ~Owner() = default;
  };

  // `number`: the IOMMU's place in the order of events.
  DeviceInvalidations(const InvalidationQueueParams& params, std::uint32_t number, Agenda& agenda,
                      Owner& owner)
      : timeout_(params.device_tlb_timeout), number_(number), agenda_(agenda), owner_(owner) {}

  // `link`: one way from the function to here; what it sends arrives that much later.
  void attach(Bdf source, AtsFunction& function, Ps link);
  // It is gone: what it has not completed will time out.
  void detach(Bdf source);
  bool attached(Bdf source) const { return functions_.contains(source); }

  // A descriptor of the device TLB of a function that is attached.
  void send(std::uint64_t cookie, const Descriptor& descriptor);
  // A page group response.
  void answer(const Descriptor& descriptor);
  // When the last of those arrives.
  Instant answers_arrive() const { return answers_arrive_; }
  // Leaves the function now. Bit t of `tags`: ITag t.
  void completed(Bdf source, std::uint32_t tags);

  void fire(std::uint64_t what) override;

  DeviceInvalidationStats stats;
  InjectionPort injection;  // of completions
  TracePoint trace;

 private:
  static constexpr unsigned tags_each = 32;
  struct Function {
    AtsFunction* function = nullptr;
    Ps link{};
  };
  struct Sent {
    std::uint64_t cookie = 0;
    std::uint64_t number = 0;  // 0: the tag is free
    Bdf depth_of{};            // whose queue it counts against
  };
  struct Tags {
    std::array<Sent, tags_each> sent;
    unsigned next = 0;  // round, so that a late completion meets no new request
  };
  struct Waiting {
    std::uint64_t cookie;
    Descriptor descriptor;
  };
  struct Deadline {
    Instant at;
    std::uint64_t number;
    Bdf source;
    unsigned tag;
  };
  enum class What : std::uint8_t { arrival, timeout };

  bool try_send(const Waiting& request);
  void send_waiting();
  Sent end(Sent& sent);
  void arrived(Bdf source, std::uint32_t tags);
  void on_its_way(Ps way, std::uint64_t completion);
  void look_at_deadlines();
  void arm();
  void regard_deadline();
  void schedule(Instant at, What what, std::uint64_t argument = 0);

  Ps timeout_;
  std::uint32_t number_;
  Agenda& agenda_;
  Owner& owner_;
  // Looked up, and never gone through.
  std::unordered_map<Bdf, Function> functions_;
  std::unordered_map<Bdf, Tags> tags_;              // kept when a function goes
  std::unordered_map<Bdf, std::uint32_t> pending_;  // by whose queue it is
  std::deque<Waiting> waiting_;
  std::deque<Deadline> deadlines_;  // the earliest first
  Instant answers_arrive_;          // of page requests
  bool armed_ = false;              // an event is pending, at the first deadline or before it
  bool deadline_aside_ = false;     // it is set aside: nothing is in flight
  std::uint64_t last_number_ = 0;
  std::uint64_t in_flight_ = 0;
  std::deque<std::uint64_t> held_completions_;  // by an injection, until the next one has come
};

}  // namespace viosim::vtd
