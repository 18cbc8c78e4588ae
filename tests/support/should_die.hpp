// What an invalidation descriptor removes, from its words in memory and from what a cached entry is
// tagged with: the rules of VT-d 3.x, 6.5.2 and of PCIe 10.3, written without the code under test.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/address.hpp"
#include "models/iommu/vtd/descriptor.hpp"

#include <bit>
#include <cstdint>
#include <optional>

namespace viosim::test {

// An entry of one of the caches, with its tags.
struct CachedThing {
  enum class Kind : std::uint8_t {
    context,
    pasid_entry,
    page,
    first_path,
    second_path,
    device_page
  };
  Kind kind = Kind::context;
  std::uint16_t source = 0;             // contexts, PASID entries, pages in a function's TLB
  std::optional<std::uint16_t> domain;  // none: contexts of scalable mode do not hold one
  std::optional<std::uint32_t> pasid;   // none: legacy mode, second-stage paths, without a PASID
  bool first_stage = false;             // pages: of a first-level or nested space
  std::uint64_t at = 0;                 // pages, paths: the input addresses that they are of
  std::uint64_t size = 0;
};

// The fields, by their bits.
class DescriptorWords {
 public:
  explicit DescriptorWords(const vtd::DescriptorBits& words) : words_(words) {}
  unsigned type() const { return static_cast<unsigned>(low(0, 4)); }
  unsigned granularity() const { return static_cast<unsigned>(low(4, 2)); }
  std::uint64_t domain() const { return low(16, 16); }
  std::uint64_t pasid() const { return low(32, 20); }
  std::uint64_t source() const { return type() == 8 ? low(16, 16) : low(32, 16); }
  std::uint64_t function_mask() const { return low(48, 2); }
  bool leaf_only() const { return high(6, 1) != 0; }   // IH
  bool all_pasids() const { return high(0, 1) != 0; }  // G, of type 8
  bool is(const CachedThing& of) const { return of.domain == domain(); }
  bool is_pasid(const CachedThing& of) const { return of.pasid == pasid(); }

  // Whether its addresses meet those of an entry.
  bool meets(const CachedThing& thing) const {
    const std::uint64_t last = page() << 12U | ignored();
    const std::uint64_t first = last & ~ignored();
    return first <= thing.at + (thing.size - 1) && thing.at <= last;
  }

 private:
  std::uint64_t low(unsigned at, unsigned bits) const { return field(words_[0], at, bits); }
  std::uint64_t high(unsigned at, unsigned bits) const { return field(words_[1], at, bits); }
  static std::uint64_t field(std::uint64_t word, unsigned at, unsigned bits) {
    return word >> at & ((std::uint64_t{1} << bits) - 1);
  }
  bool of_device() const { return type() == 3 || type() == 8; }
  std::uint64_t page() const { return words_[1] >> 12U; }

  // As many bits of the page number: 2^AM pages, naturally aligned.
  unsigned ignored_bits() const {
    if (!of_device()) return static_cast<unsigned>(high(0, 6));
    const bool sized = high(type() == 3 ? 0 : 11, 1) != 0;
    // S: the lowest zero of the page number is at the place whose number, plus one, is the exponent.
    return sized ? static_cast<unsigned>(std::countr_one(page())) + 1 : 0;
  }
  std::uint64_t ignored() const {
    return ignored_bits() >= 52 ? ~std::uint64_t{0} : (std::uint64_t{4096} << ignored_bits()) - 1;
  }

  vtd::DescriptorBits words_;
};

// None: the specification leaves it open.
inline std::optional<bool> should_die(const CachedThing& thing, const vtd::DescriptorBits& bits) {
  using Kind = CachedThing::Kind;
  const DescriptorWords order(bits);
  const bool first_path = thing.kind == Kind::first_path;
  const bool second_path = thing.kind == Kind::second_path;
  const bool translation = thing.kind == Kind::page || first_path || second_path;
  switch (order.type()) {
    case 1: {  // context cache
      if (thing.kind != Kind::context) return false;
      if (order.granularity() == 1) return true;
      // A domain's, where entries do not say whose they are: all of them.
      if (order.granularity() == 2) return !thing.domain || order.is(thing);
      // 1: bit 2 of the function is masked, 2: bits 2:1, 3: the function.
      constexpr std::uint64_t masked[] = {0, 0b100, 0b110, 0b111};
      return ((thing.source ^ order.source()) & ~masked[order.function_mask()]) == 0;
    }
    case 2:  // IOTLB: no tag but the domain
      if (!translation) return false;
      if (order.granularity() == 1) return true;
      if (order.granularity() == 2) return order.is(thing);
      // Addresses of the second stage. Of the first stage it is not known what they lead to, so all
      // of the domain's go; nested, paths hold what the second stage said of their tables, so that a
      // change of its leaves concerns them, too.
      if (thing.kind == Kind::page)
        return order.is(thing) && (thing.first_stage || order.meets(thing));
      if (first_path) return order.is(thing);
      return order.is(thing) && !order.leaf_only() && order.meets(thing);
    case 6:  // PASID IOTLB
      if (!translation || !order.is(thing)) return false;
      // Second-stage paths are shared by the domain's PASIDs: they may have come from this one.
      if (order.granularity() == 2) return second_path || order.is_pasid(thing);
      if (second_path || (thing.kind == Kind::page && !thing.first_stage)) return false;
      return order.is_pasid(thing) && order.meets(thing) && !(first_path && order.leaf_only());
    case 7:  // PASID cache
      if (thing.kind != Kind::pasid_entry) return false;
      if (order.granularity() == 3) return true;
      return order.is(thing) && (order.granularity() == 0 || order.is_pasid(thing));
    case 3:  // a function's TLB, translations without a PASID
      return thing.kind == Kind::device_page && thing.source == order.source() && !thing.pasid &&
             order.meets(thing);
    case 8:  // the same, of a PASID or of all
      if (thing.kind != Kind::device_page || thing.source != order.source()) return false;
      if (order.all_pasids() && !thing.pasid) return {};
      return (order.all_pasids() || order.is_pasid(thing)) && order.meets(thing);
    default:
      return false;
  }
}

}  // namespace viosim::test
