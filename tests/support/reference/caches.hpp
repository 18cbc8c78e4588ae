// The reference's caches: what an entry is found by, and what a look-up counts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/plain_cache.hpp"
#include "tests/support/reference/world.hpp"

#include <optional>

namespace viosim::test::reference {

struct CachedContext {
  vtd::LegacyContext legacy;
  vtd::ScalableContext scalable;
};

// What the entries on the way to a page allow.
struct Allowed {
  bool read = true;
  bool write = true;
  bool allow(Access access) const { return access == Access::write ? write : read; }
};

struct CachedPage {
  Hpa frame;
  Allowed allowed;
  DomainId domain;
  Pasid pasid;
  bool first_level = false;
  std::uint64_t page = 0;  // the first one of 4 KiB
  unsigned level = 1;
};

// A page table as a walk needs to know it.
struct Root {
  Hpa table;
  unsigned levels = 0;
  TableFormat format = TableFormat::second_level;
  DomainId domain;
  bool pass_through = false;
};

// The 4 KiB frame of an address within its page, which may be larger.
inline Hpa frame_of(Hpa page, unsigned level, Iova iova) {
  return page + Bytes(iova.page_offset(leaf_size(level)).count() & ~std::uint64_t{0xfff});
}

class Caches {
 public:
  explicit Caches(World& world)
      : contexts(world.params().context_cache, Rng(world.model.seed, "dmar0.context_cache")),
        pasids(world.params().pasid_cache, Rng(world.model.seed, "dmar0.pasid_cache")),
        iotlb(world.params().iotlb, Rng(world.model.seed, "dmar0.iotlb")),
        world_(world) {}

  Ps hit_latency() const {
    Ps latency = world_.params().iotlb.latency;
    if (!world_.by_source()) latency += world_.params().context_cache.latency;
    if (!world_.by_source() && world_.scalable()) latency += world_.params().pasid_cache.latency;
    return latency;
  }

  static PlainCache<CachedContext>::Key context_key(const Requester& device) {
    return {device.is.source.value(), 0, 0};
  }
  static PlainCache<vtd::PasidEntry>::Key pasid_key(const Requester& device, Pasid pasid) {
    return {pasid.value() + std::uint64_t{device.is.source.value()}, device.is.source.value(),
            pasid.value()};
  }
  PlainCache<CachedPage>::Key page_key(const Requester& device, Iova iova, unsigned level,
                                       DomainId domain, Pasid pasid) const {
    const std::uint64_t owner = world_.by_source() ? device.is.source.value() : domain.value();
    return {iova.value() >> (3 + 9 * level), owner * 4 + level, pasid.value()};
  }

  template <class Cache>
  static auto count_and_use(Cache& cache, const typename Cache::Key& key) {
    const auto* found = cache.find(key);
    ++(found == nullptr ? cache.stats.misses : cache.stats.hits);
    if (found != nullptr) cache.use(key);
    return found;
  }

  static Pasid effective(const Requester& device, const CachedContext& context) {
    return device.is.pasid == no_pasid ? context.scalable.rid_pasid : device.is.pasid;
  }

  static Root root_of(const vtd::LegacyContext& context) {
    return {context.table, context.address_width + 2U, TableFormat::second_level, context.domain,
            context.translation_type == 2};
  }
  static Root root_of(const vtd::PasidEntry& entry) {
    using Type = vtd::PasidEntry::Type;
    if (entry.type == Type::first_level) {
      return {entry.first_level, entry.first_level_mode + 4U, TableFormat::first_level,
              entry.domain, false};
    }
    return {entry.second_level, entry.address_width + 2U, TableFormat::second_level, entry.domain,
            entry.type == Type::pass_through};
  }

  std::optional<Hpa> look_up(const Requester& device, const Traffic::Next& request) {
    ++world_.stats.requests;
    if (world_.by_source())
      return frame(look_up_page(device, request, DomainId(0), device.is.pasid), request);
    const CachedContext* context = count_and_use(contexts, context_key(device));
    if (context == nullptr) return std::nullopt;
    Root root = root_of(context->legacy);
    Pasid pasid{0};
    if (world_.scalable()) {
      pasid = effective(device, *context);
      const vtd::PasidEntry* entry = count_and_use(pasids, pasid_key(device, pasid));
      if (entry == nullptr) return std::nullopt;
      root = root_of(*entry);
    }
    if (root.pass_through) return Hpa(request.iova.page_base(page_4k).value());
    return frame(look_up_page(device, request, root.domain, pasid), request);
  }

  // Null: it has none that allows the request.
  const CachedPage* look_up_page(const Requester& device, const Traffic::Next& request,
                                 DomainId domain, Pasid pasid) {
    for (unsigned level = 1; level <= 3; ++level) {
      const auto key = page_key(device, request.iova, level, domain, pasid);
      const CachedPage* page = iotlb.find(key);
      if (page == nullptr) continue;
      if (!page->allowed.allow(request.access)) break;
      ++iotlb.stats.hits;
      iotlb.use(key);
      return page;
    }
    ++iotlb.stats.misses;
    return nullptr;
  }

  PlainCache<CachedContext> contexts;
  PlainCache<vtd::PasidEntry> pasids;
  PlainCache<CachedPage> iotlb;

 private:
  static std::optional<Hpa> frame(const CachedPage* page, const Traffic::Next& request) {
    if (page == nullptr) return std::nullopt;
    return frame_of(page->frame, page->level, request.iova);
  }

  World& world_;
};

}  // namespace viosim::test::reference
