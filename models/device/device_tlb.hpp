// A function's own cache of translations (ATC; Intel: DevTLB), filled by Address Translation Services.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/iommu/cache.hpp"
#include "models/iommu/entries.hpp"
#include "models/pcie/ats.hpp"

#include <cstdint>
#include <optional>

namespace viosim {

// An entry is found by PASID (or none), privilege, page and size: 4 KiB, 2 MiB or 1 GiB. Completions of
// other sizes are kept as the largest of these that they hold. An entry's rights are of the privilege
// that was asked with.
class DeviceTlb {
 public:
  struct Entry {
    Hpa page;
    bool read = false;
    bool write = false;
    bool execute = false;
    bool untranslated_only = false;
    bool allows(Access access) const {
      return access == Access::write ? write : read && (access == Access::read || execute);
    }
  };
  struct Found {
    Entry entry;
    Iova page;
    Bytes size;
    Hpa address(Iova iova) const { return entry.page + iova.page_offset(size); }
  };

  DeviceTlb(const CacheParams& params, Rng rng) : cache_(params, rng) {}

  // Whose translations: of a PASID or none, asked for with one privilege.
  struct Space {
    // NOLINTNEXTLINE(google-explicit-constructor)
    Space(Pasid of, bool with_privilege = false) : pasid(of), privileged(with_privilege) {}
    std::uint64_t bits() const { return pasid.value() | std::uint64_t{privileged} << 32U; }
    Pasid pasid;
    bool privileged;
  };
  // Empty also when the entry does not allow the access: then the IOMMU has to be asked again.
  std::optional<Found> look_up(Space space, Iova iova, Access access, UseStamp stamp);
  // What a completion says about the page of `iova`.
  void insert(Space space, Iova iova, const TranslationCompletion& completion, UseStamp stamp);
  void invalidate(const AtsInvalidation& invalidation);
  void clear();

  const CacheStats& stats() const { return cache_.stats; }
  std::uint32_t size() const { return cache_.size(); }
  // The level (1 is 4 KiB) as which a translation of this size is kept.
  static unsigned level_of(Bytes size);

 private:
  static constexpr unsigned levels = 3;
  Cache<PageTag, Entry> cache_;
  unsigned largest_level_ = 1;
};

}  // namespace viosim
