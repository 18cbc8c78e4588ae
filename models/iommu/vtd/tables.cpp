// Root, context and PASID entries, decoded and encoded field by field, and attaching devices to them.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/tables.hpp"

#include "core/base/error.hpp"

#include <algorithm>
#include <bit>

namespace viosim::vtd {
namespace {

constexpr std::uint64_t field_of(std::uint64_t word, unsigned low, unsigned bits) {
  return word >> low & ((std::uint64_t{1} << bits) - 1);
}
constexpr bool bit_of(std::uint64_t word, unsigned at) { return field_of(word, at, 1) != 0; }
constexpr Hpa table_of(std::uint64_t word) { return Hpa(word & ~std::uint64_t{0xfff}); }
constexpr std::uint64_t put(std::uint64_t value, unsigned low) { return value << low; }
constexpr std::uint64_t put(bool value, unsigned low) { return std::uint64_t{value} << low; }

constexpr std::uint64_t directory_entry_coverage = 64;

}  // namespace

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

AddressSpace LegacyContext::space() const {
  return {table,
          domain,
          static_cast<std::uint8_t>(address_width + 2),
          TableFormat::second_level,
          translation_type == 2,
          fault_disable};
}

ScalableContext ScalableContext::decode(Words words) {
  ScalableContext entry;
  entry.present = bit_of(words[0], 0);
  entry.fault_disable = bit_of(words[0], 1);
  entry.pasid_enable = bit_of(words[0], 3);
  entry.directory_size = static_cast<std::uint8_t>(field_of(words[0], 9, 3));
  entry.directory = table_of(words[0]);
  entry.rid_pasid = Pasid(static_cast<std::uint32_t>(field_of(words[1], 0, 20)));
  return entry;
}

std::array<std::uint64_t, 4> ScalableContext::encode() const {
  return {put(present, 0) | put(fault_disable, 1) | put(pasid_enable, 3) |
              put(std::uint64_t{directory_size}, 9) | directory.value(),
          put(std::uint64_t{rid_pasid.value()}, 0), 0, 0};
}

PasidEntry PasidEntry::decode(Words words) {
  PasidEntry entry;
  entry.present = bit_of(words[0], 0);
  entry.fault_disable = bit_of(words[0], 1);
  entry.address_width = static_cast<std::uint8_t>(field_of(words[0], 2, 3));
  entry.type = static_cast<Type>(field_of(words[0], 6, 3));
  entry.second_level = table_of(words[0]);
  entry.domain = DomainId(static_cast<std::uint16_t>(field_of(words[1], 0, 16)));
  entry.first_level_mode = static_cast<std::uint8_t>(field_of(words[2], 2, 2));
  entry.first_level = table_of(words[2]);
  return entry;
}

PhysicalMemory::Line PasidEntry::encode() const {
  PhysicalMemory::Line words{};
  words[0] = put(present, 0) | put(fault_disable, 1) | put(std::uint64_t{address_width}, 2) |
             put(static_cast<std::uint64_t>(type), 6) | second_level.value();
  words[1] = put(std::uint64_t{domain.value()}, 0);
  words[2] = put(std::uint64_t{first_level_mode}, 2) | first_level.value();
  return words;
}

bool PasidEntry::valid() const {
  switch (type) {
    case Type::first_level:
      return first_level_mode <= 1;
    case Type::second_level:
      return address_width >= 1 && address_width <= 3;
    case Type::pass_through:
      return true;
    case Type::nested:
      return false;
  }
  return false;
}

AddressSpace PasidEntry::space() const {
  if (type == Type::first_level) {
    return {first_level,
            domain,
            static_cast<std::uint8_t>(first_level_mode + 4),
            TableFormat::first_level,
            false,
            fault_disable};
  }
  return {second_level,
          domain,
          static_cast<std::uint8_t>(address_width + 2),
          TableFormat::second_level,
          type == Type::pass_through,
          fault_disable};
}

Tables::Tables(PhysicalMemory& memory, Mode mode)
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

void Tables::attach(Bdf source, std::uint32_t pasid_limit, Pasid rid_pasid) {
  ensure(mode_ == Mode::scalable, "a scalable context entry in legacy mode");
  const Hpa slot = context_slot(source);
  if ((memory_.read(slot) & 1U) != 0) return;
  ScalableContext context;
  context.present = true;
  context.pasid_enable = true;
  while (context.pasid_limit() < pasid_limit) ++context.directory_size;
  const std::uint64_t directory_bytes = context.pasid_limit() / directory_entry_coverage * 8;
  context.directory =
      memory_.allocate_frames((directory_bytes + page_4k.count() - 1) / page_4k.count());
  context.rid_pasid = rid_pasid;
  const auto words = context.encode();
  memory_.write(slot + Bytes(8), words[1]);
  memory_.write(slot, words[0]);
}

void Tables::set_entry(Bdf source, Pasid pasid, const PasidEntry& entry) {
  const Hpa slot = context_slot(source);
  const auto context_line = std::array{memory_.read(slot), memory_.read(slot + Bytes(8))};
  const ScalableContext context = ScalableContext::decode(context_line);
  ensure(context.present && pasid.value() < context.pasid_limit(),
         "a PASID entry beyond its function's table");
  const Hpa directory_slot = directory_entry_address(context.directory, pasid);
  std::uint64_t table = memory_.read(directory_slot);
  if ((table & 1U) == 0) {
    table = memory_.allocate_frames().value() | 1U;
    memory_.write(directory_slot, table);
  }
  const Hpa at = pasid_entry_address(table_of(table), pasid);
  const PhysicalMemory::Line words = entry.encode();
  for (std::size_t word = words.size(); word-- > 0;)
    memory_.write(at + Bytes(word * 8), words[word]);
}

void Tables::detach(Bdf source) { memory_.write(context_slot(source), 0); }

}  // namespace viosim::vtd
