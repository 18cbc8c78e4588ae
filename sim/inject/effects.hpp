// What an injection does, as a scenario says it: {"drop": "pasid-devtlb"}, {"skip": "unbind.drain"} ...
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fields.hpp"
#include "core/base/time.hpp"
#include "models/injection.hpp"
#include "sim/inject/steps.hpp"
#include "sim/scenario/component_path.hpp"

#include <string>

namespace viosim {

// What messages and steps some effects are for, and how that is said.
bool can_be_delayed(const Message& message);
bool can_be_duplicated(const Message& message);
bool can_be_reordered(const Message& message);
bool can_be_truncated(const Message& message);
bool has_an_order(const StepName& step);
std::string messages_that_can_be_delayed();
std::string messages_that_can_be_duplicated();
std::string messages_that_can_be_reordered();
std::string messages_that_can_be_truncated();
std::string steps_of_orders();

struct DropMessage {
  static constexpr Alternative alternative{"drop", "A message is lost."};
  Message drop{};
  static constexpr auto fields() {
    return Fields{required("drop", &DropMessage::drop,
                           "The message that is lost; who sent it takes it for delivered.")};
  }
  bool operator==(const DropMessage&) const = default;
};

struct DelayMessage {
  static constexpr Alternative alternative{"delay", "A message arrives later."};
  Message delay{};
  Ps by{0};
  static constexpr auto fields() {
    return Fields{
        required(
            "delay", &DelayMessage::delay,
            "The message that arrives later. Of a descriptor hardware and hypervisors say that "
            "it is done, and carry it out later; who calls waits.")
            .such_that({&can_be_delayed, &messages_that_can_be_delayed}),
        required("by", &DelayMessage::by, "So much later.").above(Ps(0))};
  }
  bool operator==(const DelayMessage&) const = default;
};

struct DuplicateMessage {
  static constexpr Alternative alternative{"duplicate", "A message arrives twice."};
  Message duplicate{};
  static constexpr auto fields() {
    return Fields{
        required("duplicate", &DuplicateMessage::duplicate, "The message that arrives twice.")
            .such_that({&can_be_duplicated, &messages_that_can_be_duplicated})};
  }
  bool operator==(const DuplicateMessage&) const = default;
};

struct ReorderMessage {
  static constexpr Alternative alternative{"reorder", "A message arrives after the next one."};
  Message reorder{};
  static constexpr auto fields() {
    return Fields{required("reorder", &ReorderMessage::reorder,
                           "The message that arrives after the next one on its way: of "
                           "descriptors any but waits, of "
                           "others one of the same sort. It is lost when none follows.")
                      .such_that({&can_be_reordered, &messages_that_can_be_reordered})};
  }
  bool operator==(const ReorderMessage&) const = default;
};

struct TruncateMessage {
  static constexpr Alternative alternative{"truncate", "A flush is of one page only."};
  Message truncate{};
  static constexpr auto fields() {
    return Fields{
        required("truncate", &TruncateMessage::truncate,
                 "The descriptor of which the first page counts, whatever range it names; "
                 "one that names none is carried out as it is.")
            .such_that({&can_be_truncated, &messages_that_can_be_truncated})};
  }
  bool operator==(const TruncateMessage&) const = default;
};

struct SkipStep {
  static constexpr Alternative alternative{"skip", "A step of software is left out."};
  StepName skip;
  static constexpr auto fields() {
    return Fields{required("skip", &SkipStep::skip, "The step that is left out.")};
  }
  bool operator==(const SkipStep&) const = default;
};

struct SwapSteps {
  static constexpr Alternative alternative{"swap", "Two steps of an order change places."};
  StepName swap;
  StepName with;
  static constexpr auto fields() {
    return Fields{
        required("swap", &SwapSteps::swap, "The step that comes first in its order.")
            .such_that({&has_an_order, &steps_of_orders}),
        required("with", &SwapSteps::with, "A later one of the same order, in whose place it is.")};
  }
  void check(const Where& where) const;
  bool operator==(const SwapSteps&) const = default;
};

struct Misbehave {
  static constexpr Alternative alternative{"misbehave", "A function does what PCIe forbids."};
  Misdeed misbehave{};
  static constexpr auto fields() {
    return Fields{required("misbehave", &Misbehave::misbehave, "What it does.")};
  }
  bool operator==(const Misbehave&) const = default;
};

struct AllocateOdd {
  static constexpr Alternative alternative{"allocate", "An allocator gives a wrong number."};
  OddId allocate{};
  static constexpr auto fields() {
    return Fields{required("allocate", &AllocateOdd::allocate,
                           "What it gives: a kernel for its own processes, VFIO for a guest. A "
                           "right one where there is none of these.")};
  }
  bool operator==(const AllocateOdd&) const = default;
};

struct KillGuestAt {
  static constexpr Alternative alternative{"kill", "Guests are killed at a message or step."};
  PathPattern kill;
  PointName on;
  static constexpr auto fields() {
    return Fields{required("kill", &KillGuestAt::kill, "Guests that end at once."),
                  required("on", &KillGuestAt::on, "The message or step at which that happens.")};
  }
  bool operator==(const KillGuestAt&) const = default;
};

struct VanishAt {
  static constexpr Alternative alternative{"vanish",
                                           "vIOMMUs or accelerators vanish at a message or step."};
  PathPattern vanish;
  PointName on;
  static constexpr auto fields() {
    return Fields{
        required(
            "vanish", &VanishAt::vanish,
            "vIOMMUs of guests, or accelerators where they are used, that vanish by surprise."),
        required("on", &VanishAt::on, "The message or step at which that happens.")};
  }
  bool operator==(const VanishAt&) const = default;
};

using Effect =
    OneOfKeys<DropMessage, DelayMessage, DuplicateMessage, ReorderMessage, TruncateMessage,
              SkipStep, SwapSteps, Misbehave, AllocateOdd, KillGuestAt, VanishAt>;

}  // namespace viosim
