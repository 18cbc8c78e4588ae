// The directories on the way to an address space, in the order of the specification.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/riscv/architecture.hpp"

namespace viosim::riscv {
namespace {

// Phases of a walk: the level of the entry wanted, 0 to 2; of the process directory, this more.
constexpr std::uint8_t of_process = 4;

ConfigStep fail(ConfigWalk& walk, Cause cause) {
  walk.fault = code_of(cause);
  return ConfigStep::faulted;
}

ConfigStep found(ConfigWalk& walk, const AddressSpace& space) {
  walk.space = space;
  return ConfigStep::found;
}

// A process directory lies in guest memory when there is a second stage.
ConfigStep want_process(ConfigWalk& walk, Hpa table, unsigned level) {
  const std::uint64_t size = level == 0 ? 16 : 8;
  walk.phase = static_cast<std::uint8_t>(of_process + level);
  walk.next_read = table + Bytes(process_index(walk.pasid(), level) * size);
  return walk.config.space.second_levels == 0 ? ConfigStep::read : ConfigStep::read_guest;
}

ConfigStep have_process(ConfigWalk& walk, Words words, unsigned level) {
  if (level > 0) {
    const DirectoryEntry entry = DirectoryEntry::decode(words[0]);
    if (!entry.valid) return fail(walk, Cause::process_entry_not_valid);
    if (entry.reserved) return fail(walk, Cause::process_entry_misconfigured);
    return want_process(walk, entry.table, level - 1);
  }
  const ProcessContext context = ProcessContext::decode(words);
  if (!context.valid) return fail(walk, Cause::process_entry_not_valid);
  if (context.misconfigured()) return fail(walk, Cause::process_entry_misconfigured);
  walk.space_learned = true;
  return found(walk, context.space(walk.config));
}

}  // namespace

// RISC-V IOMMU 1.0, 2.3 "Process to translate an IOVA", steps 1 to 6.
ConfigStep RiscvArchitecture::begin(ConfigWalk& walk) const {
  if (directory_.mode == DirectoryMode::off) return fail(walk, Cause::all_disallowed);
  if (directory_.mode == DirectoryMode::bare) {
    if (walk.request.type != AddressType::untranslated) return fail(walk, Cause::type_disallowed);
    return found(walk, AddressSpace::as_it_is());
  }
  if (!reaches(walk.request.source.value())) return fail(walk, Cause::type_disallowed);
  return want_device(walk, directory_.root, levels(directory_.mode) - 1);
}

ConfigStep RiscvArchitecture::want_device(ConfigWalk& walk, Hpa table, unsigned level) const {
  const std::uint64_t size = level == 0 ? context_size(format_).count() : 8;
  walk.phase = static_cast<std::uint8_t>(level);
  walk.next_read = table + Bytes(device_index(walk.request.source.value(), level, format_) * size);
  return ConfigStep::read;
}

ConfigStep RiscvArchitecture::advance(ConfigWalk& walk, Words words) const {
  if (walk.phase >= of_process) return have_process(walk, words, walk.phase - of_process);
  return have_device(walk, words, walk.phase);
}

ConfigStep RiscvArchitecture::have_device(ConfigWalk& walk, Words words, unsigned level) const {
  if (level > 0) {
    const DirectoryEntry entry = DirectoryEntry::decode(words[0]);
    if (!entry.valid) return fail(walk, Cause::device_entry_not_valid);
    if (entry.reserved) return fail(walk, Cause::device_entry_misconfigured);
    return want_device(walk, entry.table, level - 1);
  }
  const DeviceContext context = DeviceContext::decode(words, format_);
  if (!context.valid) return fail(walk, Cause::device_entry_not_valid);
  if (context.misconfigured()) return fail(walk, Cause::device_entry_misconfigured);
  walk.config = context.config();
  walk.config_learned = true;
  return with_config(walk);
}

// Steps 7 to 14. Faults that are found from here on, DTF silences.
ConfigStep RiscvArchitecture::with_config(ConfigWalk& walk) const {
  const DeviceEntry& config = walk.config;
  Request& request = walk.request;
  const auto mode = static_cast<ProcessMode>(config.table_size);
  walk.fault_silenced = config.space.fault_disable;
  const bool page_request = request.type == AddressType::page_request;
  const bool allowed = page_request ? config.page_requests : config.translation_requests;
  if (request.type != AddressType::untranslated && !allowed)
    return fail(walk, Cause::type_disallowed);
  if (request.pasid == no_pasid) {
    request.privileged = false;
  } else if (!config.pasids || request.pasid.value() >= limit(mode)) {
    return fail(walk, Cause::type_disallowed);
  }
  if (request.type == AddressType::translated || page_request)
    return found(walk, AddressSpace::as_it_is());
  if (!config.by_process(request.pasid)) return found(walk, config.space);
  return want_process(walk, config.space.first_root, levels(mode) - 1);
}

// Step 15: a supervisor request, and ENS is clear.
FaultCode RiscvArchitecture::refused(const ConfigWalk& /*walk*/) const {
  return code_of(Cause::type_disallowed);
}

namespace {

enum class FaultStage : std::uint8_t { none, first, second };

// An implicit access of the first stage, or of a process directory, that the second stage refuses is
// a guest page fault of the request.
FaultStage stage_of(PageFault fault) {
  switch (fault) {
    case PageFault::none:
      return FaultStage::none;
    case PageFault::first_not_canonical:
    case PageFault::first_absent:
    case PageFault::first_malformed:
    case PageFault::first_no_user:
    case PageFault::first_no_read:
    case PageFault::first_no_write:
    case PageFault::first_no_execute:
    case PageFault::first_unmarked:
      return FaultStage::first;
    case PageFault::first_table_beyond_width:
    case PageFault::first_root_no_read:
    case PageFault::first_table_no_read:
    case PageFault::first_table_no_write:
    case PageFault::second_beyond_width:
    case PageFault::second_absent:
    case PageFault::second_malformed:
    case PageFault::second_no_read:
    case PageFault::second_no_write:
    case PageFault::second_no_execute:
    case PageFault::second_unmarked:
      return FaultStage::second;
  }
  return FaultStage::none;
}

}  // namespace

FaultCode RiscvArchitecture::code(PageFault fault, const ConfigWalk& walk) const {
  const FaultStage stage = stage_of(fault);
  if (stage == FaultStage::none) return FaultCode::none;
  const bool first = stage == FaultStage::first;
  const Request& request = walk.request;
  if (request.access == Access::execute) {
    return code_of(first ? Cause::instruction_page_fault : Cause::instruction_guest_page_fault);
  }
  // A translation request reads, whatever it asks permission for.
  if (request.access == Access::write && request.type != AddressType::translation)
    return code_of(first ? Cause::write_page_fault : Cause::write_guest_page_fault);
  return code_of(first ? Cause::read_page_fault : Cause::read_guest_page_fault);
}

std::string_view RiscvArchitecture::describe(FaultCode code) const {
  return riscv::describe(cause_of(code));
}

}  // namespace viosim::riscv
