// The lists of steps and points.
// SPDX-License-Identifier: Apache-2.0
#include "sim/inject/steps.hpp"

#include "sim/json/plain_types.hpp"

#include <vector>

namespace viosim {
namespace {

std::vector<NamedPoint> all_steps() {
  std::vector<NamedPoint> all;
  const Orders right;
  for (const auto& order : choices(Order{})) {
    for (const OrderStep& step : right.of(order.value)) {
      std::string_view sentence;
      for (const auto& choice : choices(Step{}))
        if (choice.value == step.step) sentence = choice.sentence;
      all.push_back({std::string(order.name) + '.' + std::string(name_of(step.step)), sentence,
                     InjectionPoint(order.value, step.step)});
    }
  }
  for (const auto& flow : choices(FlowStep{}))
    all.push_back({std::string(flow.name), flow.sentence, flow.value});
  return all;
}

std::vector<NamedPoint> all_points() {
  std::vector<NamedPoint> all;
  for (const auto& message : choices(Message{}))
    all.push_back({std::string(message.name), message.sentence, message.value});
  const std::span<const NamedPoint> steps = named_steps();
  all.insert(all.end(), steps.begin(), steps.end());
  return all;
}

std::vector<Alternative> alternatives(std::span<const NamedPoint> points) {
  std::vector<Alternative> all;
  all.reserve(points.size());
  for (const NamedPoint& point : points) all.push_back({point.name, point.sentence});
  return all;
}

template <class Name>
ChoiceType::Access access(std::span<const NamedPoint> points) {
  return {alternatives(points),
          [](const void* from) -> std::size_t { return static_cast<const Name*>(from)->number; },
          [](void* into, std::size_t number) {
            static_cast<Name*>(into)->number = static_cast<std::uint16_t>(number);
          }};
}

}  // namespace

std::span<const NamedPoint> named_steps() {
  static const std::vector<NamedPoint> all = all_steps();
  return all;
}

std::span<const NamedPoint> named_points() {
  static const std::vector<NamedPoint> all = all_points();
  return all;
}

std::optional<Order> StepName::order() const {
  const InjectionPoint& point = named().point;
  if (point.kind != InjectionPoint::Kind::order_step) return {};
  return static_cast<Order>(point.which >> 8U);
}

Step StepName::step() const { return static_cast<Step>(named().point.which & 0xffU); }

const JsonType& StepName::json_type() {
  static const ChoiceType type(access<StepName>(named_steps()));
  return type;
}

const JsonType& PointName::json_type() {
  static const ChoiceType type(access<PointName>(named_points()));
  return type;
}

}  // namespace viosim
