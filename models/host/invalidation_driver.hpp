// Software's side of an invalidation queue: writes descriptors into the ring, rings the doorbell, waits for completion.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/des/engine.hpp"
#include "models/host/invalidator.hpp"
#include "models/host/page_responder.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/vtd/invalidation_queue.hpp"
#include "models/trace_point.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

namespace viosim {

class InvalidationDriver final : public Invalidator,
                                 public PageResponder,
                                 public vtd::InvalidationListener {
 public:
  class Done {
   public:
    virtual void descriptor_done() = 0;  // called from a hardware event

   protected:
    ~Done() = default;
  };

  // `poll`: how long software takes to notice a status word that has changed.
  InvalidationDriver(Engine& engine, PhysicalMemory& memory, vtd::InvalidationQueue& queue,
                     Ps poll);
  // How often submit_and_wait() submits before it gives up.
  void give_up_after(std::uint32_t tries) { tries_ = tries; }
  ~InvalidationDriver();

  // A submission in parts, for software that holds a lock of its own while it makes it.
  struct Ending {  // of its wait descriptor
    bool page_drain = false;
  };
  enum class Outcome : std::uint8_t {
    done,
    aborted,  // a device did not answer in time (ITE), perhaps one of its own
    refused   // hardware did not take one of its descriptors (IQE), and executed the others
  };
  class Waiter;
  TracePoint trace;  // of submissions
  bool has_room(std::size_t descriptors) const;
  Signal& room_ahead();  // to be waited for once, where there is none
  // There is room. The signal is raised when the wait descriptor is done, or never will be.
  Waiter& submit(std::span<const vtd::Descriptor> descriptors, Ending ending);
  Signal& signal_of(Waiter& waiter);
  Outcome end(Waiter& waiter);  // after that
  Ps poll() const { return poll_; }

  // For actors: submits the descriptors and a wait descriptor of its own, and returns when software
  // sees that it is done. When the ring has no room, waits until it has: like Linux, keeps two
  // slots free. When a device does not complete an invalidation in time, submits all of them again;
  // LivelockError when that never helps.
  void submit_and_wait(std::span<const vtd::Descriptor> descriptors);
  void invalidate_and_wait(const Invalidation& order, const DeviceTlbs& devices) override;
  // For actors: by a page group response descriptor; returns when it was executed.
  void respond(const PageResponse& response) override;

  // For hardware events that stand in for software (a played trace): one raw descriptor, which
  // decodes; `done` is told when it was executed. The caller waits for that before it posts the
  // next.
  void post(std::uint64_t low, std::uint64_t high, Done& done);

  void descriptor_executed(std::uint64_t how_many) override;
  void head_moved() override;
  void status_written(Hpa address) override;
  void wait_aborted(Hpa address) override;
  void queue_stopped(std::uint32_t head) override;
  void invalidation_timed_out(Bdf source) override;

 private:
  [[noreturn]] void give_up(std::span<const vtd::Descriptor> descriptors) const;
  void aborted(Waiter& waiter);
  bool asks(const Waiter& waiter, Bdf source) const;
  Waiter& free_waiter();
  Waiter* waiting_at(Hpa address) const;
  std::uint32_t free_entries() const;
  std::size_t most_at_once() const;
  std::uint64_t number_of_head() const;
  void write(const vtd::DescriptorBits& bits);
  void wait_for_room(std::size_t descriptors);
  void fill(Waiter& waiter, std::span<const vtd::Descriptor> descriptors, Ending ending);

  Engine& engine_;
  PhysicalMemory& memory_;
  vtd::InvalidationQueue& queue_;
  Ps poll_;
  std::uint32_t tries_ = 1000;
  Bdf timed_out_{};  // last
  std::uint32_t tail_ = 0;
  std::uint64_t submitted_ = 0;
  std::vector<std::unique_ptr<Waiter>> waiters_;
  std::map<Hpa, Waiter*> by_address_;
  std::set<std::size_t> free_waiters_;  // the lowest number is used first
  Signal room_;
  std::uint32_t waiting_for_room_ = 0;
  Done* posted_ = nullptr;
  std::uint64_t posted_number_ = 0;
};

}  // namespace viosim
