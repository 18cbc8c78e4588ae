// Device contexts and process contexts, decoded, checked and encoded.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/riscv/structures.hpp"

#include "models/iommu/bits.hpp"
namespace viosim::riscv {
namespace {

constexpr Hpa frame(std::uint64_t number) { return Hpa(number << 12U); }
constexpr std::uint64_t number(Hpa frame) { return frame.value() >> 12U; }

Root root_of(std::uint64_t word) {
  return {static_cast<std::uint8_t>(field_of(word, 60, 4)), frame(field_of(word, 0, 44))};
}
std::uint64_t root_word(const Root& root) {
  return put(std::uint64_t{root.mode}, 60) | number(root.table);
}
bool root_reserved(std::uint64_t word) { return field_of(word, 44, 16) != 0; }

bool extension_set(Words words) {
  const bool mode = field_of(words[4], 60, 4) != 0;
  return mode || root_reserved(words[4]) || field_of(words[5], 52, 12) != 0 ||
         field_of(words[6], 52, 12) != 0 || words[7] != 0;
}

void add_first_stage(AddressSpace& space, const Root& first, std::uint32_t pscid) {
  space.tag = no_first_stage;
  if (first.levels() == 0) return;
  space.first_root = first.table;
  space.first_levels = first.levels();
  space.tag = Pasid(pscid);
}

}  // namespace

DirectoryEntry DirectoryEntry::decode(std::uint64_t word) {
  return {frame(field_of(word, 10, 44)), bit_of(word, 0),
          field_of(word, 1, 9) != 0 || field_of(word, 54, 10) != 0};
}

std::uint64_t DirectoryEntry::encode() const { return put(number(table), 10) | put(valid, 0); }

DeviceContext DeviceContext::decode(Words words, ContextFormat format) {
  const std::uint64_t control = words[0];
  DeviceContext context;
  context.valid = bit_of(control, 0);
  context.ats = bit_of(control, 1);
  context.pri = bit_of(control, 2);
  context.guest_addresses = bit_of(control, 3);
  context.fault_disable = bit_of(control, 4);
  context.process_table = bit_of(control, 5);
  context.response_pasid = bit_of(control, 6);
  context.second_updates = bit_of(control, 7);
  context.first_updates = bit_of(control, 8);
  context.default_process = bit_of(control, 9);
  const bool byte_order_or_width = bit_of(control, 10) || bit_of(control, 11);
  context.second = root_of(words[1]);
  context.gscid = static_cast<std::uint16_t>(field_of(words[1], 44, 16));
  context.pscid = static_cast<std::uint32_t>(field_of(words[2], 12, 20));
  context.first = root_of(words[3]);
  context.reserved = byte_order_or_width || field_of(control, 12, 12) != 0 ||
                     field_of(control, 32, 32) != 0 || field_of(words[2], 0, 12) != 0 ||
                     field_of(words[2], 32, 32) != 0 || root_reserved(words[3]) ||
                     (format == ContextFormat::extended && extension_set(words));
  return context;
}

std::array<std::uint64_t, 4> DeviceContext::encode() const {
  return {put(valid, 0) | put(ats, 1) | put(pri, 2) | put(guest_addresses, 3) |
              put(fault_disable, 4) | put(process_table, 5) | put(response_pasid, 6) |
              put(second_updates, 7) | put(first_updates, 8) | put(default_process, 9),
          root_word(second) | put(std::uint64_t{gscid}, 44), put(std::uint64_t{pscid}, 12),
          root_word(first)};
}

bool DeviceContext::misconfigured() const {
  const bool ats_missing = !ats && (guest_addresses || pri);
  const bool pri_missing = !pri && response_pasid;
  const bool first_valid =
      process_table ? first.mode <= static_cast<std::uint8_t>(ProcessMode::pd20) : first.valid();
  const bool process_missing = !process_table && default_process;
  const bool misaligned = second.mode != 0 && (number(second.table) & 3U) != 0;
  return reserved || ats_missing || pri_missing || guest_addresses || !first_valid ||
         process_missing || !second.valid() || misaligned;
}

DeviceEntry DeviceContext::config() const {
  DeviceEntry config;
  AddressSpace& space = config.space;
  space.first_format = TableFormat::sv;
  space.second_format = TableFormat::sv_guest;
  space.second_root = second.table;
  space.second_levels = second.levels();
  space.domain = second.levels() == 0 ? host_domain : guest_domain(gscid);
  space.fault_disable = fault_disable;
  space.first_updates = first_updates;
  space.second_updates = second_updates;
  space.supervisor_requests = true;
  space.execute_requests = true;
  add_first_stage(space, process_table ? Root{} : first, pscid);
  space.pass_through = space.first_levels == 0 && space.second_levels == 0;
  config.pasids = process_table;
  config.process_table = process_table && first.mode != 0;
  if (config.process_table) {
    space.first_root = first.table;
    config.table_size = first.mode;
    config.default_process = default_process;
  }
  config.translation_requests = ats;
  config.page_requests = pri;
  return config;
}

ProcessContext ProcessContext::decode(Words words) {
  ProcessContext context;
  context.valid = bit_of(words[0], 0);
  context.supervisor = bit_of(words[0], 1);
  context.supervisor_user = bit_of(words[0], 2);
  context.pscid = static_cast<std::uint32_t>(field_of(words[0], 12, 20));
  context.first = root_of(words[1]);
  context.reserved =
      field_of(words[0], 3, 9) != 0 || field_of(words[0], 32, 32) != 0 || root_reserved(words[1]);
  return context;
}

std::array<std::uint64_t, 2> ProcessContext::encode() const {
  return {
      put(valid, 0) | put(supervisor, 1) | put(supervisor_user, 2) | put(std::uint64_t{pscid}, 12),
      root_word(first)};
}

AddressSpace ProcessContext::space(const DeviceEntry& device) const {
  AddressSpace space = device.space;
  space.first_root = Hpa(0);
  add_first_stage(space, first, pscid);
  space.pass_through = space.first_levels == 0 && space.second_levels == 0;
  space.supervisor_requests = supervisor;
  space.rules.supervisor_user = supervisor_user;
  return space;
}

}  // namespace viosim::riscv
