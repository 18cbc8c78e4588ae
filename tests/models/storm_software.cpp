// What a storm's software does: each step changes tables, then tells the IOMMU what to forget.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "tests/models/storm.hpp"

#include <array>

namespace viosim::test {
namespace {

using vtd::Descriptor;
using vtd::DescriptorType;
using vtd::Granularity;

// Long enough for every walk that was in flight: of at most 35 reads of 30 ns and as many updates.
constexpr Ps walks_end = 5us;

std::uint8_t mask_of(unsigned level) { return static_cast<std::uint8_t>(9 * (level - 1)); }

}  // namespace

void Storm::change_first(Space& space, std::uint64_t page) {
  PagedSpace& tables = *space.tables;
  const bool nested = tables.shape().nested();
  const std::uint64_t target = nested ? page + (chance(50) ? pages : 0) + 1 : new_frame().value();
  const bool writable = chance(70);
  const Hpa to = nested ? Hpa(tables.guest(target - 1).value()) : Hpa(target);
  tables.map_first(page, to, {true, writable});
  const bool absent = chance(20);
  if (absent) tables.unmap_first(page);
  space.first[page].change(agenda_.now(),
                           absent ? History::Value{} : History::Value{target, writable});
}

void Storm::change_second(Space& space, std::uint64_t page) {
  PagedSpace& tables = *space.tables;
  const Iova at = tables.shape().nested() ? tables.guest(page) : tables.iova(page);
  const Hpa frame = new_frame();
  const bool writable = chance(70);
  tables.map_second(at, frame, {true, writable});
  const bool absent = chance(20);
  if (absent) tables.unmap_second(at);
  space.second[page].change(agenda_.now(),
                            absent ? History::Value{} : History::Value{frame.value(), writable});
}

// Of one page, or of the table that its entry is in: for every PASID that may use the space.
void Storm::invalidate_page(const Space& space, bool second, std::uint64_t page, std::uint8_t mask,
                            bool leaf_only) {
  if (mask > unit_->params().invalidation.max_address_mask) return invalidate_space(space);
  const SpaceShape& shape = space.tables->shape();
  Descriptor descriptor;
  descriptor.granularity = Granularity::page;
  descriptor.domain = shape.domain;
  descriptor.address_mask = mask;
  descriptor.leaf_only = leaf_only;
  if (second) {
    descriptor.type = DescriptorType::iotlb;
    descriptor.address = shape.nested() ? space.tables->guest(page) : space.tables->iova(page);
    pending_.push_back(descriptor);
    return;
  }
  descriptor.type = DescriptorType::pasid_iotlb;
  descriptor.address = space.tables->iova(page);
  for (std::uint32_t number = 0; number < devices_.size(); ++number) {
    descriptor.pasid = Pasid(16 + number);
    pending_.push_back(descriptor);
  }
}

void Storm::invalidate_space(const Space& space) {
  Descriptor descriptor;
  descriptor.type = DescriptorType::iotlb;
  descriptor.granularity = Granularity::domain;
  descriptor.domain = space.tables->shape().domain;
  pending_.push_back(descriptor);
}

void Storm::step() {
  if (steps_left_-- == 0) return;
  Space& space = spaces_[below(spaces_.size())];
  const SpaceShape& shape = space.tables->shape();
  std::vector<History*> known;
  const std::uint64_t kind = below(10);
  if (kind == 0) return rebind();
  if (kind == 1) return move_table(space);
  if (kind == 2 && shape.nested()) return migrate_guest_table(space);
  if (kind == 3) clear_used_bits(space);
  const std::uint64_t changes = 1 + below(3);
  std::vector<std::function<void()>> work;
  for (std::uint64_t i = 0; i < changes; ++i) {
    const bool second = !shape.first() || (shape.nested() && chance(50));
    const std::uint64_t page = below(second && shape.nested() ? guest_pages : pages);
    work.emplace_back([this, &space, second, page] {
      second ? change_second(space, page) : change_first(space, page);
    });
    known.push_back(second ? &space.second[page] : &space.first[page]);
    const unsigned leaf = second ? shape.second_leaf : shape.first_leaf;
    invalidate_page(space, second, page, mask_of(leaf), chance(50));
  }
  if (chance(10)) {
    pending_.clear();
    invalidate_space(space);
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
      for (History* of : known) of->fence(since, since);
      later(some_time(200), [this] { step(); });
    });
  });
}

void Storm::finish_step(std::vector<History*> known, Ps wait) {
  later(wait, [this, known = std::move(known)] {
    const Instant submitted = agenda_.now();
    submit([this, known, submitted] {
      for (History* of : known) of->fence(submitted, agenda_.now());
      later(some_time(200), [this] { step(); });
    });
  });
}

// By the queue, or, as if it were at once, at the IOMMU itself.
void Storm::submit(const std::function<void()>& done) {
  if (chance(30)) {
    for (const Descriptor& descriptor : pending_) iommu().apply(*descriptor.invalidation());
    pending_.clear();
    return done();
  }
  Descriptor wait;
  wait.status_write = true;
  wait.status_data = 1;
  wait.status_address = status_;
  pending_.push_back(wait);
  for (const Descriptor& descriptor : pending_) {
    const auto words = descriptor.encode();
    const Hpa at = unit_->queue().base() + Bytes(tail_ * unit_->queue().entry_size().count());
    memory_.write(at, words[0]);
    memory_.write(at + Bytes(8), words[1]);
    tail_ = (tail_ + 1) % unit_->queue().entries();
  }
  pending_.clear();
  when_done_ = done;
  unit_->queue().write_tail(tail_);
}

void Storm::status_written(Hpa) {
  const auto done = std::move(when_done_);
  done();
}

void Storm::queue_stopped(std::uint32_t) { ensure(false, "a descriptor of a storm was refused"); }

// Accessed and dirty, of entries on the way to a page.
void Storm::clear_used_bits(Space& space) {
  const SpaceShape& shape = space.tables->shape();
  const std::uint64_t page = below(pages);
  const auto clear = [&](Hpa at, TableFormat format) {
    memory_.write(at, memory_.read(at) & ~(accessed_bit(format) | dirty_bit(format)));
  };
  for (unsigned level = shape.first_leaf; shape.first() && level <= shape.first_levels; ++level) {
    if (chance(70)) clear(space.tables->first_entry(page, level), TableFormat::first_level);
  }
  if (!shape.second()) return;
  const Iova at = shape.nested() ? space.tables->guest(page) : space.tables->iova(page);
  for (unsigned level = shape.second_leaf; level <= shape.second_levels; ++level) {
    if (chance(70)) clear(space.tables->second_entry(at, level), TableFormat::second_level);
  }
}

// Pages that nobody may reach, where a table was.
void Storm::poison(Hpa table) {
  for (std::uint64_t i = 0; i < 512; ++i)
    memory_.write(table + Bytes(i * 8), (std::uint64_t{1} << 41U) | 0x1e7U);
}

// A table goes elsewhere; what it says stays. Once hardware has forgotten it, it is used for
// something else.
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
  const TableFormat format = second ? TableFormat::second_level : TableFormat::first_level;
  const std::uint64_t bits = memory_.read(slot);
  const Hpa old = TableEntry{bits}.address(format);
  const Hpa copy = memory_.allocate_frames();
  for (std::uint64_t i = 0; i < 512; ++i) {
    if (const std::uint64_t word = memory_.read(old + Bytes(i * 8)); word != 0)
      memory_.write(copy + Bytes(i * 8), word);
  }
  memory_.write(slot, (bits & ~TableEntry::address_mask) | copy.value());
  ++reach_.tables_moved;
  invalidate_page(space, second, page, mask_of(level), false);
  later(some_time(20), [this, old] {
    submit([this, old] {
      later(walks_end, [this, old] {
        poison(old);
        later(some_time(50), [this] { step(); });
      });
    });
  });
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
  const Hpa copy = memory_.allocate_frames();
  for (std::uint64_t i = 0; i < 512; ++i) {
    if (const std::uint64_t word = memory_.read(old + Bytes(i * 8)); word != 0)
      memory_.write(copy + Bytes(i * 8), word);
  }
  space.tables->second().map(guest, copy, 1, {true, true, true});
  ++reach_.tables_moved;
  Descriptor descriptor;
  descriptor.type = DescriptorType::iotlb;
  descriptor.granularity = Granularity::page;
  descriptor.domain = shape.domain;
  descriptor.address = guest;
  descriptor.leaf_only = chance(50);
  pending_.push_back(descriptor);
  later(some_time(20), [this, old] {
    submit([this, old] {
      later(walks_end, [this, old] {
        poison(old);
        later(some_time(50), [this] { step(); });
      });
    });
  });
}

// A device gets another space: the old entry goes first, then what the caches know of it.
void Storm::rebind() {
  const auto number = static_cast<std::uint32_t>(below(devices_.size()));
  Device& device = devices_[number];
  const std::uint64_t next = below(spaces_.size());
  const Space& space = spaces_[device.space.last().target - 1];
  Descriptor descriptor;
  descriptor.domain = space.tables->shape().domain;
  if (legacy_) {
    unit_->tables().detach(device.port.source);
    descriptor.type = DescriptorType::context_cache;
    descriptor.granularity = Granularity::device;
    descriptor.source = device.port.source;
  } else {
    unit_->tables().clear_present(device.port.source, Pasid(16 + number));
    descriptor.type = DescriptorType::pasid_cache;
    descriptor.granularity = Granularity::pasid;
    descriptor.pasid = Pasid(16 + number);
  }
  pending_.push_back(descriptor);
  invalidate_space(space);
  device.space.change(agenda_.now(), {});
  ++reach_.rebound;
  const Instant submitted = agenda_.now();
  submit([this, number, next, submitted, &device] {
    device.space.fence(submitted, agenda_.now());
    later(some_time(20), [this, number, next] {
      bind(number, next);
      later(some_time(100), [this] { step(); });
    });
  });
}

// Invalidations that nobody needs.
void Storm::noise() {
  if (steps_left_ == 0 || steps_left_ > 1000) return;
  Invalidation order;
  order.what = static_cast<Invalidation::What>(below(3));
  order.scope = static_cast<Invalidation::Scope>(below(6));
  const Space& space = spaces_[below(spaces_.size())];
  order.domain = space.tables->shape().domain;
  order.pasid = Pasid(16 + static_cast<std::uint32_t>(below(devices_.size())));
  order.source = devices_[below(devices_.size())].port.source;
  order.address = space.tables->iova(below(pages));
  order.address_mask = static_cast<std::uint8_t>(below(10));
  order.leaf_only = chance(50);
  iommu().apply(order);
  later(some_time(200), [this] { noise(); });
}

}  // namespace viosim::test
