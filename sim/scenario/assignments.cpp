// Giving accelerators to guests.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/assignments.hpp"

#include "sim/json/value.hpp"
#include "sim/scenario/component_path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>

namespace viosim {
namespace {

std::string what_there_is(const std::string& text, const std::vector<DeviceGroup>& groups,
                          const std::string& whose) {
  if (groups.empty()) return fmt::format("; {} has none", whose);
  const std::string name(steps_of(text).front().name);
  std::vector<std::string_view> names;
  for (const DeviceGroup& group : groups) {
    names.push_back(group.name);
    if (group.name != name) continue;
    if (group.count == 0) return fmt::format("; {} has none", whose);
    if (group.count == 1) return fmt::format("; there is only \"{}\"", name);
    if (text == name) return fmt::format("; did you mean \"{}[*]\"?", name);
    return fmt::format("; there are \"{}[0]\" to \"{}[{}]\"", name, name, group.count - 1);
  }
  const std::string_view nearest = nearest_name(name, names);
  if (!nearest.empty()) return fmt::format("; did you mean \"{}\"?", nearest);
  return fmt::format("; {} has \"{}\"", whose, fmt::join(names, "\", \""));
}

bool has_group(const std::vector<DeviceGroup>& groups, const std::string& name) {
  return std::any_of(groups.begin(), groups.end(),
                     [&](const DeviceGroup& group) { return group.name == name; });
}

bool is_name(const std::string& text) { return text.find('[') == std::string::npos; }

// Who gets what on one host.
class Assigner {
 public:
  Assigner(const HostConfig& host, const Where& where)
      : host_(host), where_(where / "guests"), groups_(accelerators_of(host)) {
    for (const DeviceGroup& group : groups_) free_.emplace_back(group.count, true);
    next_.resize(groups_.size());
    for (const DeviceConfig& device : host.devices) {
      if (const auto* accelerator = std::get_if<AcceleratorDevice>(&device))
        configs_.push_back(accelerator);
    }
  }

  Assignments run() {
    for (std::size_t g = 0; g < host_.guests.size(); ++g) note_slices(g);
    for (std::size_t g = 0; g < host_.guests.size(); ++g) take_certain(g);
    Assignments all;
    for (std::size_t g = 0; g < host_.guests.size(); ++g) all.push_back(of_guest(g));
    return all;
  }

 private:
  Where place(std::size_t guest, std::size_t entry) const {
    return where_ / guest / "assign" / entry;
  }

  std::string whose() const { return fmt::format("host \"{}\"", host_.name); }

  // Of what there are slices nobody gets all.
  void note_slices(std::size_t g) {
    const GuestConfig& guest = host_.guests[g];
    std::set<DeviceNumber> own;
    for (std::size_t a = 0; a < guest.assign.size(); ++a) {
      const AssignConfig& assign = guest.assign[a];
      if (!assign.slice) continue;
      if (assign.number != 1)
        (place(g, a) / "number").reject("read it with a slice; expected it only without");
      const Where at = place(g, a) / "devices";
      for (const DeviceNumber number : find_devices(assign.devices, groups_, at, whose())) {
        if (!own.insert(number).second) {
          at.reject(fmt::format(
              "read {}; expected one slice of each: the guest has one of {} "
              "already",
              quote_short(assign.devices), name_of(groups_[number.group], number.index)));
          break;
        }
        certain_[{g, a}].push_back(number);
        free_[number.group][number.index] = false;
        check_slice(*configs_[number.group], *assign.slice, place(g, a) / "slice" / "queues");
      }
    }
  }

  static void check_slice(const AcceleratorDevice& of, const SliceConfig& slice,
                          const Where& where) {
    if (of.shared_queue && slice != SliceConfig{})
      where.reject("read it of an accelerator with a \"shared_queue\"; expected it only without");
  }

  // The next queues of the function. Where there are too few is reported once.
  QueueSlice slice_of(DeviceNumber number, const SliceConfig& slice, const Where& where) {
    const AcceleratorDevice& of = *configs_[number.group];
    if (of.shared_queue) return {};
    std::uint32_t& next = next_queue_[number];
    if (next + slice.queues > of.queues()) {
      if (!std::exchange(short_of_, true)) {
        where.reject(fmt::format("read {}; \"{}\" has {} queues, of which other slices have {}",
                                 slice.queues, name_of(groups_[number.group], number.index),
                                 of.queues(), next));
      }
      return {};
    }
    return {std::exchange(next, next + slice.queues), slice.queues};
  }

  void take_certain(std::size_t g) {
    const GuestConfig& guest = host_.guests[g];
    for (std::size_t a = 0; a < guest.assign.size(); ++a) {
      const AssignConfig& assign = guest.assign[a];
      if (is_name(assign.devices) || assign.slice) continue;
      const Where at = place(g, a) / "devices";
      if (guest.count > 1) {
        at.reject(fmt::format(
            "read {} for {} guests; expected a name such as \"{}\": each guest "
            "gets the next ones that nobody has",
            quote_short(assign.devices), guest.count, steps_of(assign.devices).front().name));
        continue;
      }
      if (assign.number != 1) {
        (place(g, a) / "number")
            .reject("read it with certain devices; expected it only with a name");
      }
      for (const DeviceNumber number : find_devices(assign.devices, groups_, at, whose())) {
        if (!take(number)) {
          at.reject(fmt::format(
              "read {}; expected accelerators that no other guest has: {} is "
              "assigned twice",
              quote_short(assign.devices), name_of(groups_[number.group], number.index)));
          break;
        }
        certain_[{g, a}].push_back(number);
      }
    }
  }

  bool take(DeviceNumber number) {
    const bool was_free = free_[number.group][number.index];
    free_[number.group][number.index] = false;
    return was_free;
  }

  // The next one of a name.
  std::optional<DeviceNumber> take_next(const std::string& name) {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      if (groups_[g].name != name) continue;
      while (next_[g] < groups_[g].count && !free_[g][next_[g]]) ++next_[g];
      if (next_[g] == groups_[g].count) return std::nullopt;
      return DeviceNumber{g, next_[g]++};
    }
    return std::nullopt;
  }

  std::vector<std::vector<AssignedFunction>> of_guest(std::size_t g) {
    const GuestConfig& guest = host_.guests[g];
    std::vector<std::vector<AssignedFunction>> all(guest.count);
    check_names(g);
    for (std::uint32_t i = 0; i < guest.count; ++i) {
      std::vector<std::uint32_t> used;
      std::vector<std::string> names;
      for (std::size_t a = 0; a < guest.assign.size(); ++a) {
        const AssignConfig& assign = guest.assign[a];
        const std::string name(steps_of(assign.devices).front().name);
        const auto known = std::find(names.begin(), names.end(), name);
        const auto group = static_cast<std::size_t>(known - names.begin());
        if (known == names.end()) {
          names.push_back(name);
          used.push_back(0);
        }
        for (const DeviceNumber number : numbers_for(g, a, i)) {
          AssignedFunction& function = all[i].emplace_back();
          function.on_host = number;
          function.in_guest = {group, used[group]++};
          function.viommu = viommu_number(guest, assign.viommu);
          function.ats = assign.ats;
          if (assign.slice)
            function.slice = slice_of(number, *assign.slice, place(g, a) / "slice" / "queues");
        }
      }
      if (short_of_) break;
    }
    short_of_ = false;
    return all;
  }

  std::vector<DeviceNumber> numbers_for(std::size_t g, std::size_t a, std::uint32_t which) {
    const GuestConfig& guest = host_.guests[g];
    const AssignConfig& assign = guest.assign[a];
    if (!is_name(assign.devices) || assign.slice) return certain_[{g, a}];
    std::vector<DeviceNumber> numbers;
    if (!has_group(groups_, assign.devices)) return numbers;
    while (numbers.size() < assign.number) {
      const std::optional<DeviceNumber> next = take_next(assign.devices);
      if (!next) {
        if (std::exchange(short_of_, true)) return numbers;
        (place(g, a) / "devices")
            .reject(
                fmt::format("read {} for each of {} guests; host \"{}\" has too few \"{}\" that "
                            "nobody else has: guest {} gets {}",
                            assign.number, guest.count, host_.name, assign.devices, which,
                            numbers.empty() ? "none" : std::to_string(numbers.size())));
        return numbers;
      }
      numbers.push_back(*next);
    }
    return numbers;
  }

  // Once for each entry, not for each guest.
  void check_names(std::size_t g) const {
    const GuestConfig& guest = host_.guests[g];
    for (std::size_t a = 0; a < guest.assign.size(); ++a) {
      const std::string& devices = guest.assign[a].devices;
      const bool certain = !is_name(devices) || guest.assign[a].slice.has_value();
      if (certain || has_group(groups_, devices)) continue;
      (place(g, a) / "devices")
          .reject(fmt::format("read {}; expected the name of accelerators{}", quote_short(devices),
                              what_there_is(devices, groups_, whose())));
    }
  }

  static std::size_t viommu_number(const GuestConfig& guest, const std::string& name) {
    const auto found =
        std::find_if(guest.viommus.begin(), guest.viommus.end(),
                     [&](const ViommuConfig& viommu) { return viommu.name == name; });
    return static_cast<std::size_t>(found - guest.viommus.begin());
  }

  const HostConfig& host_;
  Where where_;
  std::vector<DeviceGroup> groups_;
  std::vector<const AcceleratorDevice*> configs_;  // of the groups
  std::map<DeviceNumber, std::uint32_t> next_queue_;
  std::vector<std::vector<bool>> free_;
  std::vector<std::uint32_t> next_;  // those before it are not free
  std::map<std::pair<std::size_t, std::size_t>, std::vector<DeviceNumber>> certain_;
  bool short_of_ = false;  // reported for this kind of guest
};

}  // namespace

std::string name_of(const DeviceGroup& group, std::uint32_t index) {
  return group.count == 1 ? group.name : fmt::format("{}[{}]", group.name, index);
}

std::vector<DeviceNumber> find_devices(const std::string& text,
                                       const std::vector<DeviceGroup>& groups, const Where& where,
                                       const std::string& whose) {
  const std::optional<PathPattern> pattern = PathPattern::parse(text);
  std::vector<DeviceNumber> found;
  if (pattern && pattern->size() == 1) {
    for (std::size_t g = 0; g < groups.size(); ++g) {
      if (steps_of(text).front().name != groups[g].name) continue;
      for (std::uint32_t i = 0; i < groups[g].count; ++i) {
        if (pattern->matches(name_of(groups[g], i))) found.push_back({g, i});
      }
    }
  }
  if (found.empty()) {
    const std::string why = PathPattern::why_not(text);
    where.reject(
        fmt::format("read {}; expected an accelerator of {}{}", quote_short(text), whose,
                    why.empty() ? what_there_is(text, groups, whose) : fmt::format(" ({})", why)));
  }
  return found;
}

std::vector<DeviceGroup> accelerators_of(const HostConfig& host) {
  std::vector<DeviceGroup> groups;
  for (const DeviceConfig& device : host.devices) {
    if (const auto* accelerator = std::get_if<AcceleratorDevice>(&device))
      groups.push_back({accelerator->name, accelerator->count});
  }
  return groups;
}

std::vector<DeviceGroup> devices_of(const GuestConfig& guest, const HostConfig& host) {
  std::vector<Problem> unused;
  const Where nowhere(unused, "");
  const std::vector<DeviceGroup> of_host = accelerators_of(host);
  std::vector<DeviceGroup> groups;
  for (const AssignConfig& assign : guest.assign) {
    const std::string name(steps_of(assign.devices).front().name);
    const std::size_t number = is_name(assign.devices) && !assign.slice
                                   ? assign.number
                                   : find_devices(assign.devices, of_host, nowhere, "").size();
    const auto known = std::find_if(groups.begin(), groups.end(),
                                    [&](const DeviceGroup& group) { return group.name == name; });
    if (known == groups.end()) {
      groups.push_back({name, static_cast<std::uint32_t>(number)});
    } else {
      known->count += static_cast<std::uint32_t>(number);
    }
  }
  return groups;
}

Assignments assignments_of(const HostConfig& host, const Where& where) {
  return Assigner(host, where).run();
}

}  // namespace viosim
