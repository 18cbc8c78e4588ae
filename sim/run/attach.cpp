// Writing the entries that lead a device's requests to its address space.
// SPDX-License-Identifier: Apache-2.0
#include "sim/run/attach.hpp"

namespace viosim {

TableFormat format_of(bool of_riscv, bool first_level) {
  if (of_riscv) return first_level ? TableFormat::sv : TableFormat::sv_guest;
  return first_level ? TableFormat::first_level : TableFormat::second_level;
}

void tag(HostSpace& space, std::uint32_t number, bool of_riscv) {
  space.domain = DomainId(number);
  space.tag = space.pasid == no_pasid ? Pasid(0) : space.pasid;
  if (!of_riscv) return;
  const bool second = space.second_stage != nullptr || !space.first_level;
  space.domain = second ? riscv::guest_domain(number) : riscv::host_domain;
  space.tag = space.first_level ? Pasid(number) : riscv::no_first_stage;
}

void attach(vtd::Tables& tables, Bdf source, const HostSpace& space, AtsAllowed ats) {
  using Type = vtd::PasidEntry::Type;
  // Of what a second level translates; without one the usual.
  const PageTable* const second = space.second_stage != nullptr ? space.second_stage
                                  : space.first_level           ? nullptr
                                                                : space.table;
  const auto width = static_cast<std::uint8_t>(second == nullptr ? 2 : second->levels() - 2);
  if (tables.mode() == vtd::Mode::legacy) {
    vtd::LegacyContext context;
    context.present = true;
    context.address_width = width;
    context.translation_type = space.table == nullptr ? 2 : ats.translations ? 1 : 0;
    if (space.table != nullptr) context.table = space.table->root();
    context.domain = space.domain;
    tables.attach(source, context);
    return;
  }
  vtd::PasidEntry entry;
  entry.present = true;
  entry.domain = space.domain;
  entry.address_width = width;
  entry.type = space.table == nullptr          ? Type::pass_through
               : space.second_stage != nullptr ? Type::nested
               : space.first_level             ? Type::first_level
                                               : Type::second_level;
  if (space.first_level) {
    entry.first_level = space.table->root();
    entry.first_level_mode = space.table->levels() == 5 ? 1 : 0;
  }
  if (entry.type == Type::second_level) entry.second_level = space.table->root();
  if (entry.type == Type::nested) entry.second_level = space.second_stage->root();
  const Pasid pasid = space.pasid == no_pasid ? Pasid(0) : space.pasid;
  vtd::ScalableContext context;
  context.pasid_enable = true;
  context.device_tlb_enable = ats.translations;
  context.page_request_enable = ats.page_requests;
  tables.attach(source, pasid.value() + 1, context);
  tables.set_entry(source, pasid, entry);
}

namespace {

riscv::Root root_of(const PageTable& table) {
  return riscv::Root::of(table.root(), table.levels());
}

}  // namespace

riscv::Root process_table(TableMemory& memory, riscv::ProcessMode mode, const HostSpace& space) {
  riscv::ProcessContext process;
  process.valid = true;
  process.pscid = space.tag.value() & pasid_max.value();
  if (space.first_level) process.first = root_of(*space.table);
  riscv::ProcessTable table(memory, mode);
  table.set(space.pasid, process);
  return table.root();
}

void attach(riscv::Tables& tables, Bdf source, const HostSpace& space, riscv::Root processes) {
  riscv::DeviceContext device;
  device.valid = true;
  device.gscid = static_cast<std::uint16_t>(space.domain.value());
  if (space.second_stage != nullptr) {
    device.second = root_of(*space.second_stage);
  } else if (space.table != nullptr && !space.first_level) {
    device.second = root_of(*space.table);
  }
  if (space.pasid != no_pasid) {
    device.process_table = true;
    device.first = processes;
  } else if (space.first_level) {
    device.pscid = space.tag.value();
    device.first = root_of(*space.table);
  }
  tables.attach(source, device);
}

}  // namespace viosim
