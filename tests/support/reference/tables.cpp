// What a walk reads in the tables, one timed read after the other.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/reference/walks.hpp"

namespace viosim::test::reference {

// A timed read of a line of memory.
PhysicalMemory::Line Walks::read(Walk& walk, Hpa at) {
  ++world_.stats.walk_reads;
  walk.next_read += world_.params().walk_read;
  world_.turns.sleep_until(walk.next_read);
  world_.turn(walk.self, EventClass::table_read, walk.device.number, walk.ticket);
  PhysicalMemory::Line words{};
  for (std::uint64_t i = 0; i < 8 && (at.value() % 64) / 8 + i < 8; ++i)
    words[i] = world_.memory.read(at + Bytes(i * 8));
  return words;
}

Answer Walks::fault(vtd::FaultReason reason) { return {reason, {}, {}, 1}; }

Answer Walks::translate(Walk& walk) {
  if (!walk.root) {
    const vtd::FaultReason reason = world_.scalable() ? find_pasid_entry(walk) : find_context(walk);
    if (reason != vtd::FaultReason::none) return fault(reason);
    if (const auto page = look_up_late(walk)) return *page;
  }
  return walk_pages(walk);
}

vtd::FaultReason Walks::find_context(Walk& walk) {
  const Bdf source = walk.device.is.source;
  const bool upper = world_.scalable() && source.devfn() >= 128;
  const Hpa root = world_.tables.root() + Bytes(source.bus() * 16 + (upper ? 8 : 0));
  const std::uint64_t root_entry = read(walk, root)[0];
  if (root_entry % 2 == 0)
    return world_.scalable() ? vtd::FaultReason::sm_root_not_present
                             : vtd::FaultReason::root_not_present;
  const Hpa table(root_entry & ~std::uint64_t{0xfff});
  const unsigned place = world_.scalable() ? source.devfn() % 128 * 32 : source.devfn() * 16;
  const PhysicalMemory::Line words = read(walk, table + Bytes(place));
  CachedContext context;
  if (world_.scalable()) {
    context.scalable = vtd::ScalableContext::decode(words);
  } else {
    context.legacy = vtd::LegacyContext::decode(words);
  }
  const bool present = world_.scalable() ? context.scalable.present : context.legacy.present;
  walk.silent = world_.scalable() ? context.scalable.fault_disable : context.legacy.fault_disable;
  if (!present)
    return world_.scalable() ? vtd::FaultReason::sm_context_not_present
                             : vtd::FaultReason::context_not_present;
  if (!world_.scalable() && !context.legacy.valid()) return vtd::FaultReason::context_invalid;
  know_context(walk, context);
  if (!walk.overtaken) caches_.contexts.insert(caches_.context_key(walk.device), context);
  return vtd::FaultReason::none;
}

vtd::FaultReason Walks::pasid_fault(const Walk& walk) {
  const vtd::ScalableContext& context = walk.context->scalable;
  if (walk.device.is.pasid != no_pasid && !context.pasid_enable)
    return vtd::FaultReason::sm_pasid_disabled;
  if (walk.pasid.value() < context.pasid_limit()) return vtd::FaultReason::none;
  return walk.device.is.pasid == no_pasid ? vtd::FaultReason::sm_rid_pasid
                                          : vtd::FaultReason::sm_pasid_too_large;
}

vtd::FaultReason Walks::find_pasid_entry(Walk& walk) {
  const bool context_was_read = !walk.context;
  if (context_was_read) {
    const vtd::FaultReason reason = find_context(walk);
    if (reason != vtd::FaultReason::none) return reason;
  }
  const vtd::ScalableContext& context = walk.context->scalable;
  if (pasid_fault(walk) != vtd::FaultReason::none) return pasid_fault(walk);
  if (context_was_read) {
    const auto key = caches_.pasid_key(walk.device, walk.pasid);
    if (const auto* known = Caches::count_and_use(caches_.pasids, key)) {
      know_entry(walk, *known);
      return vtd::FaultReason::none;
    }
  }
  const std::uint64_t directory =
      read(walk, context.directory + Bytes(walk.pasid.value() / 64 * 8))[0];
  if (directory % 2 == 0) return vtd::FaultReason::sm_directory_not_present;
  const Hpa table(directory & ~std::uint64_t{0xfff});
  const auto entry =
      vtd::PasidEntry::decode(read(walk, table + Bytes(walk.pasid.value() % 64 * 64)));
  walk.silent = walk.silent || entry.fault_disable;
  if (!entry.present) return vtd::FaultReason::sm_pasid_entry_not_present;
  if (!entry.valid()) return vtd::FaultReason::sm_pasid_entry_invalid;
  know_entry(walk, entry);
  if (!walk.overtaken) caches_.pasids.insert(caches_.pasid_key(walk.device, walk.pasid), entry);
  return vtd::FaultReason::none;
}

vtd::FaultReason Walks::width_fault(const Walk& walk) const {
  const bool first_level = walk.root->format == TableFormat::first_level;
  const unsigned width = 12 + 9 * walk.root->levels;
  // First-level addresses repeat their highest bit; those of the tests have it clear.
  if (walk.request.iova.value() >> (first_level ? width - 1 : width) == 0)
    return vtd::FaultReason::none;
  return first_level         ? vtd::FaultReason::sm_not_canonical
         : world_.scalable() ? vtd::FaultReason::sm_second_level_beyond_width
                             : vtd::FaultReason::beyond_width;
}

// The address space had to be read: only now the IOTLB can be asked.
std::optional<Answer> Walks::look_up_late(Walk& walk) {
  if (walk.asked || walk.root->pass_through || width_fault(walk) != vtd::FaultReason::none)
    return std::nullopt;
  walk.asked = true;
  const CachedPage* page =
      caches_.look_up_page(walk.device, walk.request, walk.root->domain, walk.pasid);
  if (page == nullptr) return std::nullopt;
  walk.in_iotlb = true;
  return Answer{vtd::FaultReason::none, page->frame, page->allowed, page->level};
}

Answer Walks::walk_pages(Walk& walk) {
  const Root root = *walk.root;
  const Iova iova = walk.request.iova;
  const bool write = walk.request.access == Access::write;
  if (root.pass_through)
    return {vtd::FaultReason::none, Hpa(iova.page_base(page_4k).value()), {}, 1};
  const bool first_level = root.format == TableFormat::first_level;
  const unsigned width = 12 + 9 * root.levels;
  if (width_fault(walk) != vtd::FaultReason::none) return fault(width_fault(walk));
  const vtd::FaultReason denied =
      world_.scalable()
          ? (write ? vtd::FaultReason::sm_write_denied : vtd::FaultReason::sm_read_denied)
          : (write ? vtd::FaultReason::write_denied : vtd::FaultReason::read_denied);
  const vtd::FaultReason absent = !world_.scalable() ? denied
                                  : first_level      ? vtd::FaultReason::sm_first_level_not_present
                                                     : vtd::FaultReason::sm_second_level_denied;
  Allowed allowed;
  Hpa table = root.table;
  for (unsigned shift = width - 9;; shift -= 9) {
    const std::uint64_t entry = read(walk, table + Bytes((iova.value() >> shift) % 512 * 8))[0];
    if ((entry & (first_level ? 1U : 3U)) == 0) return fault(absent);
    allowed.read = allowed.read && (first_level || entry % 2 != 0);
    allowed.write = allowed.write && (entry & 2U) != 0;
    if (!allowed.allow(walk.request.access)) return fault(denied);
    table = Hpa(entry & 0x000f'ffff'ffff'f000U);
    const unsigned level = (shift - 3) / 9;
    if (level == 1 || (entry & 0x80U) != 0) return {vtd::FaultReason::none, table, allowed, level};
  }
}

}  // namespace viosim::test::reference
