// The tables on the way to an address space, in the order of the specification; what faults mean.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/architecture.hpp"

#include <algorithm>
#include <array>

namespace viosim::vtd {
namespace {

ConfigStep fail(ConfigWalk& walk, FaultReason reason) {
  walk.fault = code_of(reason);
  return ConfigStep::faulted;
}

ConfigStep missing(ConfigWalk& walk, Missing what, FaultReason reason) {
  walk.missing = what;
  return fail(walk, reason);
}

ConfigStep want(ConfigWalk& walk, std::uint8_t phase, Hpa at) {
  walk.phase = phase;
  walk.next_read = at;
  return ConfigStep::read;
}

ConfigStep found(ConfigWalk& walk, const AddressSpace& space) {
  walk.space = space;
  walk.fault_silenced = walk.fault_silenced || space.fault_disable;
  return ConfigStep::found;
}

// PDTS.
std::uint32_t pasid_limit(const DeviceEntry& config) { return 1U << (config.table_size + 13U); }

// What a scalable context entry says of a PASID that a request carries.
FaultReason pasid_fault(const DeviceEntry& config, Pasid pasid) {
  if (!config.pasids) return FaultReason::sm_pasid_disabled;
  return pasid.value() < pasid_limit(config) ? FaultReason::none : FaultReason::sm_pasid_too_large;
}

}  // namespace

ConfigStep VtdArchitecture::begin(ConfigWalk& walk) const {
  const Bdf source = walk.request.source;
  if (!translates_) return without_translation(walk);
  if (root_mode_ != (mode_ == Mode::scalable ? RootMode::scalable : RootMode::legacy)) {
    walk.fault_silenced = root_mode_ == RootMode::abort;
    return fail(walk, FaultReason::root_mode);
  }
  const bool upper = mode_ == Mode::scalable && source.devfn() >= 128;
  if (mode_ == Mode::legacy && walk.request.type == AddressType::page_request)
    return fail(walk, FaultReason::legacy_page_request);
  if (mode_ == Mode::legacy && walk.request.pasid != no_pasid)
    return fail(walk, FaultReason::legacy_with_pasid);
  return want(walk, static_cast<std::uint8_t>(Phase::root),
              root_entry::address(root_table_, source) + Bytes(upper ? 8 : 0));
}

ConfigStep VtdArchitecture::without_translation(ConfigWalk& walk) const {
  if (walk.request.type == AddressType::untranslated && walk.request.pasid == no_pasid)
    return found(walk, AddressSpace::as_it_is());
  walk.fault_silenced = true;
  return fail(walk, FaultReason::blocked);
}

ConfigStep VtdArchitecture::advance(ConfigWalk& walk, Words words) const {
  switch (static_cast<Phase>(walk.phase)) {
    case Phase::root:
      return have_root(walk, words);
    case Phase::context:
      return have_context(walk, words);
    case Phase::directory:
      return have_directory_entry(walk, words);
    case Phase::pasid_entry:
      return have_pasid_entry(walk, words);
  }
  return ConfigStep::faulted;
}

ConfigStep VtdArchitecture::have_root(ConfigWalk& walk, Words words) const {
  const bool scalable = mode_ == Mode::scalable;
  if (!root_entry::present(words[0])) {
    return missing(walk, Missing::device_entry,
                   scalable ? FaultReason::sm_root_not_present : FaultReason::root_not_present);
  }
  if (root_entry::malformed(words, mode_))
    return fail(walk, scalable ? FaultReason::sm_root_reserved : FaultReason::root_reserved);
  const unsigned devfn = walk.request.source.devfn();
  const Bytes offset = scalable ? Bytes(devfn % 128 * 32) : Bytes(devfn * 16);
  return want(walk, static_cast<std::uint8_t>(Phase::context),
              root_entry::context_table(words[0]) + offset);
}

ConfigStep VtdArchitecture::have_context(ConfigWalk& walk, Words words) const {
  if (mode_ == Mode::legacy) {
    const LegacyContext context = LegacyContext::decode(words);
    walk.fault_silenced = context.fault_disable;
    if (!context.present)
      return missing(walk, Missing::device_entry, FaultReason::context_not_present);
    if (LegacyContext::malformed(words)) return fail(walk, FaultReason::context_reserved);
    if (!context.valid()) return fail(walk, FaultReason::context_invalid);
    walk.config = context.config();
  } else {
    const ScalableContext context = ScalableContext::decode(words);
    walk.fault_silenced = context.fault_disable;
    if (!context.present)
      return missing(walk, Missing::device_entry, FaultReason::sm_context_not_present);
    if (ScalableContext::malformed(words)) return fail(walk, FaultReason::sm_context_reserved);
    walk.config = context.config();
  }
  walk.config_learned = true;
  return with_config(walk);
}

// VT-d 3.x, 3.4.3: whether the device may ask like this at all, then where its PASID entry is.
ConfigStep VtdArchitecture::with_config(ConfigWalk& walk) const {
  const DeviceEntry& config = walk.config;
  Request& request = walk.request;
  walk.fault_silenced = walk.fault_silenced || config.space.fault_disable;
  if (request.type == AddressType::page_request) return admit_page_request(walk);
  if (request.type != AddressType::untranslated && !config.translation_requests) {
    return fail(walk,
                mode_ == Mode::legacy ? FaultReason::blocked : FaultReason::sm_device_tlb_disabled);
  }
  if (request.type == AddressType::translated) return found(walk, AddressSpace::as_it_is());
  if (mode_ == Mode::legacy) {
    if (request.pasid != no_pasid) return fail(walk, FaultReason::legacy_with_pasid);
    return found(walk, config.space);
  }
  if (request.pasid == no_pasid) {
    if (config.default_pasid.value() >= pasid_limit(config))
      return fail(walk, FaultReason::sm_rid_pasid);
    request.privileged = config.default_privileged;
  } else if (const FaultReason reason = pasid_fault(config, request.pasid);
             reason != FaultReason::none) {
    return fail(walk, reason);
  }
  return want(walk, static_cast<std::uint8_t>(Phase::directory),
              directory_entry_address(config.space.first_root, walk.pasid()));
}

// PRE, then what holds of every request with a PASID. The PASID's own entry is not looked at: software
// knows whose it is. In legacy mode there are no page requests.
ConfigStep VtdArchitecture::admit_page_request(ConfigWalk& walk) const {
  const DeviceEntry& config = walk.config;
  if (!config.page_requests)
    return fail(walk, mode_ == Mode::legacy ? FaultReason::legacy_page_request
                                            : FaultReason::sm_page_requests_disabled);
  if (walk.request.pasid != no_pasid) {
    const FaultReason reason = pasid_fault(config, walk.request.pasid);
    if (reason != FaultReason::none) return fail(walk, reason);
  }
  return found(walk, AddressSpace::as_it_is());
}

ConfigStep VtdArchitecture::have_directory_entry(ConfigWalk& walk, Words words) const {
  walk.fault_silenced = walk.fault_silenced || (words[0] & 2U) != 0;
  if ((words[0] & 1U) == 0)
    return missing(walk, Missing::process_entry, FaultReason::sm_directory_not_present);
  if (directory_entry_malformed(words[0])) return fail(walk, FaultReason::sm_directory_reserved);
  return want(walk, static_cast<std::uint8_t>(Phase::pasid_entry),
              pasid_entry_address(table_of(words[0]), walk.pasid()));
}

ConfigStep VtdArchitecture::have_pasid_entry(ConfigWalk& walk, Words words) const {
  const PasidEntry entry = PasidEntry::decode(words);
  walk.fault_silenced = walk.fault_silenced || entry.fault_disable;
  if (!entry.present)
    return missing(walk, Missing::process_entry, FaultReason::sm_pasid_entry_not_present);
  if (PasidEntry::malformed(words)) return fail(walk, FaultReason::sm_pasid_entry_reserved);
  if (!entry.valid()) return fail(walk, FaultReason::sm_pasid_entry_invalid);
  walk.space_learned = true;
  AddressSpace space = entry.space(walk.pasid());
  space.fault_disable = walk.fault_silenced;  // also the directory entry's, which no cache keeps
  return found(walk, space);
}

FaultCode VtdArchitecture::refused(const ConfigWalk& walk) const {
  const bool supervisor = walk.request.privileged && !walk.space.supervisor_requests;
  return code_of(supervisor ? FaultReason::sm_supervisor_disabled
                            : FaultReason::sm_execute_disabled);
}

namespace {

FaultReason legacy_reason(PageFault fault, Access access) {
  switch (fault) {
    case PageFault::none:
      return FaultReason::none;
    case PageFault::second_beyond_width:
      return FaultReason::beyond_width;
    case PageFault::second_malformed:
      return FaultReason::reserved_in_table;
    default:
      return access == Access::write ? FaultReason::write_denied : FaultReason::read_denied;
  }
}

FaultReason scalable_reason(PageFault fault) {
  switch (fault) {
    case PageFault::none:
      return FaultReason::none;
    case PageFault::first_not_canonical:
      return FaultReason::sm_not_canonical;
    case PageFault::first_absent:
      return FaultReason::sm_first_level_not_present;
    case PageFault::first_malformed:
      return FaultReason::sm_first_level_reserved;
    case PageFault::first_no_user:
      return FaultReason::sm_supervisor_page;
    case PageFault::first_table_beyond_width:
      return FaultReason::sm_first_level_beyond_width;
    case PageFault::first_root_no_read:
      return FaultReason::sm_first_level_root_unreadable;
    case PageFault::first_table_no_read:
      return FaultReason::sm_first_level_unreadable;
    case PageFault::first_table_no_write:
      return FaultReason::sm_first_level_unwritable;
    case PageFault::second_beyond_width:
      return FaultReason::sm_second_level_beyond_width;
    case PageFault::second_absent:
      return FaultReason::sm_second_level_denied;
    case PageFault::second_malformed:
      return FaultReason::sm_second_level_reserved;
    case PageFault::first_no_execute:
    case PageFault::second_no_execute:
      return FaultReason::sm_no_execute;
    case PageFault::first_no_write:
    case PageFault::second_no_write:
      return FaultReason::sm_write_denied;
    case PageFault::first_no_read:
    case PageFault::second_no_read:
      return FaultReason::sm_read_denied;
    case PageFault::first_unmarked:  // of RISC-V
    case PageFault::second_unmarked:
      break;
  }
  return FaultReason::none;
}

}  // namespace

FaultCode VtdArchitecture::code(PageFault fault, const ConfigWalk& walk) const {
  return code_of(mode_ == Mode::legacy ? legacy_reason(fault, walk.request.access)
                                       : scalable_reason(fault));
}

// VT-d 3.x, 3.14: writes of 4 bytes to 0xFEExxxxx are interrupts; the size is not modelled.
Architecture::MessageWindow VtdArchitecture::messages_of(Mode mode) {
  const FaultCode fault = code_of(mode == Mode::legacy ? FaultReason::interrupt_window
                                                       : FaultReason::sm_interrupt_window);
  return {0xfee0'0000, 0xfeef'ffff, fault};
}

namespace {

struct Described {
  FaultReason reason;
  std::string_view text;
};

constexpr std::array descriptions = {
    Described{FaultReason::none, "no fault"},
    Described{FaultReason::root_not_present, "root entry not present"},
    Described{FaultReason::context_not_present, "context entry not present"},
    Described{FaultReason::context_invalid, "context entry invalid"},
    Described{FaultReason::beyond_width, "address beyond the table's width"},
    Described{FaultReason::write_denied, "no permission to write"},
    Described{FaultReason::read_denied, "no permission to read"},
    Described{FaultReason::root_reserved, "reserved bits set in a root, context or PASID entry"},
    Described{FaultReason::context_reserved, "reserved bits set in a root, context or PASID entry"},
    Described{FaultReason::reserved_in_table, "reserved bits set in a second-level entry"},
    Described{FaultReason::blocked, "ATS not enabled for the device"},
    Described{FaultReason::interrupt_window, "illegal use of the interrupt window"},
    Described{FaultReason::root_mode, "translation table mode not supported"},
    Described{FaultReason::legacy_with_pasid, "request with a PASID in legacy mode"},
    Described{FaultReason::legacy_page_request, "page request in legacy mode"},
    Described{FaultReason::sm_root_not_present, "root entry not present"},
    Described{FaultReason::sm_root_reserved, "reserved bits set in a root, context or PASID entry"},
    Described{FaultReason::sm_context_not_present, "context entry not present"},
    Described{FaultReason::sm_context_reserved,
              "reserved bits set in a root, context or PASID entry"},
    Described{FaultReason::sm_device_tlb_disabled, "ATS not enabled for the device"},
    Described{FaultReason::sm_pasid_disabled, "PASIDs not enabled for the device"},
    Described{FaultReason::sm_pasid_too_large, "PASID beyond the device's table"},
    Described{FaultReason::sm_page_requests_disabled, "page requests not enabled for the device"},
    Described{FaultReason::sm_rid_pasid, "RID_PASID beyond the device's table"},
    Described{FaultReason::sm_directory_not_present, "PASID directory entry not present"},
    Described{FaultReason::sm_directory_reserved,
              "reserved bits set in a root, context or PASID entry"},
    Described{FaultReason::sm_pasid_entry_not_present, "PASID entry not present"},
    Described{FaultReason::sm_pasid_entry_reserved,
              "reserved bits set in a root, context or PASID entry"},
    Described{FaultReason::sm_pasid_entry_invalid, "PASID entry invalid"},
    Described{FaultReason::sm_execute_disabled, "execute requests not enabled for the PASID"},
    Described{FaultReason::sm_supervisor_disabled, "supervisor requests not enabled for the PASID"},
    Described{FaultReason::sm_first_level_not_present, "first-level entry not present"},
    Described{FaultReason::sm_first_level_reserved, "reserved bits set in a first-level entry"},
    Described{FaultReason::sm_first_level_beyond_width,
              "first-level table beyond the second level's width"},
    Described{FaultReason::sm_first_level_root_unreadable,
              "highest first-level table not readable through the second level"},
    Described{FaultReason::sm_first_level_unreadable,
              "first-level table not readable through the second level"},
    Described{FaultReason::sm_first_level_unwritable,
              "first-level table not writable through the second level"},
    Described{FaultReason::sm_second_level_denied, "second-level entry not present"},
    Described{FaultReason::sm_second_level_reserved, "reserved bits set in a second-level entry"},
    Described{FaultReason::sm_not_canonical, "address not canonical"},
    Described{FaultReason::sm_supervisor_page, "user request to a supervisor page"},
    Described{FaultReason::sm_no_execute, "no permission to execute"},
    Described{FaultReason::sm_second_level_beyond_width, "address beyond the table's width"},
    Described{FaultReason::sm_write_denied, "no permission to write"},
    Described{FaultReason::sm_read_denied, "no permission to read"},
    Described{FaultReason::sm_interrupt_window, "illegal use of the interrupt window"},
};

}  // namespace

std::string_view VtdArchitecture::describe(FaultCode code) const {
  const auto found =
      std::find_if(descriptions.begin(), descriptions.end(),
                   [&](const Described& one) { return one.reason == reason_of(code); });
  return found == descriptions.end() ? std::string_view() : found->text;
}

}  // namespace viosim::vtd
