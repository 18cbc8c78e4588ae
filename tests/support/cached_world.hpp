// Two functions and three address spaces of one kind, all that can be cached of them cached; and what
// an invalidation descriptor leaves of it.
// SPDX-License-Identifier: Apache-2.0
//
// Functions A and B; A has the spaces X, Y and Z, at PASIDs 1, 2 and 3; B uses X, too. X and Y are of
// domain 5, Z of domain 6. Of each space a 4K, a 2M and a 1G page is cached, with the path to it. So
// there are cached 2 context entries, 4 PASID entries, 9 pages, and entries of 3 levels of page
// tables: of each space 1 that points at a table of level 1, 2 at tables of level 2, 1 at one of level
// 3; where the stage is a second one, X and Y share theirs.
#pragma once

#include "models/host/guest_memory.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/queue_rig.hpp"

#include <fmt/format.h>

#include <array>
#include <deque>
#include <map>
#include <string>
#include <utility>

namespace viosim::test {

// What died, as text.
struct Deaths {
  std::string entries;      // contexts, PASID entries
  std::string pages;        // of X, of Y, of Z, by size: 4 is 4K, 2 is 2M, 1 is 1G
  std::string paths;        // by level of the table, from 1: of the first stage, of the second
  std::string device_tlbs;  // what the functions were told
};

class CachedWorld final : WalkClient {
 public:
  using Type = vtd::PasidEntry::Type;
  static constexpr Bdf function_a{1, 0, 0};
  static constexpr Bdf function_b{1, 0, 1};
  static constexpr std::array<std::uint64_t, 3> page_of_size = {0x1234'5000, 0x8060'0000,
                                                                0xc000'0000};

  explicit CachedWorld(Type type)
      : type_(type),
        rig_(all_caches()),
        dtlb_a_(rig_.agenda, rig_.unit, function_a),
        dtlb_b_(rig_.agenda, rig_.unit, function_b) {
    for (const Bdf source : {function_a, function_b})
      rig_.unit.tables().attach(source, 4, Pasid(0));
    for (unsigned space = 0; space < spaces; ++space) make(space);
    for (unsigned space = 0; space < spaces; ++space) {
      for (const std::uint64_t page : page_of_size) walk(function_a, space, page);
    }
    walk(function_b, 0, page_of_size[0]);
  }

  Deaths deaths_by(const vtd::Descriptor& descriptor) {
    rig_.put(descriptor);
    rig_.submit();
    rig_.run();
    Deaths dead;
    dead.entries = fmt::format("{} {}", iommu().context_stats().invalidations,
                               iommu().pasid_stats().invalidations);
    dead.paths = dead_paths(Stage::first) + " " + dead_paths(Stage::second);
    for (unsigned space = 0; space < spaces; ++space)
      dead.pages += (space == 0 ? "" : " ") + dead_pages(space);
    dead.device_tlbs = messages();
    return dead;
  }

 private:
  static constexpr std::uint64_t scratch_page = 0x1234'6000;  // mapped, and not looked at
  static constexpr unsigned spaces = 3;

  static vtd::UnitParams all_caches() {
    vtd::UnitParams params;
    for (StageCachesParams* stage : {&params.walk_caches.first, &params.walk_caches.second})
      stage->level2.entries = stage->level3.entries = stage->level4.entries = 64;
    return params;
  }
  Iommu& iommu() { return rig_.unit.iommu(); }

  PageTable& new_table(TableMemory& memory, TableFormat format) {
    PageTable& table = tables_.emplace_back(memory, format, 4);
    map(table, Hpa(std::uint64_t{1} << 40U));
    return table;
  }
  static void map(PageTable& table, Hpa to) {
    for (unsigned level = 1; level <= 3; ++level) {
      const Iova page(page_of_size[level - 1]);
      table.map(page, to + Bytes(page.value()), leaf_size(level).count() >> 12U, {true, true},
                level);
    }
    table.map(Iova(scratch_page), to + Bytes(scratch_page), 1, {true, true});
  }

  static std::uint16_t domain_of(unsigned space) { return space < 2 ? 5 : 6; }

  // A second stage is its domain's; guest physical addresses are the same as those of the first.
  PageTable& second_of(std::uint16_t domain) {
    const auto found = seconds_.find(domain);
    if (found != seconds_.end()) return *found->second;
    PageTable& table = new_table(rig_.memory, TableFormat::second_level);
    seconds_[domain] = &table;
    return table;
  }

  void make(unsigned space) {
    vtd::PasidEntry entry;
    entry.present = true;
    entry.type = type_;
    entry.domain = DomainId(domain_of(space));
    entry.address_width = 2;
    if (type_ == Type::second_level || type_ == Type::nested)
      entry.second_level = second_of(domain_of(space)).root();
    if (type_ == Type::first_level)
      entry.first_level = new_table(rig_.memory, TableFormat::first_level).root();
    if (type_ == Type::nested) {
      const Hpa base((std::uint64_t{4} + space) << 32U);
      GuestMemory& guest =
          guests_.emplace_back(rig_.memory, second_of(domain_of(space)), base, 1_MiB, 1);
      PageTable& first = tables_.emplace_back(guest, TableFormat::first_level, 4);
      map(first, Hpa(0));
      entry.first_level = first.root();
    }
    rig_.unit.tables().set_entry(function_a, Pasid(1 + space), entry);
    if (space == 0) rig_.unit.tables().set_entry(function_b, Pasid(1), entry);
  }

  static IommuPort port(Bdf source, unsigned space) {
    IommuPort port;
    port.source = source;
    port.pasid = Pasid(1 + space);
    return port;
  }
  bool cached(IommuPort& port, std::uint64_t page) {
    Hpa at;
    return iommu().lookup(port, Iova(page), Access::read, iommu().use_now(), at);
  }
  void walk(Bdf source, unsigned space, std::uint64_t page) {
    IommuPort who = port(source, space);
    if (cached(who, page)) return;
    iommu().start_walk(who, Iova(page), Access::read, iommu().use_now(), *this, 0);
    rig_.run();
  }
  void walked(std::uint64_t, const WalkResult& result) override { REQUIRE_FALSE(result.faulted()); }

  // By the size of the page: 4, 2 and 1 for 4K, 2M and 1G.
  std::string dead_pages(unsigned space) {
    if (type_ == Type::pass_through) return "-";  // nothing to cache
    walk(function_a, space, scratch_page);        // the caches that lead to the IOTLB have it again
    IommuPort who = port(function_a, space);
    std::string dead;
    for (std::size_t size = 0; size < page_of_size.size(); ++size) {
      if (!cached(who, page_of_size[size])) dead += "421"[size];
    }
    return dead.empty() ? "-" : dead;
  }
  std::string dead_paths(Stage stage) {
    std::array<std::uint64_t, 3> dead{};
    for (unsigned level = 2; level <= 4; ++level)
      dead[level - 2] = iommu().walk_caches().stats(stage, level)->invalidations;
    return fmt::format("{}{}{}", dead[0], dead[1], dead[2]);
  }
  std::string messages() const {
    std::string told;
    for (const auto& [name, dtlb] : {std::pair{"A", &dtlb_a_}, std::pair{"B", &dtlb_b_}}) {
      for (const AtsInvalidation& message : dtlb->requests) {
        told += name;
        told += message.all_pasids          ? " every PASID"
                : message.pasid == no_pasid ? ""
                                            : fmt::format(" PASID {}", message.pasid.value());
        told +=
            message.size == AtsInvalidation::all_addresses
                ? " all"
                : fmt::format(" {:#x}+{}K", message.address.value(), message.size.count() / 1024);
      }
    }
    return told.empty() ? "-" : told;
  }

  Type type_;
  QueueRig rig_;
  FakeFunction dtlb_a_;
  FakeFunction dtlb_b_;
  std::deque<PageTable> tables_;
  std::deque<GuestMemory> guests_;
  std::map<std::uint16_t, PageTable*> seconds_;
};

}  // namespace viosim::test
