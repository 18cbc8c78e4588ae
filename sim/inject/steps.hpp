// Steps of software by their names in scenarios: "tear_down.flush_device_tlb", "unbind.drain".
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/injection.hpp"
#include "sim/json/type.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace viosim {

struct NamedPoint {
  std::string name;
  std::string_view sentence;
  InjectionPoint point;
};

// Of IOMMU drivers' orders, in their own order, then of other flows.
std::span<const NamedPoint> named_steps();
// These, and messages before them.
std::span<const NamedPoint> named_points();

// One of named_steps(), by its place there.
struct StepName {
  std::uint16_t number = 0;
  const NamedPoint& named() const { return named_steps()[number]; }
  // Of an order: which one, and the step.
  std::optional<Order> order() const;
  Step step() const;
  static const JsonType& json_type();
  bool operator==(const StepName&) const = default;
};

// One of named_points().
struct PointName {
  std::uint16_t number = 0;
  const NamedPoint& named() const { return named_points()[number]; }
  static const JsonType& json_type();
  bool operator==(const PointName&) const = default;
};

}  // namespace viosim
