// Steps that write tables: each word at an instant of its own, P last and first.
// SPDX-License-Identifier: Apache-2.0
#include "models/kernel/iommu_job.hpp"

#include <algorithm>

namespace viosim {
namespace {

constexpr std::uint64_t present_bit = 1;
constexpr std::uint64_t fault_disable_bit = 2;
constexpr std::uint32_t least_table = 32768;  // Linux makes a directory of at least one page

}  // namespace

void IommuDriver::write(Job& job, Hpa at, std::uint64_t word) {
  job.thread.run(params_.table_write);
  iommu_.memory().write(at, word);
}

void IommuDriver::write_table(Step step, Job& job) {
  TableMemory& memory = iommu_.memory();
  switch (step) {
    case Step::write_context:
      write_context(job);
      return tell_context(job, trace_code::entry_set);
    case Step::clear_context_present:
      if (const auto at = tables_.context_at(job.source))
        write(job, *at, memory.read(*at) & ~present_bit);
      return tell_context(job, trace_code::entry_cleared);
    case Step::zero_context:
      if (const auto at = tables_.context_at(job.source)) {
        write(job, *at + Bytes(8), 0);
        write(job, *at, 0);
      }
      return tell_context(job, trace_code::entry_zeroed);
    case Step::write_fields:
      write_fields(job);
      return tell_written(job, trace_code::entry_fields);
    case Step::set_present:
      write(job, job.at, memory.read(job.at) | present_bit);
      tell_written(job, trace_code::entry_set);
      return tell_nested(job);
    case Step::write_changes:
      write_changes(job);
      return tell_written(job, trace_code::entry_changed);
    case Step::write_entry:
      write_entry(job);
      return tell_written(job, trace_code::entry_replaced);
    case Step::clear_present:
      clear_present(job);
      return tell_written(job, trace_code::entry_cleared);
    case Step::zero_entry:
      return zero_entry(job);
    default:
      job.thread.run(params_.barrier);
  }
}

// Present last, as Tables does; its instants are not told apart.
void IommuDriver::write_context(Job& job) {
  const Function& function = functions_.at(job.source);
  vtd::ScalableContext context;
  context.rid_pasid = function.is.rid_pasid;
  context.pasid_enable = function.is.max_pasids > 0;
  context.device_tlb_enable = function.is.ats && iommu_.abilities().device_tlbs;
  context.page_request_enable = function.is.page_requests && iommu_.abilities().page_requests;
  job.thread.run(2 * params_.table_write);
  tables_.attach(job.source, std::max(pasid_limit(job.source), least_table), context);
}

void IommuDriver::write_fields(Job& job) {
  vtd::PasidEntry fields = job.entry;
  fields.present = false;
  const PhysicalMemory::Line words = fields.encode();
  for (std::size_t word = words.size(); word-- > 0;)
    write(job, job.at + Bytes(word * 8), words[word]);
}

void IommuDriver::write_changes(Job& job) {
  const PhysicalMemory::Line words = job.entry.encode();
  for (std::size_t word = words.size(); word-- > 0;) {
    const Hpa at = job.at + Bytes(word * 8);
    if (iommu_.memory().read(at) != words[word]) write(job, at, words[word]);
  }
}

// Hardware that reads it finds the old one or the new one. Linux leaves it to the compiler how the
// structure is stored; one store of 64 bytes (MOVDIR64B) is what never tears.
void IommuDriver::write_entry(Job& job) {
  const PhysicalMemory::Line words = job.next.encode();
  job.thread.run(params_.table_write);
  for (std::size_t word = 0; word < words.size(); ++word)
    iommu_.memory().write(job.at + Bytes(word * 8), words[word]);
}

void IommuDriver::clear_present(Job& job) {
  const std::uint64_t word = iommu_.memory().read(job.at) & ~present_bit;
  write(job, job.at, job.quiet ? word | fault_disable_bit : word);
}

// Somebody may have set it up again while the caches were flushed.
void IommuDriver::zero_entry(Job& job) {
  if ((iommu_.memory().read(job.at) & present_bit) != 0) return;
  for (std::size_t word = PhysicalMemory::words_per_line; word-- > 1;)
    write(job, job.at + Bytes(word * 8), 0);
  write(job, job.at, job.quiet ? fault_disable_bit : 0);
  tell_written(job, trace_code::entry_zeroed);
}

// Of the entry that was, where one is removed or replaced: what is to be flushed is of that one.
void IommuDriver::tell_written(const Job& job, std::uint16_t code) const {
  if (!trace.on()) return;
  const bool first = job.entry.type == vtd::PasidEntry::Type::first_level ||
                     job.entry.type == vtd::PasidEntry::Type::nested;
  const bool stays = code != trace_code::entry_zeroed;  // what it was
  const EntryWritten written{.source = job.source.value(),
                             .domain = static_cast<std::uint16_t>(job.domain.value()),
                             .type = static_cast<std::uint8_t>(job.entry.type),
                             .device_tlb = reachable(job.source),
                             .caching = iommu_.abilities().emulated,
                             .pasid_limit = pasid_limit(job.source),
                             .quiet = job.quiet || (stays && job.entry.fault_disable)};
  trace.emit({.kind = EventKind::table_write,
              .time = job.thread.now(),
              .pasid = job.pasid,
              .address = (first ? job.entry.first_level : job.entry.second_level).value(),
              .value = written.encode(),
              .code = code});
}

void IommuDriver::tell_context(const Job& job, std::uint16_t code) const {
  if (!trace.on()) return;
  const auto at = tables_.context_at(job.source);
  const Hpa directory = at ? vtd::table_of(iommu_.memory().read(*at)) : Hpa(0);
  const ContextWritten written{.source = job.source.value(),
                               .device_tlb = reachable(job.source),
                               .caching = iommu_.abilities().emulated};
  trace.emit({.kind = EventKind::context_write,
              .time = job.thread.now(),
              .address = directory.value(),
              .value = written.encode(),
              .code = code});
}

void IommuDriver::tell_nested(const Job& job) const {
  if (!trace.on() || job.entry.type != vtd::PasidEntry::Type::nested) return;
  trace.emit({.kind = EventKind::nested,
              .time = job.thread.now(),
              .pasid = job.pasid,
              .address = job.entry.second_level.value(),
              .value = job.source.value()});
}

void IommuDriver::tell_own_numbers(Thread& thread, Bdf source, bool own) const {
  if (!trace.on()) return;
  trace.emit({.kind = EventKind::own_numbers,
              .time = thread.now(),
              .value = source.value(),
              .code = static_cast<std::uint16_t>(own)});
}

}  // namespace viosim
