// Memory and page tables against plain maps.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/error.hpp"
#include "core/base/rng.hpp"
#include "models/host/guest_memory.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/page_table.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <map>
#include <optional>

using namespace viosim;

TEST_CASE("memory reads back what was written, and zero elsewhere", "[models][memory]") {
  Rng rng(GENERATE(1U, 2U, 3U), "memory");
  PhysicalMemory memory;
  const Hpa allocated = memory.allocate_frames(4);
  std::map<std::uint64_t, std::uint64_t> expected;
  const auto place = [&] {
    const std::uint64_t word = rng.below(2048) * 8;
    return rng.below(2) == 0 ? allocated + Bytes(word) : Hpa((rng.below(64) << 30U) + word);
  };
  for (int i = 0; i < 30'000; ++i) {
    const Hpa at = place();
    if (rng.below(2) == 0) {
      const std::uint64_t value = rng.next();
      memory.write(at, value);
      expected[at.value()] = value;
    }
    const Hpa other = place();
    const auto found = expected.find(other.value());
    REQUIRE(memory.read(other) == (found == expected.end() ? 0 : found->second));
  }
}

TEST_CASE("half a word is written without touching the other half", "[models][memory]") {
  PhysicalMemory memory;
  memory.write(Hpa(0x1000), 0x1111'2222'3333'4444U);
  memory.write_half(Hpa(0x1004), 0xaaaa'bbbbU);
  CHECK(memory.read(Hpa(0x1000)) == 0xaaaa'bbbb'3333'4444U);
  CHECK_THROWS_AS(memory.write(Hpa(0x1004), 1), InternalError);
}

TEST_CASE("a mapped page costs at most 200 bytes of the simulator, dense or spread",
          "[models][memory]") {
  PhysicalMemory memory;
  PageTable table(memory, TableFormat::second_level, 4);
  const std::uint64_t pages = 4'096;
  const std::uint64_t stride = GENERATE(1U, 512U);  // next to each other; one in each 2 MiB
  const std::size_t before = memory.footprint();
  for (std::uint64_t i = 0; i < pages; ++i)
    table.map(Iova((i * stride) << 12U), Hpa(i << 12U), 1, {true, true});
  CHECK((memory.footprint() - before) / pages <= 200);
}

namespace {

// The page that hardware would find, by the layout of the tables.
std::optional<std::uint64_t> frame_of(const PhysicalMemory& memory, const PageTable& table,
                                      std::uint64_t page) {
  Hpa at = table.root();
  for (unsigned level = table.levels();; --level) {
    const TableEntry entry{memory.read(entry_address(at, Iova(page << 12U), level))};
    if (!entry.present(table.format())) return std::nullopt;
    at = entry.address(table.format());
    const std::uint64_t under = leaf_size(level).count() >> 12U;
    if (entry.leaf(table.format(), level)) return (at.value() >> 12U) + page % under;
  }
}

}  // namespace

TEST_CASE("large leaves hold what small ones would, also when a part is unmapped or replaced",
          "[models][page_table]") {
  Rng rng(GENERATE(1U, 2U, 3U), "large");
  const TableFormat format = GENERATE(TableFormat::first_level, TableFormat::second_level);
  PhysicalMemory memory;
  PageTable table(memory, format, 4);
  constexpr std::uint64_t window = std::uint64_t{2} << 18U;  // pages: 2 GiB
  std::map<std::uint64_t, std::uint64_t> expected;
  for (int i = 0; i < 120; ++i) {
    const unsigned level = rng.below(40) == 0 ? 3 : 1 + static_cast<unsigned>(rng.below(2));
    const std::uint64_t each = leaf_size(level).count() >> 12U;
    const std::uint64_t first = rng.below(std::min<std::uint64_t>(window / each, 64)) * each;
    const std::uint64_t pages = level == 3 ? each : each * (1 + rng.below(3));
    if (rng.below(2) == 0) {
      const std::uint64_t frame = rng.below(64) * each;
      table.map(Iova(first << 12U), Hpa(frame << 12U), pages, {true, true}, level);
      for (std::uint64_t p = 0; p < pages; ++p) expected[first + p] = frame + p;
    } else {
      const std::uint64_t skipped = rng.below(3);
      table.unmap(Iova((first + skipped) << 12U), pages);
      for (std::uint64_t p = 0; p < pages; ++p) expected.erase(first + skipped + p);
    }
    for (int probe = 0; probe < 50; ++probe) {
      const std::uint64_t page = rng.below(2) == 0 ? rng.below(window) : first + rng.below(each);
      const auto found = expected.find(page);
      const bool mapped = found != expected.end();
      REQUIRE(table.mapped(Iova(page << 12U)) == mapped);
      REQUIRE(frame_of(memory, table, page) ==
              (mapped ? std::optional(found->second) : std::nullopt));
    }
  }
}

TEST_CASE("what is left of a large leaf is written as if it had been mapped in small ones",
          "[models][page_table]") {
  const TableFormat format = GENERATE(TableFormat::first_level, TableFormat::second_level);
  PhysicalMemory memory;
  PageTable split(memory, format, 4);
  PageTable small(memory, format, 4);
  split.map(Iova(0), Hpa(0x4000'0000), 512, {true, true}, 2);
  split.unmap(Iova(511U << 12U), 1);
  small.map(Iova(0), Hpa(0x4000'0000), 511, {true, true});
  const auto leaf = [&](const PageTable& table, std::uint64_t page) {
    Hpa at = table.root();
    for (unsigned level = 4; level > 1; --level) {
      at = TableEntry{memory.read(entry_address(at, Iova(page << 12U), level))}.address(format);
    }
    return memory.read(entry_address(at, Iova(page << 12U), 1));
  };
  for (std::uint64_t page = 0; page < 512; ++page) REQUIRE(leaf(split, page) == leaf(small, page));
}

TEST_CASE("a page table refuses what lies beyond it, without wrapping around",
          "[models][page_table]") {
  PhysicalMemory memory;
  PageTable table(memory, TableFormat::second_level, 3);
  const Iova last = Iova(table.limit().value() - 4096);
  CHECK_NOTHROW(table.map(last, Hpa(0x1000), 1, {true, true}));
  CHECK_THROWS_AS(table.map(last, Hpa(0x1000), 2, {true, true}), InternalError);
  CHECK_THROWS_AS(table.map(Iova(~std::uint64_t{0xfff}), Hpa(0x1000), 1, {true, true}),
                  InternalError);
  CHECK_THROWS_AS(table.unmap(table.limit(), 1), InternalError);
  CHECK_THROWS_AS(table.map(Iova(0x1000), Hpa(0), 512, {true, true}, 2), InternalError);
}

TEST_CASE("a page table holds what was mapped and not unmapped since", "[models][page_table]") {
  Rng rng(GENERATE(1U, 2U), "table");
  const unsigned levels = GENERATE(3U, 4U, 5U);
  const TableFormat format = GENERATE(TableFormat::first_level, TableFormat::second_level);
  PhysicalMemory memory;
  PageTable table(memory, format, levels);
  std::map<std::uint64_t, std::uint64_t> expected;
  const std::uint64_t top = table.limit().value() >> 12U;
  for (int i = 0; i < 400; ++i) {
    const std::uint64_t first = (rng.below(2) == 0 ? 0 : top - 4'096) + rng.below(3'000);
    const std::uint64_t pages = 1 + rng.below(1'000);
    if (rng.below(3) != 0) {
      const std::uint64_t frame = rng.below(1U << 20U);
      table.map(Iova(first << 12U), Hpa(frame << 12U), pages, {true, rng.below(2) == 0});
      for (std::uint64_t p = 0; p < pages; ++p) expected[first + p] = frame + p;
    } else {
      table.unmap(Iova(first << 12U), pages);
      for (std::uint64_t p = 0; p < pages; ++p) expected.erase(first + p);
    }
    const std::uint64_t probe = (rng.below(2) == 0 ? 0 : top - 4'096) + rng.below(4'096);
    REQUIRE(table.mapped(Iova(probe << 12U)) == expected.contains(probe));
  }
}

TEST_CASE("a thousand guests of 4 GiB cost what is written of them", "[memory]") {
  PhysicalMemory memory;
  constexpr std::uint64_t pages = std::uint64_t{1} << 20U;
  std::vector<Hpa> guests;
  for (int i = 0; i < 1000; ++i)
    guests.push_back(memory.allocate_ram(pages, page_1g.count() >> 12U));
  for (std::size_t i = 0; i < guests.size(); ++i) {
    CHECK(guests[i] == guests[i].page_base(page_1g));
    CHECK(memory.read(guests[i]) == 0);
    memory.write(guests[i] + Bytes(0x3000), i + 1);
    memory.write(guests[i] + Bytes((pages << 12U) - 8), ~i);
  }
  for (std::size_t i = 0; i < guests.size(); ++i) {
    CHECK(memory.read(guests[i] + Bytes(0x3000)) == i + 1);
    CHECK(memory.read(guests[i] + Bytes((pages << 12U) - 8)) == ~i);
    CHECK(memory.read(guests[i] + Bytes(0x3008)) == 0);
    CHECK(memory.read(guests[i] + Bytes(0x40'0000)) == 0);
  }
  CHECK(memory.footprint() < (64U << 20U));
}

TEST_CASE("a guest without memory left for its tables is the scenario's mistake", "[memory]") {
  PhysicalMemory host;
  PageTable second(host, TableFormat::second_level, 4);
  GuestMemory guest(host, second, Hpa(0), 4_MiB, 2);
  guest.allocate_frames(1023);
  CHECK_THROWS_AS(guest.allocate_frames(2), ConfigError);
  CHECK_THROWS_AS(guest.allocate_frames(~std::uint64_t{0}), ConfigError);
  CHECK(guest.allocate_frames() == Hpa(1023U << 12U));
  CHECK_THROWS_WITH(guest.allocate_frames(), Catch::Contains("4 MiB"));
}
