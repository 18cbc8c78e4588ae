// What a storm's software does: each step changes tables, then tells the IOMMU what to forget.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "tests/models/storm.hpp"

#include <algorithm>

namespace viosim::test {
namespace {

// Long enough for every walk that was in flight: of at most 35 reads of 30 ns and as many updates.
constexpr Ps walks_end = 5us;

constexpr std::uint64_t no_execute = std::uint64_t{1} << 63U;  // XD

// The same entry, with another table.
std::uint64_t with_table(TableFormat format, std::uint64_t bits, Hpa table) {
  return is_sv(format) ? TableEntry::make_table(format, table).bits
                       : (bits & ~TableEntry::address_mask) | table.value();
}

}  // namespace

// What requests may do, as the specifications say it: VT-d 3.x, 3.6.1; RISC-V privileged
// architecture, 4.3.1 and SUM.
Rights Storm::first_rights(const SpaceShape& shape, const Permissions& p) const {
  if (shape.riscv) {
    if (!p.user) return Rights::supervisor(p.read, p.write, p.execute);
    const Rights user = Rights::user(p.read, p.write, p.execute);
    return shape.rules.supervisor_user ? user | Rights::supervisor(p.read, p.write, false) : user;
  }
  const bool executes = p.execute || !shape.rules.no_execute;
  const Rights supervisor =
      Rights::supervisor(true, p.write || !shape.rules.write_protect, executes);
  return p.user ? supervisor | Rights::user(true, p.write, executes) : supervisor;
}

Rights Storm::second_rights(const SpaceShape& shape, const Permissions& p) const {
  const bool executes =
      shape.riscv ? p.execute : p.read && (p.execute || !shape.rules.second_execute);
  return Rights::both(p.read, p.write, executes);
}

void Storm::change_first(Space& space, std::uint64_t page, bool present) {
  PagedSpace& tables = *space.tables;
  const SpaceShape& shape = tables.shape();
  const std::uint64_t target =
      shape.nested() ? page + (chance(50) ? pages : 0) + 1 : new_frame().value();
  const Permissions permissions{true, chance(70), chance(60), chance(80)};
  const Hpa to = shape.nested() ? Hpa(tables.guest(target - 1).value()) : Hpa(target);
  tables.map_first(page, to, permissions);
  if (!shape.riscv && shape.rules.no_execute && !permissions.execute) {
    const Hpa leaf = tables.first_entry(page, shape.first_leaf);
    memory_.write(leaf, memory_.read(leaf) | no_execute);
  }
  const bool absent = !present && chance(20);
  if (absent) tables.unmap_first(page);
  space.first[page].change(
      agenda_.now(),
      absent ? History::Value{} : History::Value{target, first_rights(shape, permissions)});
}

void Storm::change_second(Space& space, std::uint64_t page, bool present) {
  PagedSpace& tables = *space.tables;
  const SpaceShape& shape = tables.shape();
  const Iova at = shape.nested() ? tables.guest(page) : tables.iova(page);
  const Hpa frame = new_frame();
  // VT-d knows pages that may be written and not read.
  const bool write_only = !shape.riscv && chance(5);
  const Permissions permissions{!write_only, write_only || chance(70), chance(60), true};
  tables.map_second(at, frame, permissions);
  const bool absent = !present && chance(20);
  if (absent) tables.unmap_second(at);
  space.second[page].change(
      agenda_.now(),
      absent ? History::Value{} : History::Value{frame.value(), second_rights(shape, permissions)});
}

// Of one page, or of the table that its entry is in.
void Storm::forget_page(const Space& space, bool second, std::uint64_t page, unsigned level,
                        bool leaf_only) {
  const PagedSpace& tables = *space.tables;
  const Iova at = second && tables.shape().nested() ? tables.guest(page) : tables.iova(page);
  system_->forget_page(tables, second, at, level, leaf_only);
}

void Storm::step() {
  if (serve_page_requests()) return;
  if (steps_left_ == 0) {
    idle_ = true;
    return;
  }
  --steps_left_;
  Space& space = spaces_[below(spaces_.size())];
  const SpaceShape& shape = space.tables->shape();
  const std::uint64_t kind = below(10);
  if (kind == 0 || shape.type == SpaceShape::Type::pass_through) return rebind();
  if (kind == 1) return move_table(space);
  if (kind == 2 && shape.nested()) return migrate_guest_table(space);
  if (kind == 3) clear_used_bits(space);
  std::vector<History*> known;
  const std::uint64_t changes = 1 + below(3);
  std::vector<std::function<void()>> work;
  for (std::uint64_t i = 0; i < changes; ++i) {
    const bool second = !shape.first() || (shape.nested() && chance(50));
    const std::uint64_t page = below(second && shape.nested() ? guest_pages : pages);
    work.emplace_back([this, &space, second, page] {
      second ? change_second(space, page) : change_first(space, page);
    });
    known.push_back(second ? &space.second[page] : &space.first[page]);
    forget_page(space, second, page, second ? shape.second_leaf : shape.first_leaf, chance(50));
  }
  if (chance(10)) {
    system_->forget_nothing();
    system_->forget_space(*space.tables);
  }
  const auto change = [work] {
    for (const auto& each : work) each();
  };
  if (order_ == Order::proper) {
    change();
    return finish_step(known, some_time(30));
  }
  submit([this, change, known] {
    later(some_time(30), [this, change, known] {
      change();
      const Instant since = agenda_.now() + Ps(1);
      for (History* of : known) of->fence(since, since, false);
      later(some_time(200), [this] { step(); });
    });
  });
}

void Storm::finish_step(std::vector<History*> known, Ps wait) {
  later(wait, [this, known = std::move(known)] {
    const Instant submitted = agenda_.now();
    submit([this, known, submitted] {
      for (History* of : known) of->fence(submitted, agenda_.now(), system_->drained());
      later(some_time(200), [this] { step(); });
    });
  });
}

void Storm::page_requests_pending() {
  if (!idle_) return;
  idle_ = false;
  later(some_time(50), [this] { step(); });
}

// Takes all that is in the queue, maps most of it, and answers what has to be answered.
bool Storm::serve_page_requests() {
  vtd::Unit* const unit = system_->vtd();
  if (unit == nullptr || !unit->page_requests().pending()) return false;
  vtd::PageRequestQueue& queue = unit->page_requests();
  queue.clear_pending();
  std::vector<History*> known;
  for (; queue.head() != queue.tail(); queue.write_head((queue.head() + 1) % queue.entries())) {
    const PageRequest request = queue.entry(queue.head());
    const auto device = std::find_if(devices_.begin(), devices_.end(), [&](const Device& one) {
      return one.function.source == request.source;
    });
    ensure(device != devices_.end(), "a page request of nobody");
    const std::uint64_t page = request.address.value() / leaf_size(spacing_).count();
    if (page < ats_pages && chance(80))
      map_requested(spaces_[device->space.last().target - 1], page, known);
    if (!request.last) continue;
    const PageResponseCode code = chance(90)   ? PageResponseCode::success
                                  : chance(80) ? PageResponseCode::invalid
                                               : PageResponseCode::failure;
    system_->respond({request.source, request.pasid, request.group, code});
  }
  finish_step(known, some_time(30));
  return true;
}

void Storm::map_requested(Space& space, std::uint64_t page, std::vector<History*>& known) {
  const SpaceShape& shape = space.tables->shape();
  ++reach_.pages_mapped;
  if (shape.first()) {
    change_first(space, page, true);
    known.push_back(&space.first[page]);
    forget_page(space, false, page, shape.first_leaf, true);
  }
  if (!shape.second()) return;
  const std::uint64_t at = shape.nested() ? space.first[page].last().target - 1 : page;
  change_second(space, at, true);
  known.push_back(&space.second[at]);
  forget_page(space, true, at, shape.second_leaf, true);
}

// Accessed and dirty, of entries on the way to a page.
void Storm::clear_used_bits(Space& space) {
  const SpaceShape& shape = space.tables->shape();
  const std::uint64_t page = below(pages);
  // RISC-V: a leaf that is not marked is a fault where hardware does not mark it, and a pointer to a
  // table has no marks.
  const auto clear = [&](Hpa at, TableFormat format, bool leaf) {
    if (is_sv(format) && !leaf) return;
    memory_.write(at, memory_.read(at) & ~(accessed_bit(format) | dirty_bit(format)));
  };
  const auto marked = [&](bool updates) { return !shape.riscv || updates; };
  for (unsigned level = shape.first_leaf; shape.first() && level <= shape.first_levels; ++level) {
    if (marked(shape.first_updates) && chance(70))
      clear(space.tables->first_entry(page, level), shape.first_format(),
            level == shape.first_leaf);
  }
  if (!shape.second() || !marked(shape.second_updates)) return;
  const Iova at = shape.nested() ? space.tables->guest(page) : space.tables->iova(page);
  for (unsigned level = shape.second_leaf; level <= shape.second_levels; ++level) {
    if (chance(70))
      clear(space.tables->second_entry(at, level), shape.second_format(),
            level == shape.second_leaf);
  }
}

// Pages that nobody may reach, where a table was.
void Storm::poison(Hpa table) {
  for (std::uint64_t i = 0; i < 512; ++i) {
    const std::uint64_t word = (std::uint64_t{1} << 41U) | 0x1e7U;
    memory_.write(table + Bytes(i * 8), system_->riscv() ? (word >> 12U << 10U) | 0xdfU : word);
  }
}

Hpa Storm::copy_table(Hpa table) {
  const Hpa copy = memory_.allocate_frames();
  for (std::uint64_t i = 0; i < 512; ++i) {
    if (const std::uint64_t word = memory_.read(table + Bytes(i * 8)); word != 0)
      memory_.write(copy + Bytes(i * 8), word);
  }
  return copy;
}

// Once hardware has forgotten a table, its memory is used for something else.
void Storm::poison_later(Hpa table, Ps wait) {
  later(wait, [this, table] {
    submit([this, table] {
      later(walks_end, [this, table] {
        poison(table);
        later(some_time(50), [this] { step(); });
      });
    });
  });
}

// A table goes elsewhere; what it says stays.
void Storm::move_table(Space& space) {
  const SpaceShape& shape = space.tables->shape();
  const bool second = shape.second();
  const unsigned leaf = second ? shape.second_leaf : shape.first_leaf;
  const unsigned levels = second ? shape.second_levels : shape.first_levels;
  const unsigned level = leaf + 1 + static_cast<unsigned>(below(levels - leaf));
  const std::uint64_t page = below(pages);
  const Iova at = shape.nested() ? space.tables->guest(page) : space.tables->iova(page);
  const Hpa slot =
      second ? space.tables->second_entry(at, level) : space.tables->first_entry(page, level);
  const TableFormat format = second ? shape.second_format() : shape.first_format();
  const std::uint64_t bits = memory_.read(slot);
  const Hpa old = TableEntry{bits}.address(format);
  memory_.write(slot, with_table(format, bits, copy_table(old)));
  ++reach_.tables_moved;
  forget_page(space, second, page, level, false);
  poison_later(old, some_time(20));
}

// The host moves a frame of the guest in which the guest has a table.
void Storm::migrate_guest_table(Space& space) {
  const SpaceShape& shape = space.tables->shape();
  const std::uint64_t page = below(pages);
  const unsigned level =
      shape.first_leaf + static_cast<unsigned>(below(shape.first_levels - shape.first_leaf + 1));
  const Hpa old = space.tables->first_entry(page, level).page_base(page_4k);
  Iova guest(0x4000'0000);
  while (*space.tables->second().find(guest) != old) guest = guest + page_4k;
  space.tables->second().map(guest, copy_table(old), 1, {true, true, true});
  ++reach_.tables_moved;
  system_->forget_guest_frame(*space.tables, guest, chance(50));
  poison_later(old, some_time(20));
}

// A device gets another space: the old entry goes first, then what the caches know of it.
void Storm::rebind() {
  const auto number = static_cast<std::uint32_t>(below(devices_.size()));
  Device& device = devices_[number];
  const std::uint64_t next = below(spaces_.size());
  const Space& space = spaces_[device.space.last().target - 1];
  const bool keeps_entry = system_->unbind(device.function, *space.tables);
  device.space.change(agenda_.now(), {});
  if (!keeps_entry) device.entry.change(agenda_.now(), {});
  ++reach_.rebound;
  const Instant submitted = agenda_.now();
  submit([this, number, next, submitted, &device] {
    device.space.fence(submitted, agenda_.now(), system_->drained());
    device.entry.fence(submitted, agenda_.now(), system_->drained());
    later(some_time(20), [this, number, next] {
      bind(number, next);
      if (!iommu().params().caching_mode) return later(some_time(100), [this] { step(); });
      Device& bound = devices_[number];
      system_->announce(bound.function, *spaces_[next].tables);
      finish_step({&bound.space, &bound.entry}, some_time(30));
    });
  });
}

// Invalidations that nobody needs.
void Storm::noise() {
  if (steps_left_ == 0) return;
  Invalidation order;
  order.what = static_cast<Invalidation::What>(below(3));
  order.scope = static_cast<Invalidation::Scope>(below(6));
  const Space& space = spaces_[below(spaces_.size())];
  order.domain = space.tables->shape().domain;
  order.pasid = Pasid(16 + static_cast<std::uint32_t>(below(devices_.size())));
  order.source = devices_[below(devices_.size())].function.source;
  order.address = space.tables->iova(below(pages));
  order.address_mask = static_cast<std::uint8_t>(below(10));
  order.leaf_only = chance(50);
  iommu().apply(order);
  later(some_time(200), [this] { noise(); });
}

}  // namespace viosim::test
