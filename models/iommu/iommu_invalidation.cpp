// What an IOMMU forgets when it is told to, and what walks in flight may then not put back.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/iommu.hpp"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace viosim {

using Scope = Invalidation::Scope;

void Iommu::apply(const Invalidation& invalidation) {
  switch (invalidation.what) {
    case Invalidation::What::devices:
      return forget_devices(invalidation);
    case Invalidation::What::processes:
      return forget_processes(invalidation);
    case Invalidation::What::translations:
      return forget_translations(invalidation);
  }
}

std::set<Pasid> Iommu::cached_pasids() const {
  std::set<Pasid> all;
  pasids_.for_each([&](const PasidTag& tag, const AddressSpace&) { all.insert(tag.pasid); });
  iotlb_.for_each([&](const PageTag&, const IotlbValue& value) { all.insert(value.pasid); });
  return all;
}

void Iommu::drop_all() {
  contexts_.invalidate_all();
  pasids_.invalidate_all();
  absent_devices_.invalidate_all();
  absent_processes_.invalidate_all();
  iotlb_.invalidate_all();
  if (walk_caches_.any()) {
    go_back_all();
    walk_caches_.invalidate_all();
  }
  withhold_all();
}

// Whatever their domain: VT-d 3.x, 6.5.4 drains what hardware has taken up, not what an invalidation
// is about.
bool Iommu::drain(DrainClient& client, std::uint64_t cookie, DrainKinds kinds) {
  std::vector<std::uint32_t> walks;
  for (const WalkSlot& slot : slots_) {
    if (slot.state != State::free && waits_for(slot, kinds)) walks.push_back(slot.number);
  }
  const Instant until = over_at(kinds);
  if (walks.empty() && until <= agenda_.now()) return true;
  drains_.add({&client, cookie, std::move(walks), std::max(until, agenda_.now())});
  return false;
}

bool Iommu::waits_for(const WalkSlot& slot, DrainKinds kinds) const {
  const AddressType type = slot.miss.type;
  if (type == AddressType::page_request) return false;
  if (type == AddressType::translation) return kinds.reads;
  return slot.miss.access == Access::write ? kinds.writes : kinds.reads;
}

// What was looked up, or walked, and was not over by then.
Instant Iommu::over_at(DrainKinds kinds) const {
  Instant until;
  for (const Access access : {Access::read, Access::write, Access::execute}) {
    if (!(access == Access::write ? kinds.writes : kinds.reads)) continue;
    const auto at = static_cast<std::size_t>(access);
    const Instant translated =
        std::max(Instant(Ps(last_hit_[at])) + hit_latency_, last_answer_[at]);
    until = std::max({until, on_its_way_until_[at], translated + memory_latency_});
  }
  return until;
}

// Walks in flight may have read a table before it changed.
void Iommu::withhold_all() {
  for (WalkSlot& slot : slots_) {
    slot.withhold_fill = any_level;
    slot.withhold_path = true;
  }
}

void Iommu::forget_devices(const Invalidation& of) {
  const auto is_source = [&](Bdf source) {
    return ((source.value() ^ of.source.value()) & ~of.ignored_source_bits & 0xffff) == 0;
  };
  const auto covered = [&](const ContextTag& tag, const DeviceEntry& config) {
    // Where the entry has no domain of its own, a domain's are all of them.
    return of.scope == Scope::all || (of.scope == Scope::source && is_source(tag.source)) ||
           (of.scope == Scope::domain &&
            (config.process_table || config.space.domain == of.domain));
  };
  if (params_.devices_with_processes) {
    pasids_.invalidate_if([&](const PasidTag& tag, const AddressSpace& space) {
      return of.scope == Scope::all || (of.scope == Scope::source && is_source(tag.source)) ||
             (of.scope == Scope::domain && space.domain == of.domain);
    });
  }
  contexts_.invalidate_if(covered);
  // What was not there has no domain: it is cached under number 0 (VT-d 3.x, 6.2.2).
  absent_devices_.invalidate_if([&](const ContextTag& tag, const AbsentEntry&) {
    return of.scope == Scope::all || (of.scope == Scope::source && is_source(tag.source)) ||
           (of.scope == Scope::domain && (process_tables_ || of.domain == DomainId()));
  });
  if (params_.devices_with_processes) {
    absent_processes_.invalidate_if([&](const PasidTag& tag, const AbsentEntry&) {
      return of.scope == Scope::all || of.scope == Scope::domain ||
             (of.scope == Scope::source && is_source(tag.source));
    });
  }
  withhold_all();
}

void Iommu::forget_processes(const Invalidation& of) {
  const auto covered = [&](const PasidTag& tag, const AddressSpace& space) {
    return of.scope == Scope::all || (of.scope == Scope::source && tag.source == of.source) ||
           (space.domain == of.domain &&
            (of.scope == Scope::domain || (of.scope == Scope::space && tag.pasid == of.pasid)));
  };
  if (of.scope == Scope::process) {
    pasids_.invalidate({of.source, of.pasid});
  } else if (of.scope == Scope::space) {
    pasids_.invalidate_group_if(space_group, group_of(of.domain, of.pasid), covered);
  } else if (of.scope == Scope::domain) {
    pasids_.invalidate_group_if(domain_group, group_of(of.domain), covered);
  } else {
    pasids_.invalidate_if(covered);
  }
  // Which domain a missing entry would have had, nobody knows: software names the new one's.
  absent_processes_.invalidate_if([&](const PasidTag& tag, const AbsentEntry&) {
    return of.scope == Scope::all || of.scope == Scope::domain ||
           (of.scope == Scope::source && tag.source == of.source) ||
           (of.scope == Scope::process && tag.source == of.source && tag.pasid == of.pasid) ||
           (of.scope == Scope::space && tag.pasid == of.pasid);
  });
  withhold_all();
}

// Removes entries, and keeps walks in flight from putting them back.
void Iommu::forget_translations(const Invalidation& of) {
  const auto covered = [&](const PageTag& tag, const IotlbValue& value) {
    return covers(of, tag, value);
  };
  if (of.scope == Scope::all) {
    iotlb_.invalidate_if(covered);
  } else if (of.scope == Scope::space || of.scope == Scope::space_range) {
    iotlb_.invalidate_group_if(space_group, group_of(of.domain, of.pasid), covered);
  } else {
    iotlb_.invalidate_group_if(domain_group, group_of(of.domain), covered);
  }
  for (WalkSlot& slot : slots_) {
    if (slot.state == State::free || slot.withhold_fill == any_level) continue;
    const AddressSpace* space = slot.walk.space();
    if (space == nullptr) {  // its domain is not known yet: it might be covered
      slot.withhold_fill = any_level;
      slot.withhold_path = true;
      continue;
    }
    IotlbValue pending{{}, space->tag, space->domain, {}, space->first_levels != 0};
    if (space->nested()) pending.first_leaf = space->first_levels;  // or lower
    pending.absent = params_.caching_mode;                          // or not
    for (unsigned level = 1; level <= WalkCaches::highest; ++level) {
      const auto tag = PageTag::of(slot.walk.request().iova, level, space->tag.value());
      if (covers(of, tag, pending)) slot.withhold_fill |= static_cast<std::uint8_t>(1U << level);
    }
    const bool domain = of.scope == Scope::all || space->domain == of.domain;
    if (domain) slot.withhold_path = true;
  }
  if (walk_caches_.any()) forget_paths(of);
}

void Iommu::forget_paths(const Invalidation& of) {
  go_back_all();
  for (const Stage stage : {Stage::first, Stage::second}) {
    walk_caches_.invalidate_if(stage,
                               [&](const PageTag& tag) { return covers_path(of, stage, tag); });
  }
}

// What of its cached translation an invalidation of first-stage addresses is about.
static PageTag named_by(const Invalidation& of, const PageTag& tag, const IotlbValue& value) {
  if (!of.whole_leaves || value.first_leaf <= tag.level()) return tag;
  return PageTag::of(Iova(tag.first_page() << 12U), value.first_leaf, tag.space);
}

bool Iommu::covers(const Invalidation& of, const PageTag& tag, const IotlbValue& value) const {
  const bool domain = value.domain == of.domain;
  const bool named_everywhere = of.absent_too && value.absent;
  switch (of.scope) {
    case Scope::all:
      return true;
    case Scope::domain:
      return domain;
    // VT-d 3.x, 6.5.2.3: hardware cannot map a range of second-stage addresses back to those of
    // the first, so all of the domain's that have a first stage go.
    case Scope::domain_range:
      return domain && (value.first_stage || named_everywhere || overlaps(of, tag));
    case Scope::space:
      return domain && value.pasid == of.pasid;
    case Scope::space_range:
      return domain && value.pasid == of.pasid && value.first_stage &&
             (named_everywhere || overlaps(of, named_by(of, tag, value)));
    case Scope::spaces_range:
      return domain && value.first_stage &&
             (named_everywhere || overlaps(of, named_by(of, tag, value)));
    case Scope::source:
    case Scope::process:
      return false;
  }
  return false;
}

// Entries of a first stage under a second depend on leaves of the second: they go with every change
// of their domain's second stage, upper entries or not.
bool Iommu::covers_path(const Invalidation& of, Stage stage, const PageTag& tag) const {
  const bool domain = tag.space >> 32U == of.domain.value();
  const bool space = domain && (tag.space & 0xffff'ffffU) == of.pasid.value();
  const bool first = stage == Stage::first;
  switch (of.scope) {
    case Scope::all:
      return true;
    case Scope::domain:
      return domain;
    case Scope::domain_range:
      return domain && (first || (!of.leaf_only && overlaps(of, tag)));
    case Scope::space:
      return first ? space : domain;
    case Scope::space_range:
      return first && space && !of.leaf_only && overlaps(of, tag);
    case Scope::spaces_range:
      return first && domain && !of.leaf_only && overlaps(of, tag);
    case Scope::source:
    case Scope::process:
      return false;
  }
  return false;
}

// `page_match_bits` below 52 stands for an emulation that compares only the low bits of page
// numbers.
bool Iommu::overlaps(const Invalidation& of, const PageTag& tag) const {
  const std::uint64_t wanted = of.address.value() >> 12U;
  const std::uint64_t size = std::uint64_t{1} << (9 * (tag.level() - 1));
  if (tag.first_page() == (wanted & ~(size - 1))) return true;  // the entry holds the address
  const std::uint64_t compared = params_.page_match_bits >= 52
                                     ? ~std::uint64_t{0}
                                     : (std::uint64_t{1} << params_.page_match_bits) - 1;
  constexpr unsigned bits = 52;  // of a page's number
  const unsigned ignored = std::min<unsigned>(of.address_mask, bits);
  const std::uint64_t mask = ~((std::uint64_t{1} << ignored) - 1) & compared;
  return (tag.first_page() & mask) == (wanted & mask);
}

}  // namespace viosim
