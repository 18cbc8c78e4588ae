// Memory and page tables against plain maps.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "models/host/physical_memory.hpp"
#include "models/iommu/page_table.hpp"
#include "tests/support/catch.hpp"

#include <map>

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
