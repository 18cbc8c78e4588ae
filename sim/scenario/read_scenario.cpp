// From a document to a scenario, or to everything that is wrong with it.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/scenario/apply_defects.hpp"
#include "sim/scenario/names.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace viosim {
namespace {

const std::string* text_member(const Value& value, std::string_view key) {
  const Value::Object* object = value.if_object();
  const Value* member = object == nullptr ? nullptr : find(*object, key);
  return member == nullptr ? nullptr : member->if_text();
}

const Value::Array& list_member(const Value& value, std::string_view key) {
  static const Value::Array none;
  const Value::Object* object = value.if_object();
  const Value* member = object == nullptr ? nullptr : find(*object, key);
  const Value::Array* list = member == nullptr ? nullptr : member->if_array();
  return list == nullptr ? none : *list;
}

// References of a document that has other faults: found in what was written, because its objects could
// not be read. So a user hears of everything at once.
void check_references(const Value& document, const Where& where) {
  const Value::Array& hosts = list_member(document, "hosts");
  for (std::size_t h = 0; h < hosts.size(); ++h) {
    HostConfig written;
    if (const std::string* name = text_member(hosts[h], "name")) written.name = *name;
    for (const Value& iommu : list_member(hosts[h], "iommus")) {
      if (const std::string* name = text_member(iommu, "name"))
        written.iommus.emplace_back(VtdIommu{*name, {}});
    }
    const Value::Array& devices = list_member(hosts[h], "devices");
    std::map<std::string, std::set<std::string>> users;  // models, by IOMMU
    for (std::size_t d = 0; d < devices.size(); ++d) {
      const std::string* name = text_member(devices[d], "iommu");
      const Where device = where / "hosts" / h / "devices" / d;
      if (name == nullptr) continue;
      if (find_iommu(written, *name) == nullptr) reject_iommu(written, *name, device / "iommu");
      const std::string* model = text_member(devices[d], "model");
      if (model == nullptr) continue;
      std::set<std::string>& before = users[*name];
      if (*model == "recording" && !before.empty() && !before.contains("accelerator")) {
        reject_shared_by_recording(*name, device);
      } else if (*model == "dma" && before.contains("recording")) {
        reject_iommu_of_recording(*name, device);
      }
      before.insert(*model);
    }
  }
}

}  // namespace

Scenario read_scenario(const Value& document, const std::string& file) {
  std::vector<Problem> problems;
  const Where where(problems, file);
  Scenario scenario = read<Scenario>(document, where);
  scenario.origins.set_file(file);
  if (problems.empty()) {
    apply_defects(scenario);
    return scenario;
  }
  const auto known = [&problems](const Problem& problem) {
    return std::find(problems.begin(), problems.end(), problem) != problems.end();
  };
  std::vector<Problem> references;
  check_references(document, Where(references, file));
  for (const Problem& problem : references) {
    if (!known(problem)) problems.push_back(problem);
  }
  throw ConfigError(std::move(problems));
}

template const KeyedType& reflect::object<VtdIommu>();
template const KeyedType& reflect::object<RiscvIommu>();
template const KeyedType& reflect::object<DmaDevice>();
template const KeyedType& reflect::object<RecordedDevice>();
template const KeyedType& reflect::object<MemoryParams>();
template const KeyedType& reflect::object<HostConfig>();
template const KeyedType& reflect::object<Scenario>();
template const KeyedType& reflect::object<AcceleratorDevice>();
template const KeyedType& reflect::object<ProcessesConfig>();
template const KeyedType& reflect::object<GuestConfig>();
template const KeyedType& reflect::object<EventConfig>();
template const KeyedType& reflect::object<InjectionConfig>();
template const KeyedType& reflect::object<MetricClause>();
template const KeyedType& reflect::object<FailureClause>();
template const KeyedType& reflect::object<ViolationClause>();
template const KeyedType& reflect::object<HostKernelParams>();
template const KeyedType& reflect::object<HostParams>();

}  // namespace viosim
