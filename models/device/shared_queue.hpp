// A shared work queue: a portal that takes descriptors with a PASID from many, or tells them to try
// again, and engines that do what descriptors say. And slices of a function that are given away whole.
// SPDX-License-Identifier: Apache-2.0
//
// A descriptor comes as a non-posted write (ENQCMD, DMWr): it crosses the link, the portal answers
// whether there was an entry for it, and the answer crosses the link back. An engine is a queue of the
// function: it is enabled with a descriptor's PASID and does its requests; then it takes the next one.
#pragma once

#include "core/base/fields.hpp"
#include "core/base/stats.hpp"
#include "core/des/agenda.hpp"
#include "models/device/ats_device.hpp"
#include "models/device/work_queues.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace viosim {

struct SharedQueueParams {
  std::uint32_t entries = 64;
  std::uint32_t engines = 4;
  Ps accept = 100ns;
  Ps refuse = 100ns;

  static constexpr auto fields() {
    using P = SharedQueueParams;
    // Software that waits for the answer has to come after it.
    return Fields{
        field("entries", &P::entries, "Descriptors that wait for an engine, at most.",
              "assumed; Intel DSA divides 128 among its queues")
            .from(1),
        field("engines", &P::engines, "Descriptors that are worked on at a time.",
              "assumed; Intel DSA has 4")
            .from(1),
        field(
            "accept", &P::accept, "A descriptor's arrival to the answer that it was accepted.",
            "assumed; two link crossings of 200 ns and this are a non-posted round trip of 500 ns")
            .from(Ps(1)),
        field("refuse", &P::refuse, "The same, when there is no entry: to be tried again.",
              "assumed, the same")
            .from(Ps(1))};
  }
  bool operator==(const SharedQueueParams&) const = default;
};

struct SharedQueueStats {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  std::uint64_t unanswered = 0;
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::uint64_t aborted = 0;
  std::uint64_t lost = 0;
  std::uint64_t longest = 0;
  static constexpr auto fields() {
    using S = SharedQueueStats;
    return Fields{
        metric("accepted", &S::accepted, Unit::count, "Descriptors accepted."),
        metric("refused", &S::refused, Unit::count, "Descriptors told to be tried again."),
        metric("unanswered", &S::unanswered, Unit::count,
               "Descriptors that arrived where no function is: told to be tried again."),
        metric("done", &S::done, Unit::count, "Descriptors done, with or without errors."),
        metric("failed", &S::failed, Unit::count, "Of these, with at least one failed request."),
        metric("aborted", &S::aborted, Unit::count,
               "Descriptors not or not wholly done, since their PASID was stopped."),
        metric("lost", &S::lost, Unit::count, "Descriptors lost by resets and removals."),
        metric("longest", &S::longest, Unit::count, "Most descriptors waiting at a time.")};
  }
};

class SharedQueue final : public EventHandler, private QueueListener {
 public:
  enum class End : std::uint8_t { done, failed, aborted };
  // Who submitted a descriptor. Called from hardware events, and from within stop_pasid().
  class Listener {
   public:
    virtual void descriptor_ended(std::uint64_t cookie, End end) = 0;
    // By halt(). It is over here, and this much of it is not done.
    virtual void descriptor_halted(std::uint64_t /*cookie*/, QueueRest /*rest*/) {}

   protected:
    ~Listener() = default;
  };
  struct Descriptor {
    Pasid pasid = no_pasid;
    std::uint32_t pasid_life = 0;  // as QueueWork's
    bool privileged = false;
    DmaParams dma;  // `requests` of them, not 0
    Iova base;
    const ZipfTable* zipf = nullptr;
    Listener* listener = nullptr;
    std::uint64_t cookie = 0;  // for the listener
  };

  // Its engines are the function's queues [first, first + engines). `number`: the function's place in
  // the order of events.
  SharedQueue(AtsDevice& function, std::uint32_t first, const SharedQueueParams& params,
              LinkParams link, std::uint32_t number, Agenda& agenda);
  SharedQueue(const SharedQueue&) = delete;
  SharedQueue& operator=(const SharedQueue&) = delete;

  const SharedQueueParams& params() const { return params_; }
  LinkParams link() const { return link_; }
  // A descriptor leaves the processor now. What became of it is known when it has arrived.
  std::uint32_t submit(const Descriptor& descriptor);
  // Once, with the number that submit() gave: whether it was accepted; nothing: it has not arrived.
  std::optional<bool> outcome(std::uint32_t submission);
  // Instead: nobody will ask. The descriptor goes its way.
  void forget(std::uint32_t submission);

  // Descriptors with this PASID that are here end without being done; then as the function's. Later ones
  // with it are done like others: whoever stops a PASID sees to it that nobody submits any.
  void stop_pasid(Pasid pasid, bool marker);

  // All that are here are over without an end: their listeners are told what is left of them, when no
  // request of theirs is in flight any more. at_work() says whether that is so of all.
  void halt();
  // A descriptor goes on that was halted, here or elsewhere. There is an entry or an engine for it; from
  // within descriptor_halted() the engine that it was on.
  void put_back(const Descriptor& descriptor);

  // Of which somebody will ask what became of them.
  std::size_t submissions() const { return outcomes_.size() - free_outcomes_.size(); }
  std::size_t waiting() const { return was_reset() ? 0 : waiting_.size(); }
  std::size_t at_work() const;
  void fire(std::uint64_t what) override;
  SharedQueueStats stats() const;

 private:
  enum class Outcome : std::uint8_t { free, on_its_way, forgotten, accepted, refused };
  void queue_stopped(Bdf source, std::uint32_t queue) override;
  void queue_done(Bdf source, std::uint32_t queue, std::uint64_t failed) override;
  void free_outcome(std::uint32_t submission);
  bool take(const Descriptor& descriptor);
  void dispatch();
  // Since it looked last: what it had is gone with the function's queues.
  bool was_reset() const { return function_.queue_stats().resets != resets_; }
  void notice_reset();
  std::size_t engines_at_work() const;
  void end(const Descriptor& descriptor, End end);

  AtsDevice& function_;
  std::uint32_t first_;
  SharedQueueParams params_;
  LinkParams link_;
  std::uint32_t number_;
  Agenda& agenda_;
  std::deque<Descriptor> waiting_;
  std::vector<std::optional<Descriptor>> engines_;  // what they work on
  std::vector<bool> halting_;                       // of these
  struct Arriving {
    Descriptor descriptor;
    std::uint32_t submission;
  };
  std::deque<Arriving> arriving_;
  std::vector<Outcome> outcomes_;
  std::vector<std::uint32_t> free_outcomes_;
  std::uint64_t resets_ = 0;  // of the function, that were noticed
  SharedQueueStats stats_;
};

// An assignable device interface: dedicated queues of a function that belong together, told apart from
// others by their PASID alone. Requests for which no PASID is asked use the default one.
class Adi {
 public:
  Adi(WorkQueues& function, std::uint32_t first, std::uint32_t queues,
      Pasid default_pasid = no_pasid)
      : function_(&function), first_(first), queues_(queues), default_pasid_(default_pasid) {}

  std::uint32_t queues() const { return queues_; }
  Pasid default_pasid() const { return default_pasid_; }
  QueueState queue_state(std::uint32_t queue) const {
    return function_->queue_state(number_of(queue));
  }
  void enable(std::uint32_t queue, QueueWork work) {
    if (work.pasid == no_pasid) work.pasid = default_pasid_;
    function_->enable(number_of(queue), work);
  }
  void stop_queue(std::uint32_t queue, bool marker) {
    function_->stop_queue(number_of(queue), marker);
  }
  // The function's number of a queue; and its number here, of one of the function's that is this interface's.
  std::uint32_t number_of(std::uint32_t queue) const {
    ensure(queue < queues_, "a queue that its device interface does not have");
    return first_ + queue;
  }
  std::uint32_t own_number_of(std::uint32_t queue) const {
    ensure(queue >= first_ && queue - first_ < queues_, "a queue of another device interface");
    return queue - first_;
  }

 private:
  WorkQueues* function_;
  std::uint32_t first_;
  std::uint32_t queues_;
  Pasid default_pasid_;
};

}  // namespace viosim
