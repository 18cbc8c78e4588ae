// Two functions and their address spaces, all that can be cached of them cached; and what an
// invalidation descriptor leaves of it.
// SPDX-License-Identifier: Apache-2.0
//
// Scalable mode: functions A and B; A has the spaces X, Y and Z of one kind, at PASIDs 1, 2 and 3; B
// uses X, too. X and Y are of domain 5, Z of domain 6. Legacy mode: A has X, B has Z. Of each space a
// 4K, a 2M and a 1G page is cached, with the path to it: a pointer to a table of level 1, two to
// tables of level 2, one to a table of each level above. Where the stage is a second one, X and Y share them.
// In the functions' TLBs there are three pages each of PASID 1, of PASID 2 and without a PASID.
#pragma once

#include "models/device/device_tlb.hpp"
#include "models/host/guest_memory.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/queue_rig.hpp"
#include "tests/support/should_die.hpp"

#include <array>
#include <bit>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace viosim::test {

class CachedWorld final : WalkClient {
 public:
  using Type = vtd::PasidEntry::Type;
  using Kind = CachedThing::Kind;
  static constexpr Bdf function_a{1, 0, 0};
  static constexpr Bdf function_b{1, 0, 1};
  static constexpr std::array<std::uint64_t, 3> page_of_size = {0x1234'5000, 0x8060'0000,
                                                                0xc000'0000};

  CachedWorld(vtd::Mode mode, Type type, std::uint8_t levels = 4)
      : type_(type),
        levels_(levels),
        rig_(all_caches(mode)),
        told_a_(rig_.agenda, rig_.unit, function_a),
        told_b_(rig_.agenda, rig_.unit, function_b) {
    if (mode == vtd::Mode::legacy) {
      use_legacy(function_a, 0);
      use_legacy(function_b, 2);
    } else {
      for (const Bdf source : {function_a, function_b})
        rig_.unit.tables().attach(source, 4, Pasid(0));
      for (const auto& [source, space] :
           {std::pair{function_a, 0U}, {function_a, 1U}, {function_a, 2U}, {function_b, 0U}})
        use(source, space);
    }
    fill_device_tlbs();
  }

  // Each of them is in its cache.
  const std::vector<CachedThing>& things() const { return things_; }

  // Which of things() are still there.
  std::vector<bool> after(const vtd::DescriptorBits& descriptor) {
    rig_.put(descriptor);
    rig_.submit();
    rig_.run();
    REQUIRE_FALSE(rig_.queue().errors().queue);
    for (const auto& [function, told] : {std::pair{0U, &told_a_}, {1U, &told_b_}}) {
      for (const AtsInvalidation& message : told->requests) tlbs_[function].invalidate(message);
    }
    // What is asked of the other caches brings back paths that are gone.
    std::vector<bool> left;
    for (const CachedThing& thing : things_) left.push_back(is_path(thing) && path_alive(thing));
    const std::set<std::pair<Bdf, unsigned>> entries = dead_entries();
    for (std::size_t i = 0; i < things_.size(); ++i) {
      if (!is_path(things_[i])) left[i] = alive(things_[i], entries);
    }
    return left;
  }

 private:
  static constexpr std::uint64_t scratch_page = 0x1234'6000;  // mapped, and not looked at
  static constexpr unsigned of_context = ~0U;

  static vtd::UnitParams all_caches(vtd::Mode mode) {
    vtd::UnitParams params;
    params.mode = mode;
    for (StageCachesParams* stage : {&params.walk_caches.first, &params.walk_caches.second})
      stage->level2.entries = stage->level3.entries = stage->level4.entries =
          stage->level5.entries = 64;
    params.invalidation.max_address_mask = 63;
    return params;
  }
  Iommu& iommu() { return rig_.unit.iommu(); }
  std::uint8_t address_width() const { return static_cast<std::uint8_t>(levels_ - 2U); }
  bool legacy() const { return rig_.unit.params().mode == vtd::Mode::legacy; }

  PageTable& new_table(TableMemory& memory, TableFormat format, Hpa to) {
    PageTable& table = tables_.emplace_back(memory, format, levels_);
    for (unsigned level = 1; level <= 3; ++level) {
      const Iova page(page_of_size[level - 1]);
      table.map(page, to + Bytes(page.value()), leaf_size(level).count() >> 12U, {true, true},
                level);
    }
    table.map(Iova(scratch_page), to + Bytes(scratch_page), 1, {true, true});
    return table;
  }

  static std::uint16_t domain_of(unsigned space) { return space < 2 ? 5 : 6; }

  // A second stage is its domain's; guest physical addresses are the same as those of the first.
  PageTable& second_of(std::uint16_t domain) {
    const auto found = seconds_.find(domain);
    if (found != seconds_.end()) return *found->second;
    PageTable& table =
        new_table(rig_.memory, TableFormat::second_level, Hpa(std::uint64_t{1} << 40U));
    seconds_[domain] = &table;
    return table;
  }

  vtd::PasidEntry entry_of(unsigned space) {
    vtd::PasidEntry entry;
    entry.present = true;
    entry.type = type_;
    entry.domain = DomainId(domain_of(space));
    entry.address_width = address_width();
    entry.first_level_mode = levels_ == 5 ? 1 : 0;
    if (type_ == Type::second_level || type_ == Type::nested)
      entry.second_level = second_of(domain_of(space)).root();
    if (type_ == Type::first_level) {
      entry.first_level =
          new_table(rig_.memory, TableFormat::first_level, Hpa(std::uint64_t{1} << 40U)).root();
    }
    if (type_ == Type::nested) {
      const Hpa base((std::uint64_t{4} + space) << 32U);
      GuestMemory& guest =
          guests_.emplace_back(rig_.memory, second_of(domain_of(space)), base, 1_MiB, 1);
      entry.first_level = new_table(guest, TableFormat::first_level, Hpa(0)).root();
    }
    return entry;
  }

  void use_legacy(Bdf source, unsigned space) {
    vtd::LegacyContext context;
    context.present = true;
    context.address_width = address_width();
    context.domain = DomainId(domain_of(space));
    context.table = second_of(domain_of(space)).root();
    rig_.unit.tables().attach(source, context);
    things_.push_back({Kind::context, source.value(), domain_of(space), {}, false, 0, 0});
    cache_pages(source, space, true);
  }

  void use(Bdf source, unsigned space) {
    const bool first_use = spaces_.count(space) == 0;
    if (first_use) spaces_[space] = entry_of(space);
    rig_.unit.tables().set_entry(source, Pasid(1 + space), spaces_[space]);
    if (space == 0) things_.push_back({Kind::context, source.value(), {}, {}, false, 0, 0});
    things_.push_back(
        {Kind::pasid_entry, source.value(), domain_of(space), 1 + space, false, 0, 0});
    cache_pages(source, space, first_use);
  }

  // Functions that share a space share its pages.
  void cache_pages(Bdf source, unsigned space, bool first_use) {
    for (const std::uint64_t page : page_of_size) walk(source, space, page);
    if (!first_use || type_ == Type::pass_through) return;
    const bool first = type_ == Type::first_level || type_ == Type::nested;
    const std::uint16_t domain = domain_of(space);
    std::optional<std::uint32_t> pasid;
    if (!legacy()) pasid = 1 + space;
    for (unsigned level = 1; level <= 3; ++level) {
      const std::uint64_t size = leaf_size(level).count();
      things_.push_back({Kind::page, 0, domain, pasid, first, page_of_size[level - 1], size});
    }
    if (first) add_paths(Kind::first_path, domain, pasid);
    if (type_ != Type::first_level && domains_.insert(domain).second)
      add_paths(Kind::second_path, domain, {});
  }
  // Of the 4K page a pointer at each level above, of the 2M page the same, of the 1G page the last.
  void add_paths(Kind kind, std::uint16_t domain, std::optional<std::uint32_t> pasid) {
    std::set<std::pair<std::uint64_t, std::uint64_t>> reaches;
    for (unsigned leaf = 1; leaf <= 3; ++leaf) {
      for (unsigned level = leaf + 1; level <= levels_; ++level) {
        const Bytes reach = leaf_size(level);
        reaches.insert({Iova(page_of_size[leaf - 1]).page_base(reach).value(), reach.count()});
      }
    }
    for (const auto& [at, size] : reaches)
      things_.push_back({kind, 0, domain, pasid, false, at, size});
  }

  static constexpr std::array<std::uint32_t, 3> device_pasids = {1, 2, no_pasid.value()};
  void fill_device_tlbs() {
    for (unsigned function = 0; function < 2; ++function) {
      const Bdf source = function == 0 ? function_a : function_b;
      for (const std::uint32_t pasid : device_pasids) {
        for (unsigned level = 1; level <= 3; ++level) {
          const Bytes size = leaf_size(level);
          const std::uint64_t at = page_of_size[level - 1];
          tlbs_[function].insert(Pasid(pasid), Iova(at), {Hpa(at), size, true}, {});
          std::optional<std::uint32_t> tag;
          if (Pasid(pasid) != no_pasid) tag = pasid;
          things_.push_back({Kind::device_page, source.value(), {}, tag, false, at, size.count()});
        }
      }
    }
  }

  IommuPort port(Bdf source, unsigned space) const {
    IommuPort port;
    port.source = source;
    if (!legacy()) port.pasid = Pasid(1 + space);
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

  // Asks for what nobody has cached, which passes the context and the PASID cache and counts there
  // what it misses; afterwards they know it again.
  std::set<std::pair<Bdf, unsigned>> dead_entries() {
    std::set<std::pair<Bdf, unsigned>> dead;
    for (const CachedThing& thing : things_) {
      if (thing.kind != Kind::context && thing.kind != Kind::pasid_entry) continue;
      const Bdf source(thing.source);
      const unsigned space =
          thing.kind == Kind::context ? (thing.domain == 6 ? 2 : 0) : *thing.pasid - 1;
      const std::uint64_t contexts = iommu().context_stats().misses;
      const std::uint64_t entries = iommu().pasid_stats().misses;
      walk(source, space, scratch_page);
      if (iommu().context_stats().misses != contexts) dead.insert({source, of_context});
      if (iommu().pasid_stats().misses != entries) dead.insert({source, space});
    }
    return dead;
  }
  static bool is_path(const CachedThing& thing) {
    return thing.kind == Kind::first_path || thing.kind == Kind::second_path;
  }
  // Those of the first stage are tagged with domain and PASID, those of the second with the domain.
  bool path_alive(const CachedThing& thing) {
    const bool first = thing.kind == Kind::first_path;
    const std::uint64_t space =
        std::uint64_t{thing.domain.value()} << 32U | (first ? thing.pasid.value() : 0);
    const unsigned level = 1 + (static_cast<unsigned>(std::countr_zero(thing.size)) - 12) / 9;
    return iommu().walk_caches().holds(first ? Stage::first : Stage::second, level, space,
                                       Iova(thing.at));
  }
  bool alive(const CachedThing& thing, const std::set<std::pair<Bdf, unsigned>>& dead) {
    const Bdf source(thing.source);
    switch (thing.kind) {
      case Kind::context:
        return dead.count({source, of_context}) == 0;
      case Kind::pasid_entry:
        return dead.count({source, *thing.pasid - 1}) == 0;
      case Kind::page: {
        const unsigned space = legacy() ? (thing.domain == 5 ? 0 : 2) : *thing.pasid - 1;
        IommuPort who = port(legacy() && space == 2 ? function_b : function_a, space);
        return cached(who, thing.at);
      }
      case Kind::device_page: {
        const Pasid pasid = thing.pasid ? Pasid(*thing.pasid) : no_pasid;
        return tlbs_[source == function_a ? 0 : 1]
            .look_up(pasid, Iova(thing.at), Access::read, {})
            .has_value();
      }
      case Kind::first_path:
      case Kind::second_path:
        return path_alive(thing);
    }
    return false;
  }

  Type type_;
  std::uint8_t levels_;
  QueueRig rig_;
  FakeFunction told_a_;
  FakeFunction told_b_;
  std::array<DeviceTlb, 2> tlbs_{DeviceTlb({64}, Rng(1, "a")), DeviceTlb({64}, Rng(1, "b"))};
  std::deque<PageTable> tables_;
  std::deque<GuestMemory> guests_;
  std::map<std::uint16_t, PageTable*> seconds_;
  std::map<unsigned, vtd::PasidEntry> spaces_;
  std::set<std::uint16_t> domains_;
  std::vector<CachedThing> things_;
};

}  // namespace viosim::test
