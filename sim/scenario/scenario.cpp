// What a scenario must hold beyond its types: names, references, combinations.
// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario/scenario.hpp"

#include "sim/json/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace viosim {
namespace {

constexpr std::uint32_t most_functions = 65'000;  // of a host: requester ids have 16 bits
constexpr std::uint64_t most_devices =
    1'000'000;  // of all hosts: their place in the order of events has 20 bits
constexpr std::uint64_t most_populated_pages = std::uint64_t{1} << 28U;  // of a host

bool plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// Names become parts of component paths such as host0.nic[3], hence no dots, and of file names.
void check_name(const std::string& name, const Where& where) {
  if (!plain_name(name)) {
    (where / "name")
        .reject(fmt::format("read {}; expected 1 to 64 letters, digits, '-' or '_'",
                            quote_short(name)));
  }
}

const std::string& name_of_device(const DeviceConfig& device) {
  return std::visit([](const auto& d) -> const std::string& { return d.name; }, device);
}
const std::string& iommu_of_device(const DeviceConfig& device) {
  return std::visit([](const auto& d) -> const std::string& { return d.iommu; }, device);
}

const IommuConfig* find_iommu(const HostConfig& host, std::string_view name) {
  for (const IommuConfig& iommu : host.iommus) {
    if (name_of(iommu) == name) return &iommu;
  }
  return nullptr;
}

void reject_iommu(const HostConfig& host, const std::string& name, const Where& where) {
  std::vector<std::string_view> names;
  for (const IommuConfig& iommu : host.iommus) names.emplace_back(name_of(iommu));
  const std::string_view nearest = nearest_name(name, names);
  std::string message = fmt::format("read {}; expected the name of an IOMMU of host \"{}\"",
                                    quote_short(name), host.name);
  if (!nearest.empty()) message += fmt::format("; did you mean \"{}\"?", nearest);
  where.reject(std::move(message));
}

class HostChecker {
 public:
  HostChecker(const HostConfig& host, const Where& where) : host_(host), where_(where) {}

  void run() {
    check_name(host_.name, where_);
    for (std::size_t i = 0; i < host_.iommus.size(); ++i) {
      take_name(name_of(host_.iommus[i]), where_ / "iommus" / i);
    }
    for (std::size_t i = 0; i < host_.devices.size(); ++i)
      check_device(host_.devices[i], where_ / "devices" / i);
    if (populated_pages_ > most_populated_pages) {
      (where_ / "devices")
          .reject(fmt::format("read windows of {} pages in all that are mapped from the start; "
                              "expected at most {} (1 TiB): "
                              "their tables would take more memory than is sensible",
                              populated_pages_, most_populated_pages));
    }
    if (functions_ > most_functions) {
      (where_ / "devices")
          .reject(fmt::format("read {} devices in all; expected at most {} on a host", functions_,
                              most_functions));
    }
  }

 private:
  void take_name(const std::string& name, const Where& where) {
    check_name(name, where);
    if (!names_.insert(name).second) {
      (where / "name")
          .reject(fmt::format("read {}; expected a name that nothing else on host \"{}\" has",
                              quote_short(name), host_.name));
    }
  }

  void check_device(const DeviceConfig& device, const Where& where) {
    take_name(name_of_device(device), where);
    const IommuConfig* iommu = find_iommu(host_, iommu_of_device(device));
    if (iommu == nullptr) {
      reject_iommu(host_, iommu_of_device(device), where / "iommu");
      return;
    }
    if (const auto* dma = std::get_if<DmaDevice>(&device)) {
      functions_ += dma->count;
      const std::uint64_t pages = dma->dma.traffic.window.count() / page_4k.count();
      if (dma->populate) populated_pages_ += pages * (dma->domain ? 1 : dma->count);
      check_dma(*dma, *iommu, where);
      users_[name_of(*iommu)].insert("dma");
    } else {
      if (!std::holds_alternative<VtdIommu>(*iommu)) {
        (where / "iommu")
            .reject(
                fmt::format("read {}; expected an IOMMU of model \"vtd\": recordings are of its "
                            "tables and descriptors",
                            quote_short(name_of(*iommu))));
      }
      if (!users_[name_of(*iommu)].empty()) {
        (where / "iommu")
            .reject(fmt::format("read {}; expected an IOMMU of its own: recorded requester and "
                                "domain ids would meet those of other devices",
                                quote_short(name_of(*iommu))));
      }
      users_[name_of(*iommu)].insert("recording");
    }
  }

  void check_dma(const DmaDevice& device, const IommuConfig& iommu, const Where& where) {
    if (users_[name_of(iommu)].contains("recording")) {
      (where / "iommu")
          .reject(fmt::format("read {}; expected another IOMMU: a recording has that one to itself",
                              quote_short(name_of(iommu))));
    }
    if (const auto* vtd = std::get_if<VtdIommu>(&iommu)) {
      check_vtd(device, *vtd, where);
    } else {
      check_riscv(device, std::get<RiscvIommu>(iommu), where);
    }
    if (device.domain) check_shared(device, where);
  }

  // The device's own requester ids are the last of functions_.
  void check_riscv(const DmaDevice& device, const RiscvIommu& iommu, const Where& where) {
    const riscv::UnitParams& params = iommu.params;
    const std::uint64_t beyond = first_function.value() + functions_;
    if (params.directory == riscv::DirectoryMode::off) {
      (where / "iommu")
          .reject(fmt::format("read {}; expected an IOMMU whose \"directory\" is not \"off\": no "
                              "request could ever succeed",
                              quote_short(iommu.name)));
    } else if (riscv::levels(params.directory) > 0 &&
               beyond > riscv::device_limit(params.directory, params.contexts)) {
      (where / "iommu")
          .reject(
              fmt::format("read {}; expected a \"directory\" of more levels there: the requester "
                          "ids of this device begin at {} and end below {:#x}",
                          quote_short(iommu.name),
                          Bdf(static_cast<std::uint16_t>(beyond - device.count)).text(), beyond));
    }
    if (device.ats) {
      (where / "ats").reject("read it behind a RISC-V IOMMU; expected one of model \"vtd\"");
    }
    if (!device.pasid) return;
    if (device.table == TableKind::second_level) {
      (where / "table")
          .reject(
              "read \"second-level\" with a PASID; expected \"first-level\": a second stage of "
              "RISC-V is a device's, not a process's");
    }
    if (params.processes == riscv::ProcessMode::bare ||
        *device.pasid >= Pasid(limit(params.processes))) {
      (where / "pasid")
          .reject(fmt::format("read {}; expected none, or one that the process directory of IOMMU "
                              "\"{}\" (\"processes\") reaches",
                              device.pasid->value(), iommu.name));
    }
  }

  static void check_vtd(const DmaDevice& device, const VtdIommu& iommu, const Where& where) {
    const bool legacy = iommu.params.mode == vtd::Mode::legacy;
    if (legacy && device.pasid) {
      (where / "pasid")
          .reject(fmt::format(
              "read {}; expected none: IOMMU \"{}\" is in legacy mode, which has no PASIDs",
              device.pasid->value(), iommu.name));
    }
    if (legacy && (device.table == TableKind::first_level || device.table == TableKind::nested)) {
      (where / "table")
          .reject(fmt::format("read \"{}\"; expected \"second-level\" or \"pass-through\": IOMMU "
                              "\"{}\" is in legacy mode",
                              name_of(*device.table), iommu.name));
    }
    if (legacy && device.ats && device.table == TableKind::pass_through) {
      (where / "ats")
          .reject(fmt::format("read it with \"table\": \"pass-through\"; expected another table: "
                              "IOMMU \"{}\" is in "
                              "legacy mode, which refuses translation requests of such devices",
                              iommu.name));
    }
  }

  // Devices of one domain share a page table, so they must agree on what is in it.
  void check_shared(const DmaDevice& device, const Where& where) {
    const std::string key = device.iommu + '/' + *device.domain;
    const auto [first, is_new] = domains_.try_emplace(key, &device);
    if (is_new) return;
    const DmaDevice& other = *first->second;
    if (other.dma.traffic.window != device.dma.traffic.window || other.base != device.base ||
        other.populate != device.populate || other.page_size != device.page_size ||
        other.pasid != device.pasid || other.table != device.table) {
      (where / "domain")
          .reject(fmt::format("read {}; expected the base, window, page_size, populate, pasid and "
                              "table of "
                              "\"{}\", which is in the same domain",
                              quote_short(*device.domain), other.name));
    }
  }

  const HostConfig& host_;
  const Where& where_;
  std::set<std::string> names_;
  std::map<std::string, std::set<std::string>> users_;
  std::map<std::string, const DmaDevice*> domains_;
  std::uint64_t functions_ = 0;
  std::uint64_t populated_pages_ = 0;
};

}  // namespace

const std::string& name_of(const IommuConfig& iommu) {
  return std::visit([](const auto& i) -> const std::string& { return i.name; }, iommu);
}

void DmaDevice::check(const Where& where) const {
  if (count == 0 || count > most_functions) {
    (where / "count").reject(fmt::format("read {}; expected 1 to {}", count, most_functions));
  }
  if (base.page_offset(page_4k) != Bytes(0))
    (where / "base").reject(fmt::format("read {:#x}; expected a multiple of 4 KiB", base.value()));
  constexpr std::uint64_t limit = std::uint64_t{1} << 47U;
  if (base.value() >= limit || dma.traffic.window.count() > limit - base.value()) {
    (where / "base")
        .reject(fmt::format("read {:#x}; expected base and window to end below 2^47, the end of "
                            "canonical addresses",
                            base.value()));
  }
  if (page_size != page_4k && page_size != page_2m && page_size != page_1g) {
    (where / "page_size")
        .reject(fmt::format("read \"{}\"; expected \"4 KiB\", \"2 MiB\" or \"1 GiB\"",
                            to_text(page_size)));
  } else if (base.page_offset(page_size) != Bytes(0)) {
    (where / "base")
        .reject(fmt::format("read {:#x}; expected a multiple of the page size, \"{}\"",
                            base.value(), to_text(page_size)));
  }
  if (pasid && (pasid->value() == 0 || *pasid > pasid_max)) {
    (where / "pasid")
        .reject(fmt::format("read {}; expected 1 to {}: PASID 0 belongs to requests without one",
                            pasid->value(), pasid_max.value()));
  }
  if (!populate && !pri && dma.on_fault == OnFault::abort) {
    (where / "populate")
        .reject(
            "read false with \"on_fault\": \"abort\"; expected true, or \"on_fault\": \"retry\": "
            "no request could ever succeed");
  }
  if (ats && dma.on_fault == OnFault::retry) {
    (where / "on_fault")
        .reject(
            "read \"retry\" with \"ats\"; expected \"abort\": such a device sends page requests "
            "(\"pri\")");
  }
  if (pri && !(ats && pasid)) {
    (where / "pri")
        .reject(
            "read it without \"ats\" or without \"pasid\"; expected both: page requests follow "
            "from "
            "translation requests, and the kernel serves those with a PASID");
  }
}

void HostConfig::check(const Where& where) const { HostChecker(*this, where).run(); }

void Scenario::check(const Where& where) const {
  check_name(name, where);
  if (hosts.empty()) (where / "hosts").reject("read an empty list; expected at least one host");
  std::set<std::string> names;
  std::uint64_t devices = 0;
  for (const HostConfig& host : hosts) {
    devices += host.iommus.size();
    for (const DeviceConfig& device : host.devices) {
      const auto* dma = std::get_if<DmaDevice>(&device);
      devices += dma == nullptr ? 1 : dma->count;
    }
  }
  if (devices > most_devices) {
    (where / "hosts")
        .reject(fmt::format("read {} devices and IOMMUs in all; expected at most {}", devices,
                            most_devices));
  }
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (!names.insert(hosts[i].name).second) {
      (where / "hosts" / i / "name")
          .reject(fmt::format("read {}; expected a name that no other host has",
                              quote_short(hosts[i].name)));
    }
  }
  if (duration) {
    if (*duration <= Ps(0) || *duration > Instant::latest().since_start()) {
      (where / "duration")
          .reject(fmt::format(
              "read \"{}\"; expected more than \"0 ps\" and at most \"{}\", the longest exact time",
              to_text(*duration), to_text(Instant::latest().since_start())));
    }
    return;
  }
  for (std::size_t h = 0; h < hosts.size(); ++h) {
    for (std::size_t d = 0; d < hosts[h].devices.size(); ++d) {
      const auto* dma = std::get_if<DmaDevice>(&hosts[h].devices[d]);
      if (dma != nullptr && dma->dma.requests == 0) {
        (where / "hosts" / h / "devices" / d / "requests")
            .reject(
                "read 0 in a scenario without \"duration\"; expected a number of requests, or a "
                "duration: the run would never end");
      }
    }
    if (hosts[h].kernel.migrate_every > Ps(0)) {
      (where / "hosts" / h / "kernel" / "migrate_every")
          .reject(
              "read it in a scenario without \"duration\"; expected a duration: the run would "
              "never end");
    }
  }
}

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
    for (std::size_t d = 0; d < devices.size(); ++d) {
      const std::string* name = text_member(devices[d], "iommu");
      if (name == nullptr || find_iommu(written, *name) != nullptr) continue;
      reject_iommu(written, *name, where / "hosts" / h / "devices" / d / "iommu");
    }
  }
}

}  // namespace

Scenario read_scenario(const Value& document, const std::string& file) {
  std::vector<Problem> problems;
  const Where where(problems, file);
  Scenario scenario = read<Scenario>(document, where);
  if (problems.empty()) return scenario;
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

}  // namespace viosim
