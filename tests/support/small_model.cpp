// The small model's tables, and what its software does to them.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/small_model.hpp"

#include "core/base/error.hpp"

namespace viosim::test {
namespace {

vtd::PasidEntry pasid_entry(const SmallModel::Space& space, const PageTable& table) {
  using Type = vtd::PasidEntry::Type;
  vtd::PasidEntry entry;
  entry.present = true;
  entry.fault_disable = space.fault_disable;
  entry.domain = space.domain;
  entry.address_width = static_cast<std::uint8_t>(space.levels - 2);
  if (space.pass_through) {
    entry.type = Type::pass_through;
  } else if (space.format == TableFormat::second_level) {
    entry.type = Type::second_level;
    entry.second_level = table.root();
  } else {
    entry.type = Type::first_level;
    entry.first_level_mode = static_cast<std::uint8_t>(space.levels - 4);
    entry.first_level = table.root();
  }
  return entry;
}

vtd::LegacyContext legacy_context(const SmallModel::Space& space, const PageTable& table) {
  vtd::LegacyContext context;
  context.present = true;
  context.fault_disable = space.fault_disable;
  context.translation_type = space.pass_through ? 2 : 0;
  context.address_width = static_cast<std::uint8_t>(space.levels - 2);
  context.table = table.root();
  context.domain = space.domain;
  return context;
}

}  // namespace

SmallMemory::SmallMemory(const SmallModel& model, PhysicalMemory& memory, vtd::Tables& tables,
                         Hpa ring)
    : model_(model),
      memory_(memory),
      tables_(tables),
      ring_(ring),
      status_(memory.allocate_frames()) {
  for (const SmallModel::Space& space : model.spaces) {
    page_tables_.emplace_back(memory, space.format, space.levels);
    if (!space.pass_through) populate(page_tables_.size() - 1);
  }
  for (const SmallModel::Device& device : model.devices) attach(device.source);
}

void SmallMemory::populate(std::size_t number) {
  const SmallModel::Space& space = model_.spaces[number];
  if (space.base >= page_tables_[number].limit()) return;  // its devices only meet faults
  const std::uint64_t stride = leaf_size(space.leaf).count() >> 12U;
  for (std::uint64_t i = 0; i * stride < space.pages; ++i) {
    const Iova iova = space.base + Bytes(i * stride << 12U);
    if (space.holes && i % 3 == 1) continue;
    map(number, iova, 1, home_of(iova), {true, !space.holes || i % 3 == 0});
  }
}

void SmallMemory::map(std::size_t space, Iova first, std::uint64_t pages, Hpa to,
                      Permissions permissions) {
  const unsigned leaf = model_.spaces[space].leaf;
  if (leaf == 1) return page_tables_[space].map(first, to, pages, permissions);
  const Hpa frame(to.value() & ~(leaf_size(leaf).count() - 1));
  const auto entry = TableEntry::make_leaf(page_tables_[space].format(), frame, leaf, permissions);
  memory_.write(large_entry(space, first), entry.bits);
}

void SmallMemory::unmap(std::size_t space, Iova first, std::uint64_t pages) {
  if (model_.spaces[space].leaf == 1) return page_tables_[space].unmap(first, pages);
  memory_.write(large_entry(space, first), 0);
}

// Where the entry of a large page is; the tables above it are made when missing.
Hpa SmallMemory::large_entry(std::size_t space, Iova iova) {
  const PageTable& page_table = page_tables_[space];
  Hpa table = page_table.root();
  for (unsigned level = page_table.levels(); level > model_.spaces[space].leaf; --level) {
    const Hpa slot = entry_address(table, iova, level);
    if (memory_.read(slot) == 0) {
      const auto entry = TableEntry::make_table(page_table.format(), memory_.allocate_frames());
      memory_.write(slot, entry.bits);
    }
    table = TableEntry{memory_.read(slot)}.address(page_table.format());
  }
  return entry_address(table, iova, model_.spaces[space].leaf);
}

// Everything that requests of this source may use.
void SmallMemory::attach(Bdf source) {
  for (const SmallModel::Device& device : model_.devices) {
    if (device.source != source) continue;
    const SmallModel::Space& space = model_.spaces[device.space];
    const PageTable& table = page_tables_[device.space];
    if (tables_.mode() == vtd::Mode::legacy) {
      tables_.attach(source, legacy_context(space, table));
    } else {
      tables_.attach(source, 256, Pasid(0));
      const Pasid pasid = device.pasid == no_pasid ? Pasid(0) : device.pasid;
      tables_.set_entry(source, pasid, pasid_entry(space, table));
    }
  }
}

bool SmallMemory::resolve(std::size_t device, Iova iova) {
  const std::size_t space = model_.devices[device].space;
  const Iova page = iova.page_base(page_4k);
  if (page >= page_tables_[space].limit()) return false;
  if ((page.value() >> 12U) % 7 == 4) return false;  // some pages nobody may touch
  map(space, page, 1, home_of(page), {true, true});
  return true;
}

void SmallMemory::apply(const SmallModel::Step& step) {
  using What = SmallModel::Step::What;
  const Iova first = model_.spaces[step.space].base + Bytes(step.page << 12U);
  switch (step.what) {
    case What::migrate:
      return map(step.space, first, step.pages, home_of(first) + Bytes(step.moved_to << 12U),
                 {true, true});
    case What::unmap:
      return unmap(step.space, first, step.pages);
    case What::protect:
      return map(step.space, first, step.pages, home_of(first), {true, false});
    case What::detach:
      return tables_.detach(model_.devices[step.device].source);
    case What::flush:
      return;
  }
}

void SmallMemory::undo(const SmallModel::Step& step) {
  using What = SmallModel::Step::What;
  const Iova first = model_.spaces[step.space].base + Bytes(step.page << 12U);
  if (step.what == What::unmap || step.what == What::protect)
    map(step.space, first, step.pages, home_of(first), {true, true});
  if (step.what == What::detach) attach(model_.devices[step.device].source);
}

std::uint32_t SmallMemory::submit(const SmallModel::Step& step, std::size_t number) {
  vtd::Descriptor wait;
  wait.status_write = true;
  wait.status_data = 1;
  wait.status_address = status_of(number);
  std::vector<vtd::DescriptorBits> all;
  if (step.broken) all.push_back({});
  for (const vtd::Descriptor& descriptor : step.descriptors) all.push_back(descriptor.encode());
  all.push_back(wait.encode());
  for (const auto& words : all) {
    put(tail_, words);
    tail_ = (tail_ + 1) % model_.iommu.invalidation.entries;
  }
  return tail_;
}

void SmallMemory::repair(std::uint32_t head) { put(head, vtd::Descriptor{}.encode()); }

void SmallMemory::put(std::uint32_t place, const vtd::DescriptorBits& descriptor) {
  const std::uint64_t size = tables_.mode() == vtd::Mode::scalable ? 32 : 16;
  memory_.write(ring_ + Bytes(place * size), descriptor[0]);
  memory_.write(ring_ + Bytes(place * size + 8), descriptor[1]);
}

std::vector<std::unique_ptr<ZipfTable>> zipf_tables(const SmallModel& model) {
  std::vector<std::unique_ptr<ZipfTable>> tables;
  for (const SmallModel::Device& device : model.devices) {
    const TrafficParams& traffic = device.dma.traffic;
    tables.push_back(traffic.pattern == Pattern::zipf
                         ? std::make_unique<ZipfTable>(traffic.window.count() >> 12U, traffic.skew)
                         : nullptr);
  }
  return tables;
}

}  // namespace viosim::test
