// One function for each kind of operation, and the operations that other records prove.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/stream_builder.hpp"

#include "models/iommu/vtd/descriptor.hpp"
#include "sim/recording/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace viosim::recording {

void StreamBuilder::at(std::int64_t time_ps, std::uint32_t line) {
  time_ps_ = time_ps;
  line_ = line;
}

RecordedOp& StreamBuilder::add(RecordedKind kind) {
  RecordedOp& op = stream_.ops.emplace_back();
  op.time_ps = time_ps_;
  op.line = line_;
  op.kind = kind;
  return op;
}

void StreamBuilder::request(RecordedOp op) {
  op.time_ps = time_ps_;
  op.line = line_;
  op.kind = RecordedKind::request;
  stream_.ops.push_back(op);
  requesters_.insert(op.sid);
}

void StreamBuilder::attach(std::uint16_t sid, std::uint32_t domain) {
  const auto [it, fresh] = attached_.try_emplace(sid, domain);
  if (!fresh && it->second == domain) return;
  it->second = domain;
  RecordedOp& op = add(RecordedKind::attach);
  op.sid = sid;
  op.domain = domain;
}

void StreamBuilder::detach(std::uint16_t sid) {
  if (attached_.erase(sid) == 0) return;
  add(RecordedKind::detach).sid = sid;
}

void StreamBuilder::map(std::uint32_t domain, PageRange range, const Mapping& mapping) {
  const MappedPages& pages = domains_[domain];
  if (pages.touches(range)) {
    if (pages.holds(range, mapping)) return;
    prove_unmapped(domain, range);
  }
  add_map(domain, range, mapping);
}

void StreamBuilder::unmap_all(std::uint32_t domain) {
  const auto it = domains_.find(domain);
  if (it == domains_.end()) return;
  constexpr PageRange everything{0, std::numeric_limits<std::uint64_t>::max()};
  for (const PageRange part : it->second.overlap(everything)) unmap(domain, part);
}

void StreamBuilder::descriptor(std::uint64_t hi, std::uint64_t lo) {
  RecordedOp& op = add(RecordedKind::descriptor);
  op.iova = hi;
  op.pa = lo;
}

void StreamBuilder::invalidate(std::uint32_t domain, PageRange range) {
  RecordedOp& op = add(RecordedKind::invalidate);
  op.domain = domain;
  op.iova = range.first << 12U;
  op.pages = static_cast<std::uint32_t>(range.pages());
}

void StreamBuilder::invalidate_all(std::uint32_t domain) {
  add(RecordedKind::invalidate).domain = domain;
}

void StreamBuilder::flush_context(std::uint16_t sid) {
  vtd::Descriptor flush;
  flush.type = vtd::DescriptorType::context_cache;
  flush.granularity = vtd::Granularity::device;
  flush.source = Bdf(sid);
  const auto words = flush.encode();
  descriptor(words[1], words[0]);
}

void StreamBuilder::drop_all() { add(RecordedKind::drop_all); }

void StreamBuilder::forget_everything() {
  while (!attached_.empty()) detach(attached_.begin()->first);
  for (const auto& [domain, pages] : domains_) unmap_all(domain);
}

void StreamBuilder::prove_mapped(std::uint32_t domain, PageRange range, const Mapping& mapping,
                                 std::uint8_t needed) {
  Mapping known;
  if (domains_[domain].find(range.first, known) && known.pa_page == mapping.pa_page &&
      known.page_shift == mapping.page_shift && (known.permissions & needed) != 0) {
    return;
  }
  prove_unmapped(domain, range);
  add_map(domain, range, mapping);
  ++stream_.recovered_maps;
}

void StreamBuilder::prove_denied(std::uint32_t domain, std::uint64_t page, std::uint8_t needed) {
  Mapping known;
  if (!domains_[domain].find(page, known) || (known.permissions & needed) == 0) return;
  const std::uint64_t entry = (std::uint64_t{1} << (known.page_shift - 12U)) - 1;
  prove_unmapped(domain, {page & ~entry, page | entry});
}

void StreamBuilder::prove_unmapped(std::uint32_t domain, PageRange range) {
  for (const PageRange part : domains_[domain].overlap(range)) {
    unmap(domain, part);
    ++stream_.recovered_unmaps;
  }
}

// The last page that the IOMMU's tables can map.
std::uint64_t StreamBuilder::last_page() const {
  return (std::uint64_t{1} << 9U * table_levels_for(stream_.address_width)) - 1;
}

void StreamBuilder::add_map(std::uint32_t domain, PageRange range, const Mapping& mapping) {
  if (range.last > last_page()) {
    throw RecordingProblem(fmt::format(
        "a mapping reaches {:#x}, expected at most {:#x} as tables of {} bits hold",
        range.last << 12U | 0xfffU, last_page() << 12U | 0xfffU, stream_.address_width));
  }
  MappedPages& pages = domains_[domain];
  mapped_entries_ -= pages.entries();
  pages.insert(range, mapping);
  mapped_entries_ += pages.entries();
  if (mapped_entries_ > max_mapped_entries_) {
    throw RecordingProblem(
        fmt::format("{} page-table entries are mapped at once, expected at most {}",
                    mapped_entries_, max_mapped_entries_));
  }
  RecordedOp& op = add(RecordedKind::map);
  op.domain = domain;
  op.iova = range.first << 12U;
  op.pa = mapping.pa_page << 12U;
  op.pages = static_cast<std::uint32_t>(range.pages());
  op.permissions = mapping.permissions;
  op.page_shift = mapping.page_shift;
}

void StreamBuilder::unmap(std::uint32_t domain, PageRange range) {
  if (range.first > last_page()) return;  // nothing can be mapped there
  range.last = std::min(range.last, last_page());
  MappedPages& pages = domains_[domain];
  mapped_entries_ -= pages.entries();
  pages.remove(range);
  mapped_entries_ += pages.entries();
  RecordedOp& op = add(RecordedKind::unmap);
  op.domain = domain;
  op.iova = range.first << 12U;
  op.pages = static_cast<std::uint32_t>(range.pages());
}

bool StreamBuilder::attached(std::uint16_t sid, std::uint32_t& domain) const {
  const auto it = attached_.find(sid);
  if (it == attached_.end()) return false;
  domain = it->second;
  return true;
}

bool StreamBuilder::any_attached(std::uint32_t domain) const {
  for (const auto& [sid, of] : attached_) {
    if (of == domain) return true;
  }
  return false;
}

void StreamBuilder::finish() { stream_.requesters.assign(requesters_.begin(), requesters_.end()); }

}  // namespace viosim::recording
