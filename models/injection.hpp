// Where a model lets itself be disturbed: the points at which it asks what becomes of a message or of
// a step. Without injections a point is one branch on a null pointer, and what was sent arrives.
// SPDX-License-Identifier: Apache-2.0
//
// Models know points, never who is behind them: when, where and how often something happens is said
// by an Injector (sim/inject).
#pragma once

#include "core/base/address.hpp"
#include "core/base/fields.hpp"
#include "core/base/time.hpp"
#include "models/kernel/orders.hpp"

#include <array>
#include <compare>
#include <cstdint>

namespace viosim {

// What is sent: by software to hardware, by hardware back, and between kernels.
enum class Message : std::uint8_t {
  context_cache,
  iotlb,
  device_tlb,
  pasid_iotlb,
  pasid_cache,
  pasid_device_tlb,
  page_response,
  wait,
  invalidation_completion,
  command,
  command_completion,
  page_request,
  page_request_interrupt,
  fault_event,
  bind_notice,
  unbind_notice,
  unmap_notice,
  exit_notice,
  registration
};

constexpr auto choices(Message) {
  return std::array{
      Choice{Message::context_cache, "context-cache", "descriptor of type 1"},
      Choice{Message::iotlb, "iotlb", "descriptor of type 2"},
      Choice{Message::device_tlb, "devtlb", "descriptor of type 3"},
      Choice{Message::pasid_iotlb, "pasid-iotlb", "descriptor of type 6"},
      Choice{Message::pasid_cache, "pasid-cache", "descriptor of type 7"},
      Choice{Message::pasid_device_tlb, "pasid-devtlb", "descriptor of type 8"},
      Choice{Message::page_response, "page-response", "page group response, descriptor of type 9"},
      Choice{Message::wait, "wait", "status write of a wait descriptor"},
      Choice{Message::invalidation_completion, "invalidation-completion",
             "a function's completion of an invalidation of its TLB"},
      Choice{Message::command, "command", "virtual command, as its guest writes it"},
      Choice{Message::command_completion, "command-completion",
             "the hypervisor's response to a virtual command"},
      Choice{Message::page_request, "page-request", "page request that reaches its queue"},
      Choice{Message::page_request_interrupt, "page-request-interrupt",
             "interrupt of a page request queue of hardware"},
      Choice{Message::fault_event, "fault-event",
             "VFIO's event to a hypervisor: page requests of its guest can be read"},
      Choice{Message::bind_notice, "bind-notice",
             "the host's notice to a guest's vCPUs: a PASID has one of the host behind it"},
      Choice{Message::unbind_notice, "unbind-notice", "the same: it has none any more"},
      Choice{Message::unmap_notice, "unmap-notice",
             "an address space's notice to its devices: pages go"},
      Choice{Message::exit_notice, "exit-notice", "the same: the process is over"},
      Choice{Message::registration, "registration",
             "a guest's kernel tells its allocator of a vIOMMU that gives PASIDs"}};
}

constexpr bool is_descriptor(Message message) { return message <= Message::page_response; }

// Steps of software besides those of an IOMMU driver's orders.
enum class FlowStep : std::uint8_t {
  bind_lock_order,
  unbind_tear_down,
  unbind_drain,
  exit_tear_down,
  guest_bind_second_level,
  guest_bind_own_memory,
  guest_unbind_tear_down,
  guest_unbind_answer,
  guest_unbind_drain,
  vm_close_tear_down,
  queue_check_bound,
  eject_unbind,
  eject_complete_command,
  command_check_in_progress,
  command_check_outstanding,
  submit_again,
  overflow_discard
};

constexpr auto choices(FlowStep) {
  return std::array{
      Choice{FlowStep::bind_lock_order, "bind.lock_order",
             "a kernel binds a process' device: its own lock first, then that of PASID tables"},
      Choice{FlowStep::unbind_tear_down, "unbind.tear_down",
             "a kernel unbinds a process' device: the order tear_down"},
      Choice{FlowStep::unbind_drain, "unbind.drain", "the same: the order drain"},
      Choice{FlowStep::exit_tear_down, "exit.tear_down",
             "a process ends before its devices are unbound: the order tear_down"},
      Choice{FlowStep::guest_bind_second_level, "guest_bind.second_level",
             "a host binds a guest's page table: over the guest's memory"},
      Choice{FlowStep::guest_bind_own_memory, "guest_bind.own_memory",
             "the same: over this guest's, not another one's"},
      Choice{FlowStep::guest_unbind_tear_down, "guest_unbind.tear_down",
             "a host unbinds a guest's page table: the order tear_down"},
      Choice{FlowStep::guest_unbind_answer, "guest_unbind.answer_page_requests",
             "the same: what waits for the guest is answered"},
      Choice{FlowStep::guest_unbind_drain, "guest_unbind.drain", "the same: the order drain"},
      Choice{FlowStep::vm_close_tear_down, "vm_close.tear_down",
             "a guest's container is closed: tables and caches forget what it had bound"},
      Choice{FlowStep::queue_check_bound, "queue.check_bound",
             "a guest writes a PASID into a queue: the hypervisor looks whether it is bound there"},
      Choice{FlowStep::eject_unbind, "eject.unbind",
             "a vIOMMU is ejected: what is bound behind it is unbound"},
      Choice{FlowStep::eject_complete_command, "eject.complete_command",
             "the same: its virtual command is completed first"},
      Choice{FlowStep::command_check_in_progress, "virtual_command.check_in_progress",
             "a virtual command is written: the hypervisor looks whether one is outstanding"},
      Choice{FlowStep::command_check_outstanding, "virtual_command.check_outstanding",
             "a virtual command is completed: the hypervisor looks whether it is outstanding"},
      Choice{FlowStep::submit_again, "invalidation.submit_again",
             "an invalidation time-out has aborted descriptors: they are submitted again"},
      Choice{FlowStep::overflow_discard, "overflow.discard_incomplete",
             "the page request queue has overflowed: what was taken of groups without their last "
             "request is dropped"}};
}

// What a function may do though PCIe forbids it (AtsMisbehaviour).
enum class Misdeed : std::uint8_t {
  use_after_stop,
  keep_invalidated,
  never_answer,
  answer_twice,
  exceed_credits,
  reuse_group,
  omit_last,
  wrong_pasid,
  zero_pasid,
  stop_early
};

constexpr auto choices(Misdeed) {
  return std::array{
      Choice{Misdeed::use_after_stop, "use_after_stop", "goes on with a queue that was stopped"},
      Choice{Misdeed::keep_invalidated, "keep_invalidated",
             "answers an invalidation, and goes on using the translations"},
      Choice{Misdeed::never_answer, "never_answer", "does not answer an invalidation"},
      Choice{Misdeed::answer_twice, "answer_twice", "answers an invalidation twice"},
      Choice{Misdeed::exceed_credits, "exceed_credits",
             "sends a page request for which it has no credit"},
      Choice{Misdeed::reuse_group, "reuse_group", "gives a page request group the index 0"},
      Choice{Misdeed::omit_last, "omit_last", "does not mark the last request of a group"},
      Choice{Misdeed::wrong_pasid, "wrong_pasid",
             "sends the requests of a queue with PASID 0xfffff, not with the queue's own"},
      Choice{Misdeed::zero_pasid, "zero_pasid",
             "sends them with PASID 0, which stands for requests that have none"},
      Choice{Misdeed::stop_early, "stop_early",
             "says that a queue has stopped while requests of it wait for pages"}};
}

// What an allocator gives besides what it should.
enum class OddId : std::uint8_t { live, below_range, above_range, untracked };

constexpr auto choices(OddId) {
  return std::array{
      Choice{OddId::live, "live-id", "a number that somebody has"},
      Choice{OddId::below_range, "below-range", "one below what was asked for"},
      Choice{OddId::above_range, "above-range", "one above what was asked for"},
      Choice{OddId::untracked, "untracked", "one that the allocator forgets at once"}};
}

struct InjectionPoint {
  enum class Kind : std::uint8_t { message, order_step, flow_step, misdeed, allocation };
  Kind kind = Kind::message;
  std::uint16_t which = 0;

  constexpr InjectionPoint() = default;
  constexpr InjectionPoint(Message message)  // NOLINT: a point is what it is about
      : kind(Kind::message), which(static_cast<std::uint16_t>(message)) {}
  constexpr InjectionPoint(FlowStep step)  // NOLINT
      : kind(Kind::flow_step), which(static_cast<std::uint16_t>(step)) {}
  constexpr InjectionPoint(Misdeed misdeed)  // NOLINT
      : kind(Kind::misdeed), which(static_cast<std::uint16_t>(misdeed)) {}
  constexpr InjectionPoint(Order order, Step step)
      : kind(Kind::order_step),
        which(static_cast<std::uint16_t>(static_cast<unsigned>(order) << 8U |
                                         static_cast<unsigned>(step))) {}
  static constexpr InjectionPoint allocation() {
    InjectionPoint point;
    point.kind = Kind::allocation;
    return point;
  }
  auto operator<=>(const InjectionPoint&) const = default;
};

// What becomes of a message: it arrives, is lost, arrives later, twice, after the next one, or cut to the
// first of its pages. Of a step: it is taken, left out, or changes places with a later one. Of a number: another one.
enum class Fate : std::uint8_t {
  pass,
  drop,
  delay,
  duplicate,
  reorder,
  skip,
  swap,
  misbehave,
  allocate,
  truncate
};

struct Ruling {
  Fate fate = Fate::pass;
  Ps by{0};     // of a delay
  Step with{};  // of a swap: the later step
  OddId id{};   // of an allocation
  bool passes() const { return fate == Fate::pass; }
};

class Injector {
 public:
  // Called once for each time that a point is reached, in the order of the run. `component`: whose
  // point it is. `pasid`: whom it is about, as that component knows it; no_pasid: nobody. `later`: of a step
  // of an order, those still to come, which it can change places with.
  virtual Ruling ask(InjectionPoint point, std::uint32_t component, Pasid pasid, StepSet later) = 0;

 protected:
  ~Injector() = default;
};

// A model's side of it.
class InjectionPort {
 public:
  void connect(Injector& injector, std::uint32_t component) {
    injector_ = &injector;
    component_ = component;
  }
  bool on() const { return injector_ != nullptr; }
  Ruling ask(InjectionPoint point, Pasid pasid = no_pasid, StepSet later = {}) const {
    return injector_ == nullptr ? Ruling{} : injector_->ask(point, component_, pasid, later);
  }
  bool skips(FlowStep step, Pasid pasid = no_pasid) const {
    return injector_ != nullptr && ask(step, pasid).fate == Fate::skip;
  }

 private:
  Injector* injector_ = nullptr;
  std::uint32_t component_ = 0;
};

}  // namespace viosim
