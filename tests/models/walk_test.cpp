// How many reads a walk takes.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/guest_memory.hpp"
#include "models/iommu/vtd/tables.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/walk_of.hpp"

#include <algorithm>

using namespace viosim;
using namespace viosim::test;
using namespace viosim::vtd;

namespace {

WalkOutcome walk_of(const PhysicalMemory& memory, Mode mode, Hpa root, const Request& request) {
  return test::walk_of([&](Hpa at) { return memory.line(at); }, mode, root, request);
}

}  // namespace

TEST_CASE("a legacy context entry names any of 65,536 domains", "[models][walk]") {
  LegacyContext context;
  context.domain = DomainId(GENERATE(as<std::uint16_t>(), 0x00ff, 0x0100, 0xfedc, 0xffff));
  CHECK(LegacyContext::decode(context.encode()).domain == context.domain);
}

TEST_CASE("a cold walk reads root, context, directory and PASID entry, then one entry a level",
          "[models][walk]") {
  const unsigned levels = GENERATE(3U, 4U, 5U);
  PhysicalMemory memory;
  PageTable table(memory, TableFormat::second_level, levels);
  table.map(Iova(0x12345000), Hpa(0x777000), 1, {true, false});
  const Bdf source(3, 4, 5);
  const Request request{Iova(0x12345678), no_pasid, source, Access::read};
  LegacyContext context;
  context.present = true;
  context.address_width = static_cast<std::uint8_t>(levels - 2);
  context.table = table.root();
  Tables legacy(memory, Mode::legacy);
  legacy.attach(source, context);
  CHECK(walk_of(memory, Mode::legacy, legacy.root(), request) ==
        WalkOutcome{0, 0x777678, 2 + levels, 0, 5, 1});

  PasidEntry entry;
  entry.present = true;
  entry.type = PasidEntry::Type::second_level;
  entry.address_width = context.address_width;
  entry.second_level = table.root();
  Tables scalable(memory, Mode::scalable);
  scalable.attach(source, 1, Pasid(0));
  scalable.set_entry(source, Pasid(0), entry);
  CHECK(walk_of(memory, Mode::scalable, scalable.root(), request) ==
        WalkOutcome{0, 0x777678, 4 + levels, 0, 5, 1});
}

TEST_CASE("a nested walk reads (n1+1)(n2+1)-1 entries, fewer with large pages", "[models][walk]") {
  struct Shape {
    unsigned first_levels, second_levels, first_leaf, second_leaf, reads;
  };
  const Shape shape = GENERATE(Shape{4, 4, 1, 1, 24}, Shape{4, 5, 1, 1, 29}, Shape{5, 4, 1, 1, 29},
                               Shape{5, 5, 1, 1, 35}, Shape{4, 3, 1, 1, 19}, Shape{4, 4, 2, 1, 19},
                               Shape{4, 4, 2, 2, 15}, Shape{4, 4, 3, 3, 8}, Shape{5, 3, 1, 2, 17});
  PhysicalMemory memory;
  PageTable second(memory, TableFormat::second_level, shape.second_levels);
  GuestMemory guest(memory, second, Hpa(0x4000'0000), page_1g, shape.second_leaf);
  PageTable first(guest, TableFormat::first_level, shape.first_levels);
  const Iova iova(0x7f00'4000'0000);
  const Hpa guest_page(0x40'0000'0000);
  const Hpa host_page(0x80'0000'0000);
  const auto pages = [](unsigned leaf) { return leaf_size(leaf).count() >> 12U; };
  first.map(iova, guest_page, pages(shape.first_leaf), {true, true, true}, shape.first_leaf);
  second.map(Iova(guest_page.value()), host_page, pages(shape.second_leaf), {true, true, true},
             shape.second_leaf);
  PasidEntry entry;
  entry.present = true;
  entry.type = PasidEntry::Type::nested;
  entry.address_width = static_cast<std::uint8_t>(shape.second_levels - 2);
  entry.first_level_mode = static_cast<std::uint8_t>(shape.first_levels - 4);
  entry.first_level = first.root();
  entry.second_level = second.root();
  const Bdf source(3, 4, 5);
  Tables tables(memory, Mode::scalable);
  tables.attach(source, 1, Pasid(0));
  tables.set_entry(source, Pasid(0), entry);
  const Request request{iova + Bytes(0x678), no_pasid, source, Access::read};
  const unsigned level = std::min(shape.first_leaf, shape.second_leaf);
  CHECK(walk_of(memory, Mode::scalable, tables.root(), request) ==
        WalkOutcome{0, host_page.value() + 0x678, 4 + shape.reads, 0, 7, level});
}
