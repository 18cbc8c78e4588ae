// Ranges of mapped pages: adding, splitting, removing.
// SPDX-License-Identifier: Apache-2.0
#include "sim/recording/mapped_pages.hpp"

#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"

#include <limits>
#include <map>

using namespace viosim;
using namespace viosim::recording;

TEST_CASE("ranges of pages behave like a map of single pages", "[recording]") {
  constexpr std::uint64_t space = 40;
  Rng rng(GENERATE(1U, 2U, 3U, 4U), "pages");
  MappedPages ranges;
  std::map<std::uint64_t, std::uint64_t> pages;  // page -> physical page
  for (int round = 0; round < 2'000; ++round) {
    const std::uint64_t first = rng.below(space);
    const PageRange range{first, first + rng.below(6)};
    const std::uint64_t pa_page = 1000 + 100 * rng.below(3);
    if (rng.below(2) == 0) {
      ranges.remove(range);
      for (std::uint64_t p = range.first; p <= range.last; ++p) pages.erase(p);
    } else if (!ranges.touches(range)) {
      ranges.insert(range, {pa_page, 3, 12});
      for (std::uint64_t p = range.first; p <= range.last; ++p)
        pages[p] = pa_page + p - range.first;
    }
    REQUIRE(ranges.entries() == pages.size());
    bool whole = true;
    std::uint64_t touched = 0;
    for (std::uint64_t p = range.first; p <= range.last; ++p) {
      Mapping found;
      const bool mapped = ranges.find(p, found);
      REQUIRE(mapped == pages.contains(p));
      if (mapped) REQUIRE(found.pa_page == pages[p]);
      touched += mapped ? 1 : 0;
      whole = whole && mapped && pages[p] == pa_page + p - range.first;
    }
    REQUIRE(ranges.holds(range, {pa_page, 3, 12}) == whole);
    REQUIRE(ranges.touches(range) == (touched > 0));
    std::uint64_t listed = 0;
    for (const PageRange part : ranges.overlap(range)) listed += part.pages();
    REQUIRE(listed == touched);
  }
}

TEST_CASE("the last page of the address space can be mapped and removed", "[recording]") {
  constexpr std::uint64_t last = std::numeric_limits<std::uint64_t>::max() >> 12U;
  MappedPages ranges;
  ranges.insert({last, last}, {7, 3, 12});
  CHECK(ranges.overlap({0, std::numeric_limits<std::uint64_t>::max()}) ==
        std::vector<PageRange>{{last, last}});
  ranges.remove({last, last});
  CHECK(ranges.entries() == 0);
}
