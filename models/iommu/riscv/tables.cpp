// Writing directories: tables below the root are made when they are needed first.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/riscv/tables.hpp"

#include "core/base/error.hpp"

#include <span>

namespace viosim::riscv {
namespace {

void write_valid_last(TableMemory& memory, Hpa at, std::span<const std::uint64_t> words) {
  for (std::size_t word = words.size(); word-- > 0;)
    memory.write(at + Bytes(word * 8), words[word]);
}

void clear_bit_0(TableMemory& memory, Hpa at) {
  memory.write(at, memory.read(at) & ~std::uint64_t{1});
}

// The table that an entry of a directory names; made when there is none yet.
Hpa table_at(TableMemory& memory, Hpa slot) {
  DirectoryEntry entry = DirectoryEntry::decode(memory.read(slot));
  if (!entry.valid) {
    entry = {memory.allocate_frames(), true, false};
    memory.write(slot, entry.encode());
  }
  return entry.table;
}

}  // namespace

void ProcessTable::set(Pasid process, const ProcessContext& context) {
  ensure(mode_ != ProcessMode::bare && process.value() < limit(mode_),
         "a process context beyond its directory");
  Hpa table = root_;
  for (unsigned level = levels(mode_) - 1; level > 0; --level)
    table = table_at(memory_, table + Bytes(process_index(process, level) * 8));
  write_valid_last(memory_, table + Bytes(process_index(process, 0) * 16), context.encode());
}

std::optional<Hpa> ProcessTable::context(Pasid process) const {
  if (mode_ == ProcessMode::bare || process.value() >= limit(mode_)) return {};
  Hpa table = root_;
  for (unsigned level = levels(mode_) - 1; level > 0; --level) {
    const auto entry =
        DirectoryEntry::decode(memory_.read(table + Bytes(process_index(process, level) * 8)));
    if (!entry.valid) return {};
    table = entry.table;
  }
  return table + Bytes(process_index(process, 0) * 16);
}

void ProcessTable::clear_valid(Pasid process) {
  if (const auto at = context(process)) clear_bit_0(memory_, *at);
}

Tables::Tables(PhysicalMemory& memory, ContextFormat format, DirectoryMode mode)
    : memory_(memory), format_(format), mode_(mode), root_(memory.allocate_frames()) {}

void Tables::attach(Bdf source, const DeviceContext& context) {
  if (levels(mode_) == 0) return;  // nothing is looked up
  ensure(source.value() < device_limit(mode_, format_), "a device beyond the device directory");
  Hpa table = root_;
  for (unsigned level = levels(mode_) - 1; level > 0; --level)
    table = table_at(memory_, table + Bytes(device_index(source.value(), level, format_) * 8));
  const std::uint64_t index = device_index(source.value(), 0, format_);
  write_valid_last(memory_, table + Bytes(index * context_size(format_).count()), context.encode());
}

std::optional<Hpa> Tables::context(Bdf source) const {
  if (levels(mode_) == 0 || source.value() >= device_limit(mode_, format_)) return {};
  Hpa table = root_;
  for (unsigned level = levels(mode_) - 1; level > 0; --level) {
    const auto entry = DirectoryEntry::decode(
        memory_.read(table + Bytes(device_index(source.value(), level, format_) * 8)));
    if (!entry.valid) return {};
    table = entry.table;
  }
  return table + Bytes(device_index(source.value(), 0, format_) * context_size(format_).count());
}

void Tables::detach(Bdf source) {
  if (const auto at = context(source)) clear_bit_0(memory_, *at);
}

}  // namespace viosim::riscv
