// Entries of 4 bytes in memory of 8-byte words.
// SPDX-License-Identifier: Apache-2.0
#include "models/vmm/pasid_translation.hpp"

namespace viosim {
namespace {

constexpr std::uint64_t present = 1;

Hpa word_at(Hpa table, Pasid guest) {
  const std::uint64_t entry = guest.value() & 0x3ffU;
  return table + Bytes(entry / 2 * 8);
}
constexpr unsigned shift_of(Pasid guest) { return (guest.value() & 1U) != 0 ? 32 : 0; }

}  // namespace

PasidTranslation::PasidTranslation(const Engine& engine, TableMemory& memory)
    : engine_(engine),
      memory_(memory),
      directories_{memory.allocate_frames(), memory.allocate_frames()} {}

Hpa PasidTranslation::directory_slot(Pasid guest) const {
  const Hpa directory = directories_[guest.value() >> 19U & 1U];
  const std::uint64_t entry = guest.value() >> 10U & 0x1ffU;
  return directory + Bytes(entry * 8);
}

std::optional<Hpa> PasidTranslation::table_of(Pasid guest) const {
  const std::uint64_t entry = memory_.read(directory_slot(guest));
  if ((entry & present) == 0) return {};
  return Hpa(entry).page_base(page_4k);
}

std::uint32_t PasidTranslation::read(Hpa table, Pasid guest) const {
  return static_cast<std::uint32_t>(memory_.read(word_at(table, guest)) >> shift_of(guest));
}

void PasidTranslation::write(Hpa table, Pasid guest, std::uint32_t entry) {
  const Hpa at = word_at(table, guest);
  const std::uint64_t other = memory_.read(at) & ~(std::uint64_t{0xffffffff} << shift_of(guest));
  memory_.write(at, other | std::uint64_t{entry} << shift_of(guest));
}

std::optional<Pasid> PasidTranslation::find(Pasid guest) const {
  if (guest > pasid_max) return {};
  const std::optional<Hpa> table = table_of(guest);
  const std::uint32_t entry = table ? read(*table, guest) : 0;
  const std::uint32_t reserved = ~(valid | pasid_max.value());
  if ((entry & valid) == 0 || (entry & reserved) != 0) return {};
  return Pasid(entry & pasid_max.value());
}

std::optional<Pasid> PasidTranslation::translate(Pasid guest, Instruction instruction) {
  const std::optional<Pasid> host = find(guest);
  if (!host) ++(instruction == Instruction::enqcmd ? stats.enqcmd_exits : stats.enqcmds_exits);
  return host;
}

void PasidTranslation::set(Pasid guest, Pasid host) {
  std::optional<Hpa> table = table_of(guest);
  if (!table) {
    table = memory_.allocate_frames();
    memory_.write(directory_slot(guest), table->value() | present);
  }
  write(*table, guest, host.value() | valid);
  ++stats.filled;
  tell(guest, host, trace_code::translation_set);
}

void PasidTranslation::clear(Pasid guest) {
  const std::optional<Hpa> table = table_of(guest);
  if (!table || (read(*table, guest) & valid) == 0) return;
  const Pasid host(read(*table, guest) & pasid_max.value());
  write(*table, guest, 0);
  ++stats.cleared;
  tell(guest, host, trace_code::translation_removed);
}

void PasidTranslation::tell(Pasid guest, Pasid host, std::uint16_t what) const {
  if (!trace.on()) return;
  trace.emit({.kind = EventKind::vcpu_pasid,
              .time = engine_.now(),
              .pasid = host,
              .address = guest.value(),
              .code = what});
}

void PasidTranslation::notify(const ioasid::Notice& notice) noexcept {
  if (notice.spid > pasid_max.value()) return;
  const Pasid guest(notice.spid);
  if (notice.event == ioasid::Event::bind) bound(guest, Pasid(notice.id));
  if (notice.event == ioasid::Event::unbind) unbound(guest);
}

void PasidTranslation::bound(Pasid guest, Pasid host) {
  if (injection.ask(Message::bind_notice, guest).fate != Fate::drop) set(guest, host);
}

void PasidTranslation::unbound(Pasid guest) {
  if (injection.ask(Message::unbind_notice, guest).fate != Fate::drop) clear(guest);
}

}  // namespace viosim
