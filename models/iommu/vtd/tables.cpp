// Root, context and PASID entries, decoded and encoded field by field, and attaching devices to them.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/tables.hpp"

#include "core/base/error.hpp"
#include "models/iommu/bits.hpp"

#include <algorithm>
#include <bit>

namespace viosim::vtd {
namespace {

constexpr std::uint64_t directory_entry_coverage = 64;

// Whether any of the bits of a mask is set, word by word.
template <std::size_t Size>
bool any_of(Words words, const std::array<std::uint64_t, Size>& mask) {
  std::uint64_t set = 0;
  for (std::size_t i = 0; i < Size; ++i) set |= words[i] & mask[i];
  return set != 0;
}

constexpr std::uint64_t all_bits = ~std::uint64_t{0};
constexpr std::uint64_t bits(unsigned high, unsigned low) {
  return all_bits >> (63U - high) & all_bits << low;
}

}  // namespace

bool root_entry::malformed(Words words, Mode mode) {
  const bool half = (words[0] & (beyond_host_width | bits(11, 1))) != 0;
  return half || (mode == Mode::legacy && words[1] != 0);
}

// Bits 70:67 are software's.
bool LegacyContext::malformed(Words words) {
  return any_of(words, std::array{beyond_host_width | bits(11, 4), bits(63, 24) | bits(7, 7)});
}

LegacyContext LegacyContext::decode(Words words) {
  LegacyContext entry;
  entry.present = bit_of(words[0], 0);
  entry.fault_disable = bit_of(words[0], 1);
  entry.translation_type = static_cast<std::uint8_t>(field_of(words[0], 2, 2));
  entry.table = table_of(words[0]);
  entry.address_width = static_cast<std::uint8_t>(field_of(words[1], 0, 3));
  entry.domain = DomainId(static_cast<std::uint16_t>(field_of(words[1], 8, 16)));
  return entry;
}

std::array<std::uint64_t, 2> LegacyContext::encode() const {
  return {put(present, 0) | put(fault_disable, 1) | put(std::uint64_t{translation_type}, 2) |
              table.value(),
          put(std::uint64_t{address_width}, 0) | put(std::uint64_t{domain.value()}, 8)};
}

DeviceEntry LegacyContext::config() const {
  DeviceEntry config;
  config.space.second_root = table;
  config.space.domain = domain;
  config.space.second_levels = static_cast<std::uint8_t>(address_width + 2);
  config.space.pass_through = translation_type == 2;
  config.space.supervisor_requests = true;
  config.space.execute_requests = true;
  config.space.fault_disable = fault_disable;
  config.translation_requests = translation_type == 1;
  return config;
}

bool ScalableContext::malformed(Words words) {
  return any_of(words,
                std::array{beyond_host_width | bits(8, 5), bits(63, 21), all_bits, all_bits});
}

ScalableContext ScalableContext::decode(Words words) {
  ScalableContext entry;
  entry.present = bit_of(words[0], 0);
  entry.fault_disable = bit_of(words[0], 1);
  entry.device_tlb_enable = bit_of(words[0], 2);
  entry.pasid_enable = bit_of(words[0], 3);
  entry.page_request_enable = bit_of(words[0], 4);
  entry.directory_size = static_cast<std::uint8_t>(field_of(words[0], 9, 3));
  entry.directory = table_of(words[0]);
  entry.rid_pasid = Pasid(static_cast<std::uint32_t>(field_of(words[1], 0, 20)));
  entry.rid_privileged = bit_of(words[1], 20);
  return entry;
}

std::array<std::uint64_t, 4> ScalableContext::encode() const {
  return {put(present, 0) | put(fault_disable, 1) | put(device_tlb_enable, 2) |
              put(pasid_enable, 3) | put(page_request_enable, 4) |
              put(std::uint64_t{directory_size}, 9) | directory.value(),
          put(std::uint64_t{rid_pasid.value()}, 0) | put(rid_privileged, 20), 0, 0};
}

DeviceEntry ScalableContext::config() const {
  DeviceEntry config;
  config.space.first_root = directory;
  config.space.fault_disable = fault_disable;
  config.default_pasid = rid_pasid;
  config.default_privileged = rid_privileged;
  config.table_size = directory_size;
  config.process_table = true;
  config.default_process = true;
  config.pasids = pasid_enable;
  config.translation_requests = device_tlb_enable;
  config.page_requests = page_request_enable;
  return config;
}

bool PasidEntry::malformed(Words words) {
  const auto type = static_cast<Type>(field_of(words[0], 6, 3));
  const bool first = type == Type::first_level || type == Type::nested;
  const bool second = type == Type::second_level || type == Type::nested;
  return any_of(
      words, std::array{bits(11, 10) | (second ? beyond_host_width : 0),
                        bits(22, 16) | bits(63, 25), bits(11, 8) | (first ? beyond_host_width : 0),
                        all_bits, all_bits, all_bits, all_bits, all_bits});
}

PasidEntry PasidEntry::decode(Words words) {
  PasidEntry entry;
  entry.present = bit_of(words[0], 0);
  entry.fault_disable = bit_of(words[0], 1);
  entry.address_width = static_cast<std::uint8_t>(field_of(words[0], 2, 3));
  entry.second_execute = bit_of(words[0], 5);
  entry.type = static_cast<Type>(field_of(words[0], 6, 3));
  entry.second_updates = bit_of(words[0], 9);
  entry.second_level = table_of(words[0]);
  entry.domain = DomainId(static_cast<std::uint16_t>(field_of(words[1], 0, 16)));
  entry.walk_snoop = bit_of(words[1], 23);
  entry.page_snoop = bit_of(words[1], 24);
  entry.supervisor_requests = bit_of(words[2], 0);
  entry.execute_requests = bit_of(words[2], 1);
  entry.first_level_mode = static_cast<std::uint8_t>(field_of(words[2], 2, 2));
  entry.write_protect = bit_of(words[2], 4);
  entry.no_execute = bit_of(words[2], 5);
  entry.extended_accessed = bit_of(words[2], 7);
  entry.first_level = table_of(words[2]);
  return entry;
}

PhysicalMemory::Line PasidEntry::encode() const {
  PhysicalMemory::Line words{};
  words[0] = put(present, 0) | put(fault_disable, 1) | put(std::uint64_t{address_width}, 2) |
             put(second_execute, 5) | put(static_cast<std::uint64_t>(type), 6) |
             put(second_updates, 9) | second_level.value();
  words[1] = put(std::uint64_t{domain.value()}, 0) | put(walk_snoop, 23) | put(page_snoop, 24);
  words[2] = put(supervisor_requests, 0) | put(execute_requests, 1) |
             put(std::uint64_t{first_level_mode}, 2) | put(write_protect, 4) | put(no_execute, 5) |
             put(extended_accessed, 7) | first_level.value();
  return words;
}

bool PasidEntry::valid() const {
  const bool first = first_level_mode <= 1;
  const bool second = address_width >= 1 && address_width <= 3;
  switch (type) {
    case Type::first_level:
      return first;
    case Type::second_level:
      return second;
    case Type::nested:
      return first && second;
    case Type::pass_through:
      return true;
  }
  return false;
}

AddressSpace PasidEntry::space(Pasid pasid) const {
  AddressSpace space;
  space.tag = pasid;
  space.domain = domain;
  space.fault_disable = fault_disable;
  space.supervisor_requests = supervisor_requests;
  space.execute_requests = execute_requests;
  space.pass_through = type == Type::pass_through;
  if (type == Type::first_level || type == Type::nested) {
    space.first_root = first_level;
    space.first_levels = static_cast<std::uint8_t>(first_level_mode + 4);
    space.first_updates = true;
    space.rules.write_protect = write_protect;
    space.rules.no_execute = no_execute;
    space.rules.extended_accessed = extended_accessed;
  }
  if (type == Type::second_level || type == Type::nested) {
    space.second_root = second_level;
    space.second_levels = static_cast<std::uint8_t>(address_width + 2);
    space.second_updates = second_updates;
    space.rules.second_execute = second_execute;
  }
  return space;
}

Tables::Tables(TableMemory& memory, Mode mode)
    : memory_(memory), mode_(mode), root_(memory.allocate_frames()) {}

// The context entry of a function; its table is made when the bus (or half of it) is used first.
Hpa Tables::context_slot(Bdf source) {
  const bool upper = mode_ == Mode::scalable && source.devfn() >= 128;
  const Hpa root_slot = root_entry::address(root_, source) + Bytes(upper ? 8 : 0);
  std::uint64_t word = memory_.read(root_slot);
  if (!root_entry::present(word)) {
    word = root_entry::encode(memory_.allocate_frames());
    memory_.write(root_slot, word);
  }
  const std::uint64_t size = mode_ == Mode::scalable ? 32 : 16;
  const unsigned index = mode_ == Mode::scalable ? source.devfn() % 128 : source.devfn();
  return root_entry::context_table(word) + Bytes(index * size);
}

void Tables::attach(Bdf source, const LegacyContext& context) {
  ensure(mode_ == Mode::legacy, "a legacy context entry in scalable mode");
  const Hpa slot = context_slot(source);
  const auto words = context.encode();
  memory_.write(slot + Bytes(8), words[1]);
  memory_.write(slot, words[0]);
}

void Tables::attach(Bdf source, std::uint32_t pasid_limit, const ScalableContext& like) {
  ensure(mode_ == Mode::scalable, "a scalable context entry in legacy mode");
  const Hpa slot = context_slot(source);
  if ((memory_.read(slot) & 1U) != 0) return;
  ScalableContext context = like;
  context.present = true;
  while (context.pasid_limit() < pasid_limit) ++context.directory_size;
  const std::uint64_t directory_bytes = context.pasid_limit() / directory_entry_coverage * 8;
  context.directory =
      memory_.allocate_frames((directory_bytes + page_4k.count() - 1) / page_4k.count());
  const auto words = context.encode();
  memory_.write(slot + Bytes(8), words[1]);
  memory_.write(slot, words[0]);
}

void Tables::attach(Bdf source, std::uint32_t pasid_limit, Pasid rid_pasid) {
  ScalableContext context;
  context.pasid_enable = true;
  context.rid_pasid = rid_pasid;
  attach(source, pasid_limit, context);
}

// The place of a PASID entry; a table page is made when there is none for it yet.
Hpa Tables::make_entry(Bdf source, Pasid pasid) {
  const std::optional<ScalableContext> known = context(source);
  ensure(known && pasid.value() < known->pasid_limit(),
         "a PASID entry beyond its function's table");
  const Hpa directory_slot = directory_entry_address(known->directory, pasid);
  std::uint64_t table = memory_.read(directory_slot);
  if ((table & 1U) == 0) {
    table = memory_.allocate_frames().value() | 1U;
    memory_.write(directory_slot, table);
  }
  return pasid_entry_address(table_of(table), pasid);
}

std::optional<Hpa> Tables::context_at(Bdf source) const {
  const bool upper = source.devfn() >= 128;
  const std::uint64_t root =
      memory_.read(root_entry::address(root_, source) + Bytes(upper ? 8 : 0));
  if (!root_entry::present(root)) return {};
  return root_entry::context_table(root) + Bytes(source.devfn() % 128 * 32);
}

std::optional<ScalableContext> Tables::context(Bdf source) const {
  const std::optional<Hpa> at = context_at(source);
  if (!at) return {};
  const auto words = std::array{memory_.read(*at), memory_.read(*at + Bytes(8))};
  const ScalableContext found = ScalableContext::decode(words);
  if (!found.present) return {};
  return found;
}

std::optional<Hpa> Tables::entry(Bdf source, Pasid pasid) const {
  const std::optional<ScalableContext> known = context(source);
  if (!known || pasid.value() >= known->pasid_limit()) return {};
  const std::uint64_t table = memory_.read(directory_entry_address(known->directory, pasid));
  if ((table & 1U) == 0) return {};
  return pasid_entry_address(table_of(table), pasid);
}

PasidEntry Tables::read_entry(Hpa at) const {
  const auto words =
      std::array{memory_.read(at), memory_.read(at + Bytes(8)), memory_.read(at + Bytes(16))};
  return PasidEntry::decode(words);
}

void Tables::set_entry(Bdf source, Pasid pasid, const PasidEntry& entry) {
  const Hpa at = make_entry(source, pasid);
  const PhysicalMemory::Line words = entry.encode();
  for (std::size_t word = words.size(); word-- > 0;)
    memory_.write(at + Bytes(word * 8), words[word]);
}

void Tables::clear_present(Bdf source, Pasid pasid) {
  if (const std::optional<Hpa> at = entry(source, pasid))
    memory_.write(*at, memory_.read(*at) & ~std::uint64_t{1});
}

void Tables::detach(Bdf source) { memory_.write(context_slot(source), 0); }

}  // namespace viosim::vtd
