// What must be said of an injection.
// SPDX-License-Identifier: Apache-2.0
#include "sim/inject/injection.hpp"

#include "core/base/error.hpp"
#include "core/base/units.hpp"
#include "sim/inject/injections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace viosim {
namespace {

std::string names_of(std::string_view what, bool (*can)(const Message&)) {
  std::vector<std::string> names;
  for (const auto& message : choices(Message{}))
    if (can(message.value)) names.push_back(fmt::format("\"{}\"", message.name));
  return fmt::format("a message that can {}: one of {}", what, fmt::join(names, ", "));
}

}  // namespace

// Who gives a guest's vCPUs notice writes into their table there and then.
bool can_be_delayed(const Message& message) {
  return message != Message::bind_notice && message != Message::unbind_notice;
}

bool can_be_duplicated(const Message& message) {
  return is_descriptor(message) || message == Message::invalidation_completion ||
         message == Message::command || message == Message::command_completion ||
         message == Message::page_request || message == Message::page_request_interrupt ||
         message == Message::fault_event || message == Message::registration;
}

bool can_be_reordered(const Message& message) {
  return is_descriptor(message) || message == Message::wait ||
         message == Message::invalidation_completion || message == Message::page_request;
}

bool can_be_truncated(const Message& message) {
  return message == Message::iotlb || message == Message::device_tlb ||
         message == Message::pasid_iotlb || message == Message::pasid_device_tlb;
}

bool has_an_order(const StepName& step) { return step.order().has_value(); }

std::string messages_that_can_be_delayed() { return names_of("come later", &can_be_delayed); }

std::string messages_that_can_be_duplicated() { return names_of("come twice", &can_be_duplicated); }

std::string messages_that_can_be_reordered() {
  return names_of("change places", &can_be_reordered);
}

std::string messages_that_can_be_truncated() { return names_of("name pages", &can_be_truncated); }

std::string steps_of_orders() { return "a step of an IOMMU driver's order"; }

namespace {

bool can_name_pasid(Message message) {
  switch (message) {
    case Message::context_cache:
    case Message::iotlb:
    case Message::device_tlb:
    case Message::wait:
    case Message::invalidation_completion:
    case Message::page_request_interrupt:
    case Message::command:
    case Message::registration:
      return false;
    default:
      return true;
  }
}

// Whether who reaches a point may say whom it is about. README.md has the table.
bool can_name_pasid(InjectionPoint point) {
  switch (point.kind) {
    case InjectionPoint::Kind::message:
      return can_name_pasid(static_cast<Message>(point.which));
    case InjectionPoint::Kind::flow_step: {
      const auto step = static_cast<FlowStep>(point.which);
      return step != FlowStep::bind_lock_order && step < FlowStep::eject_unbind;
    }
    case InjectionPoint::Kind::misdeed: {
      const auto misdeed = static_cast<Misdeed>(point.which);
      // Of a queue, or of an invalidation.
      return misdeed <= Misdeed::never_answer || misdeed >= Misdeed::wrong_pasid;
    }
    case InjectionPoint::Kind::order_step:
      return true;
    case InjectionPoint::Kind::allocation:
      return false;
  }
  return true;
}

}  // namespace

void SwapSteps::check(const Where& where) const {
  const std::span<const NamedPoint> all = named_steps();
  if (with.order() == swap.order() && with.number > swap.number) return;
  std::vector<std::string> later;
  for (std::size_t i = swap.number + std::size_t{1}; i < all.size(); ++i)
    if (StepName{static_cast<std::uint16_t>(i)}.order() == swap.order())
      later.push_back(fmt::format("\"{}\"", all[i].name));
  (where / "with")
      .reject(fmt::format("read \"{}\"; expected a step that comes after \"{}\"{}{}",
                          with.named().name, swap.named().name, later.empty() ? "" : ": ",
                          fmt::join(later, ", ")));
}

void InjectionConfig::check(const Where& at) const {
  if (pasid && !can_name_pasid(point_of(*this))) {
    (at / "pasid")
        .reject(fmt::format("read {}; expected none: \"{}\" is about no PASID", pasid->value(),
                            text_of(*this)));
  }
  if (to && *to <= from) {
    (at / "to").reject(fmt::format("read \"{}\"; expected more than \"from\", \"{}\"", to_text(*to),
                                   to_text(from)));
  }
  if (probability && nth)
    (at / "probability").reject("read it with \"nth\"; expected one of the two");
}

std::string text_of(const InjectionConfig& injection) {
  struct Text {
    std::string operator()(const DropMessage& e) const { return said("drop", name_of(e.drop)); }
    std::string operator()(const DelayMessage& e) const {
      return said("delay", name_of(e.delay)) + " by " + to_text(e.by);
    }
    std::string operator()(const DuplicateMessage& e) const {
      return said("duplicate", name_of(e.duplicate));
    }
    std::string operator()(const ReorderMessage& e) const {
      return said("reorder", name_of(e.reorder));
    }
    std::string operator()(const TruncateMessage& e) const {
      return said("truncate", name_of(e.truncate));
    }
    std::string operator()(const SkipStep& e) const { return said("skip", e.skip.named().name); }
    std::string operator()(const SwapSteps& e) const {
      return said("swap", e.swap.named().name) + " with " + e.with.named().name;
    }
    std::string operator()(const Misbehave& e) const {
      return said("misbehave", name_of(e.misbehave));
    }
    std::string operator()(const AllocateOdd& e) const {
      return said("allocate", name_of(e.allocate));
    }
    std::string operator()(const KillGuestAt& e) const {
      return said("kill", e.kill.text()) + " on " + e.on.named().name;
    }
    std::string operator()(const VanishAt& e) const {
      return said("vanish", e.vanish.text()) + " on " + e.on.named().name;
    }
    static std::string said(std::string_view what, std::string_view of) {
      return fmt::format("{} {}", what, of);
    }
  };
  std::string text = std::visit(Text{}, static_cast<const Effect::Variant&>(injection.effect));
  if (injection.where) text += " at " + injection.where->text();
  return text;
}

}  // namespace viosim
