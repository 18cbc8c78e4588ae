// The steps of a page walk, one stage after the other or one within the other: part of
// page_walk.hpp, in a header for speed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/decode_entry.hpp"
#include "models/iommu/page_walk.hpp"

namespace viosim {

// First-stage input addresses are canonical: the bits above the table's width repeat its top bit.
constexpr bool canonical(Iova iova, unsigned levels) {
  const unsigned unused = 64 - (12 + 9 * levels);
  const auto shifted = static_cast<std::int64_t>(iova.value() << unused);
  return static_cast<std::uint64_t>(shifted >> unused) == iova.value();
}

// RISC-V's second stage has two address bits more than its levels have.
constexpr bool widened(const AddressSpace& space) {
  return space.second_format == TableFormat::sv_guest;
}

// What a cached translation permits whose page is not marked dirty: the first write walks again, and
// marks it.
inline constexpr Rights clean_rights = Rights::both(true, false, true);

constexpr Hpa in_table(Hpa table, Iova input, unsigned level, bool wide) {
  return wide ? widened_entry_address(table, input, level) : entry_address(table, input, level);
}

inline void PageWalk::begin(const AddressSpace& space, Iova input, Access access, bool privileged,
                            bool probe, bool caches) {
  *this = {};
  space_ = &space;
  input_ = input;
  need_ = Rights::needed(access, privileged);
  access_ = access;
  privileged_ = privileged;
  probe_ = probe;
  caches_ = caches;
  first_rights_ = Rights::all();
  second_rights_ = Rights::all();
  if (space.pass_through) {
    page_ = Hpa(input.page_base(page_4k).value());
    first_level_ = 1;
    step_ = WalkStep::translated;
  } else if (space.first_levels == 0) {
    start_second(Part::second_for_page, input);
  } else if (!canonical(input, space.first_levels)) {
    fail(PageFault::first_not_canonical);
  } else {
    start_first();
  }
}

inline void PageWalk::begin_second(const AddressSpace& space, Iova guest, bool caches) {
  *this = {};
  space_ = &space;
  need_ = Rights::needed(Access::read, false);
  caches_ = caches;
  first_rights_ = Rights::all();
  second_rights_ = Rights::all();
  start_second(Part::second_for_page, guest);
}

inline void PageWalk::fail(PageFault fault) {
  fault_ = fault;
  step_ = WalkStep::faulted;
}

inline void PageWalk::want(Hpa entry) {
  next_read_ = entry;
  step_ = WalkStep::read;
}

inline void PageWalk::done(Hpa address) {
  page_ = address.page_base(leaf_size(page_level()));
  step_ = WalkStep::translated;
}

inline void PageWalk::start_first() {
  part_ = Part::first;
  first_level_ = space_->first_levels;
  if (caches_ && first_level_ > 1) {
    step_ = WalkStep::look_up;
  } else {
    read_first(space_->first_root);
  }
}

// `table`: guest physical when there is a second stage.
inline void PageWalk::read_first(Hpa table) {
  const Hpa entry = in_table(table, input_, first_level_, false);
  if (space_->second_levels == 0) {
    part_ = Part::first;
    want(entry);
  } else {
    start_second(Part::second_for_table, Iova(entry.value()));
  }
}

inline void PageWalk::start_second(Part part, Iova guest) {
  part_ = part;
  guest_ = guest;
  const unsigned width = 12U + 9U * space_->second_levels + (widened(*space_) ? 2U : 0U);
  if (width < 64 && guest.value() >> width != 0) {
    return fail(part == Part::second_for_table ? PageFault::first_table_beyond_width
                                               : PageFault::second_beyond_width);
  }
  second_level_ = space_->second_levels;
  second_rights_ = Rights::all();
  if (caches_ && second_level_ > 1) {
    step_ = WalkStep::look_up;
  } else {
    read_second(space_->second_root);
  }
}

inline void PageWalk::read_second(Hpa table) {
  want(in_table(table, guest_, second_level_,
                widened(*space_) && second_level_ == space_->second_levels));
}

inline void PageWalk::not_cached() {
  if (part_ == Part::first) {
    read_first(space_->first_root);
  } else {
    read_second(space_->second_root);
  }
}

inline bool PageWalk::resume(WalkStart start) {
  if (!probe_ &&
      !start.rights().contain(part_ == Part::second_for_table ? Rights::needed(Access::read, false)
                                                              : need_)) {
    not_cached();
    return false;
  }
  if (part_ == Part::first) {
    first_level_ = start.level();
    first_rights_ = start.rights();
    table_writable_ = start.updates();
    want(in_table(start.table(), input_, first_level_, false));
  } else {
    second_level_ = start.level();
    second_rights_ = start.rights();
    want(in_table(start.table(), guest_, second_level_, false));
  }
  return true;
}

inline WalkStart PageWalk::start() const {
  const bool first = part_ == Part::first;
  return {next_read_.page_base(page_4k), first ? first_rights_ : second_rights_, level(),
          !first || table_writable_};
}

inline void PageWalk::advance(std::uint64_t entry) {
  if (part_ == Part::first) {
    have_first(entry);
  } else {
    have_second(entry);
  }
}

// Whether the page of a leaf is written to, which both stages have to allow. That of a first-stage table is, too,
// where its entries may be updated: ahead of that, as RISC-V IOMMU 1.0, 2.3 allows, and as processors do it under EPT.
inline bool PageWalk::dirties(Rights rights) const {
  if (of_page()) return access_ == Access::write && (rights & first_rights_).contain(need_);
  return space_->first_updates && space_->second_updates && rights.can_write(false);
}

// An entry with accessed set, and dirty where the page is written to. A pointer to a table has
// neither in RISC-V's format.
inline std::uint64_t PageWalk::used(TableFormat format, std::uint64_t bits, bool leaf,
                                    Rights rights) const {
  if (is_sv(format) && !leaf) return bits;
  bits |= accessed_bit(format);
  if (leaf && dirties(rights)) bits |= dirty_bit(format);
  if (format == TableFormat::first_level && space_->rules.extended_accessed)
    bits |= extended_accessed_bit;
  return bits;
}

inline void PageWalk::update(std::uint64_t bits, std::uint64_t used) {
  seen_ = bits;
  replacement_ = used;
  step_ = WalkStep::update;
}

inline PageFault PageWalk::first_denied(Rights rights) const {
  if (probe_ || rights.contain(need_)) return PageFault::none;
  if (!privileged_ && !rights.can_read(false) && rights.can_read(true))
    return PageFault::first_no_user;
  if (access_ == Access::write) return PageFault::first_no_write;
  return rights.can_read(privileged_) ? PageFault::first_no_execute : PageFault::first_no_read;
}

inline PageFault PageWalk::second_denied(Rights rights) const {
  if (part_ == Part::second_for_table) {
    if (rights.can_read(false)) return PageFault::none;
    const bool highest = first_level_ == space_->first_levels;
    return highest ? PageFault::first_root_no_read : PageFault::first_table_no_read;
  }
  if (probe_ || rights.contain(need_)) return PageFault::none;
  if (access_ == Access::write) return PageFault::second_no_write;
  return rights.can_read(privileged_) ? PageFault::second_no_execute : PageFault::second_no_read;
}

inline void PageWalk::have_first(std::uint64_t bits) {
  const TableFormat format = space_->first_format;
  const DecodedEntry entry = decode_entry(format, bits, first_level_, space_->rules);
  if (!entry.present) return fail(PageFault::first_absent);
  if (entry.malformed) return fail(PageFault::first_malformed);
  const Rights rights = first_rights_ & entry.rights;
  if (const PageFault denied = first_denied(rights); denied != PageFault::none) return fail(denied);
  // RISC-V's accessed and dirty count: what hardware does not set is a fault.
  const bool marks = space_->first_updates || is_sv(format);
  if (const std::uint64_t now = used(format, bits, entry.leaf, rights); marks && now != bits) {
    if (!space_->first_updates) return fail(PageFault::first_unmarked);
    if (!table_writable_) return fail(PageFault::first_table_no_write);
    return update(bits, now);
  }
  first_rights_ = rights;
  if (entry.leaf && marks && (bits & dirty_bit(format)) == 0) first_rights_ = rights & clean_rights;
  if (!entry.leaf) {
    --first_level_;
    return read_first(entry.address);
  }
  const Bytes size = entry.size(first_level_);
  const Hpa address = entry.address.page_base(size) + input_.page_offset(size);
  if (space_->second_levels == 0) return done(address);
  start_second(Part::second_for_page, Iova(address.value()));
}

inline void PageWalk::have_second(std::uint64_t bits) {
  const TableFormat format = space_->second_format;
  const DecodedEntry entry = decode_entry(format, bits, second_level_, space_->rules);
  if (!entry.present) return fail(PageFault::second_absent);
  if (entry.malformed) return fail(PageFault::second_malformed);
  const Rights rights = second_rights_ & entry.rights;
  if (const PageFault denied = second_denied(rights); denied != PageFault::none)
    return fail(denied);
  const bool marks = space_->second_updates || is_sv(format);
  if (const std::uint64_t now = used(format, bits, entry.leaf, rights); marks && now != bits) {
    if (!space_->second_updates) return fail(PageFault::second_unmarked);
    return update(bits, now);
  }
  second_rights_ = rights;
  const bool dirty = (bits & dirty_bit(format)) != 0;
  if (entry.leaf && of_page() && marks && !dirty) second_rights_ = rights & clean_rights;
  if (!entry.leaf) {
    --second_level_;
    return read_second(entry.address);
  }
  const Bytes size = entry.size(second_level_);
  const Hpa address = entry.address.page_base(size) + guest_.page_offset(size);
  if (part_ == Part::second_for_page) return done(address);
  table_writable_ = rights.can_write(false) && (dirty || !is_sv(format));
  part_ = Part::first;
  want(address);
}

inline void PageWalk::updated(bool written) {
  step_ = WalkStep::read;
  if (written) advance(replacement_);
}

}  // namespace viosim
