// What one domain maps, as ranges of pages: the reader's own account of the guest's page tables.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace viosim::recording {

// Pages are numbers of 4 KiB pages; `last` is inclusive.
struct PageRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t pages() const { return last - first + 1; }
  bool operator==(const PageRange&) const = default;
};

struct Mapping {
  std::uint64_t pa_page = 0;  // of the range's first page
  std::uint8_t permissions = 0;
  std::uint8_t page_shift = 12;
  bool operator==(const Mapping&) const = default;
};

class MappedPages {
 public:
  // The mapping of one page, as if it were mapped alone; false when it is not mapped.
  bool find(std::uint64_t page, Mapping& found) const;

  // Whether every page of the range is mapped, as `mapping` says.
  bool holds(PageRange range, const Mapping& mapping) const;

  // The mapped parts of the range, ascending.
  std::vector<PageRange> overlap(PageRange range) const;
  bool touches(PageRange range) const { return first_touching(range) != extents_.end(); }

  void insert(PageRange range, const Mapping& mapping);  // none of the range may be mapped
  void remove(PageRange range);

  std::uint64_t entries() const { return entries_; }  // leaf entries that the tables take

 private:
  struct Extent {
    std::uint64_t last;
    Mapping mapping;
  };
  using Extents = std::map<std::uint64_t, Extent>;  // by first page
  static Mapping from(const Extents::value_type& extent, std::uint64_t page);
  static std::uint64_t entries_of(PageRange range, const Mapping& mapping);
  Extents::const_iterator first_touching(PageRange range) const;

  Extents extents_;
  std::uint64_t entries_ = 0;
};

}  // namespace viosim::recording
