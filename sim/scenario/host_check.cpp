// What a host must hold beyond its types: references between its parts, combinations that make sense.
// SPDX-License-Identifier: Apache-2.0
#include "sim/json/json.hpp"
#include "sim/scenario/names.hpp"
#include "sim/scenario/software_check.hpp"

#include <fmt/format.h>

#include <map>
#include <set>

namespace viosim {
namespace {

class HostChecker {
 public:
  HostChecker(const HostConfig& host, const Where& where) : host_(host), where_(where) {}

  void run() {
    for (std::size_t i = 0; i < host_.iommus.size(); ++i) {
      take_name(name_of(host_.iommus[i]), where_ / "iommus" / i);
    }
    for (std::size_t i = 0; i < host_.devices.size(); ++i)
      check_device(host_.devices[i], where_ / "devices" / i);
    if (functions_ > DmaDevice::most_functions) {
      (where_ / "devices")
          .reject(fmt::format("read {} devices in all; expected at most {} on a host", functions_,
                              DmaDevice::most_functions));
    }
    check_software(host_, where_);
  }

 private:
  void take_name(const std::string& name, const Where& where) {
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
    if (const auto* accelerator = std::get_if<AcceleratorDevice>(&device)) {
      functions_ += accelerator->count;
      check_accelerator(*accelerator, *iommu, where);
      users_[name_of(*iommu)].insert("accelerator");
    } else if (const auto* dma = std::get_if<DmaDevice>(&device)) {
      functions_ += dma->count;
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
      if (users_[name_of(*iommu)].contains("accelerator")) {
        reject_mixed(name_of(*iommu), where);
      } else if (!users_[name_of(*iommu)].empty()) {
        reject_shared_by_recording(name_of(*iommu), where);
      }
      users_[name_of(*iommu)].insert("recording");
    }
  }

  void check_accelerator(const AcceleratorDevice& device, const IommuConfig& iommu,
                         const Where& where) {
    const auto* vtd = std::get_if<VtdIommu>(&iommu);
    if (vtd == nullptr || vtd->params.mode != vtd::Mode::scalable) {
      (where / "iommu")
          .reject(fmt::format("read {}; expected an IOMMU of model \"vtd\" in scalable mode: "
                              "accelerators are used by PASIDs, whose tables it has",
                              quote_short(device.iommu)));
    }
    const std::set<std::string>& users = users_[device.iommu];
    if (users.contains("dma") || users.contains("recording")) reject_mixed(device.iommu, where);
  }

  static void reject_mixed(const std::string& iommu, const Where& where) {
    (where / "iommu")
        .reject(fmt::format("read {}; expected another IOMMU: one with accelerators has no devices "
                            "of other models, whose tables other software writes",
                            quote_short(iommu)));
  }

  void check_dma(const DmaDevice& device, const IommuConfig& iommu, const Where& where) {
    if (users_[name_of(iommu)].contains("accelerator")) reject_mixed(name_of(iommu), where);
    if (users_[name_of(iommu)].contains("recording"))
      reject_iommu_of_recording(name_of(iommu), where);
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
    const TableKind kind =
        device.table.value_or(device.pasid ? TableKind::first_level : TableKind::second_level);
    if (device.levels == 3 && (kind == TableKind::first_level || kind == TableKind::nested))
      (where / "levels").reject("read 3 of a first level of VT-d; expected 4 or 5");
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
        other.pasid != device.pasid || other.table != device.table ||
        other.levels != device.levels || other.second_levels != device.second_levels) {
      (where / "domain")
          .reject(fmt::format("read {}; expected the base, window, page_size, populate, pasid, "
                              "table and levels of "
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
};

}  // namespace

void HostConfig::check(const Where& where) const { HostChecker(*this, where).run(); }

}  // namespace viosim
