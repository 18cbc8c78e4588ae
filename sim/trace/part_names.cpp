// Looks names up in the scenario that a manifest holds.
// SPDX-License-Identifier: Apache-2.0
#include "sim/trace/part_names.hpp"

#include "sim/json/parse.hpp"
#include "sim/scenario/component_path.hpp"

namespace viosim {
namespace {

const Value::Array& list_in(const Value& owner, std::string_view key) {
  static const Value::Array none;
  const Value::Object* const object = owner.if_object();
  const Value* const value = object != nullptr ? find(*object, key) : nullptr;
  const Value::Array* const list = value != nullptr ? value->if_array() : nullptr;
  return list != nullptr ? *list : none;
}

std::string name_in(const Value& owner) {
  const Value::Object* const object = owner.if_object();
  const Value* const value = object != nullptr ? find(*object, "name") : nullptr;
  const std::string* const name = value != nullptr ? value->if_text() : nullptr;
  return name != nullptr ? *name : "";
}

std::string text_of(const PathStep& step) {
  std::string text(step.name);
  if (!step.index.empty()) text.append("[").append(step.index).append("]");
  return text;
}

}  // namespace

std::string_view name_of(PartOf part) {
  switch (part) {
    case PartOf::host:
      return "host";
    case PartOf::guest:
      return "guest";
    case PartOf::iommu:
      return "IOMMU";
    case PartOf::link:
      return "link";
  }
  return "?";
}

PartNames::PartNames(const Manifest& manifest, const std::string& file) {
  if (manifest.scenario.empty()) return;
  const Value scenario = parse_json(manifest.scenario, file);
  for (const Value& host : list_in(scenario, "hosts")) {
    const std::string name = name_in(host);
    for (const Value& guest : list_in(host, "guests")) guests_.emplace(name, name_in(guest));
    for (const Value& iommu : list_in(host, "iommus")) iommus_.emplace(name, name_in(iommu));
  }
  for (const Value& link : list_in(scenario, "links")) links_.insert(name_in(link));
}

PartOf PartNames::of(std::string_view component) const {
  const std::vector<PathStep> steps = steps_of(component);
  if (!steps.empty() && links_.contains(steps[0].name)) return PartOf::link;
  if (steps.size() < 2) return PartOf::host;
  const std::pair key(std::string(steps[0].name), std::string(steps[1].name));
  if (guests_.contains(key)) return PartOf::guest;
  return iommus_.contains(key) ? PartOf::iommu : PartOf::host;
}

std::string PartNames::path_of(std::string_view component) const {
  const std::vector<PathStep> steps = steps_of(component);
  if (steps.empty()) return std::string(component);
  const PartOf part = of(component);
  if (part == PartOf::host || part == PartOf::link) return text_of(steps[0]);
  return text_of(steps[0]) + '.' + text_of(steps[1]);
}

}  // namespace viosim
