// An address space of any kind with a window of pages in it, for tests that change its tables while
// hardware walks them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/host/guest_memory.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/page_table.hpp"
#include "models/iommu/riscv/structures.hpp"
#include "models/iommu/vtd/tables.hpp"

#include <cstdint>
#include <optional>

namespace viosim::test {

struct SpaceShape {
  vtd::PasidEntry::Type type = vtd::PasidEntry::Type::second_level;
  unsigned first_levels = 4;
  unsigned second_levels = 4;
  unsigned first_leaf = 1;  // the levels of the leaves
  unsigned second_leaf = 1;
  unsigned spacing = 1;         // from page to page: leaves of this level; no leaf is larger
  bool second_updates = false;  // SLADE; a first level always sets accessed and dirty
  DomainId domain{1};
  EntryRules rules = {};  // as the entry that names the tables says
  bool riscv = false;
  bool first_updates = true;  // RISC-V: SADE

  using Type = vtd::PasidEntry::Type;
  bool first() const { return type == Type::first_level || type == Type::nested; }
  bool second() const { return type == Type::second_level || type == Type::nested; }
  bool nested() const { return type == Type::nested; }
  TableFormat first_format() const { return riscv ? TableFormat::sv : TableFormat::first_level; }
  TableFormat second_format() const {
    return riscv ? TableFormat::sv_guest : TableFormat::second_level;
  }
};

// Page i lies at iova(i), four pages to a table. A first stage maps it to a guest page, of which the
// second stage maps the beginning; without a second stage it maps it to a host frame.
class PagedSpace {
 public:
  PagedSpace(PhysicalMemory& host, const SpaceShape& shape) : host_(host), shape_(shape) {
    if (shape.second()) second_.emplace(host, shape.second_format(), shape.second_levels);
    // Without a first stage, RISC-V keeps a guest's process directory there, beyond the pages.
    const Hpa base(shape.nested() ? 0x4000'0000U : std::uint64_t{16} << 30U);
    if (shape.nested() || (shape.riscv && shape.second()))
      guest_.emplace(host, *second_, base, Bytes(1 << 20U), 1);
    if (shape.first()) first_.emplace(table_memory(), shape.first_format(), shape.first_levels);
  }

  const SpaceShape& shape() const { return shape_; }
  // Where software keeps first-stage tables.
  TableMemory& table_memory() { return guest_ ? static_cast<TableMemory&>(*guest_) : host_; }
  Iova iova(std::uint64_t page) const { return Iova(spread(page)); }
  Iova guest(std::uint64_t page) const { return Iova((std::uint64_t{64} << 30U) + spread(page)); }

  void map_first(std::uint64_t page, Hpa to, Permissions permissions) {
    first_->map(iova(page), to, pages_of(shape_.first_leaf), permissions, shape_.first_leaf);
  }
  void map_second(Iova at, Hpa to, Permissions permissions) {
    second_->map(at, to, pages_of(shape_.second_leaf), permissions, shape_.second_leaf);
  }
  void unmap_first(std::uint64_t page) { first_->unmap(iova(page), pages_of(shape_.first_leaf)); }
  void unmap_second(Iova at) { second_->unmap(at, pages_of(shape_.second_leaf)); }
  // The page, through all stages, to a frame of the host.
  void map(std::uint64_t page, Hpa to, Permissions permissions = {true, true}) {
    if (shape_.nested()) map_first(page, Hpa(guest(page).value()), permissions);
    if (shape_.second()) {
      map_second(shape_.first() ? guest(page) : iova(page), to, permissions);
    } else {
      map_first(page, to, permissions);
    }
  }

  // Where hardware reads the entry of a level on the way to a page.
  Hpa first_entry(std::uint64_t page, unsigned level) const {
    Hpa table = first_->root();
    for (unsigned above = shape_.first_levels;; --above) {
      const Hpa slot = in_host(entry_address(table, iova(page), above));
      if (above == level) return slot;
      table = TableEntry{host_.read(slot)}.address(shape_.first_format());
    }
  }
  Hpa second_entry(Iova at, unsigned level) const {
    Hpa table = second_->root();
    for (unsigned above = shape_.second_levels;; --above) {
      const bool wide = shape_.riscv && above == shape_.second_levels;
      const Hpa slot =
          wide ? widened_entry_address(table, at, above) : entry_address(table, at, above);
      if (above == level) return slot;
      table = TableEntry{host_.read(slot)}.address(shape_.second_format());
    }
  }
  Hpa leaf_entry(std::uint64_t page) const {
    return shape_.first() ? first_entry(page, shape_.first_leaf)
                          : second_entry(iova(page), shape_.second_leaf);
  }

  vtd::PasidEntry entry() const {
    vtd::PasidEntry entry;
    entry.present = true;
    entry.type = shape_.type;
    entry.domain = shape_.domain;
    entry.second_updates = shape_.second_updates;
    entry.write_protect = shape_.rules.write_protect;
    entry.no_execute = shape_.rules.no_execute;
    entry.second_execute = shape_.rules.second_execute;
    if (second_) {
      entry.address_width = static_cast<std::uint8_t>(shape_.second_levels - 2);
      entry.second_level = second_->root();
    }
    if (first_) {
      entry.first_level_mode = static_cast<std::uint8_t>(shape_.first_levels - 4);
      entry.first_level = first_->root();
    }
    return entry;
  }
  vtd::LegacyContext context() const {
    vtd::LegacyContext context;
    context.present = true;
    context.address_width = static_cast<std::uint8_t>(shape_.second_levels - 2);
    if (second_) context.table = second_->root();
    if (!second_) context.translation_type = 2;  // pass-through
    context.domain = shape_.domain;
    return context;
  }

  // RISC-V: as fsc and iohgatp name the tables.
  riscv::Root first_root() const {
    return first_ ? riscv::Root::of(first_->root(), shape_.first_levels) : riscv::Root{};
  }
  riscv::Root second_root() const {
    return second_ ? riscv::Root::of(second_->root(), shape_.second_levels) : riscv::Root{};
  }

  PageTable& first() { return *first_; }
  PageTable& second() { return *second_; }

 private:
  static std::uint64_t pages_of(unsigned leaf) { return leaf_size(leaf).count() >> 12U; }
  std::uint64_t spread(std::uint64_t page) const {
    if (shape_.spacing == 3) return page << 30U;
    return (page % 4 + page / 4 * 512) * leaf_size(shape_.spacing).count();
  }
  Hpa in_host(Hpa at) const { return shape_.nested() ? *second_->find(Iova(at.value())) : at; }

  PhysicalMemory& host_;
  SpaceShape shape_;
  std::optional<PageTable> second_;
  std::optional<GuestMemory> guest_;
  std::optional<PageTable> first_;
};

}  // namespace viosim::test
