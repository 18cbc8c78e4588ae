// Every invalidation descriptor against every cache: what dies, and what survives, is what the rules
// say of the words in memory and of the tags of entries.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cached_world.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

using Bits = vtd::DescriptorBits;
using Type = CachedWorld::Type;

constexpr std::array<std::uint64_t, 3> domains = {5, 6, 7};  // of 7 there is nothing
constexpr std::array<std::uint64_t, 3> pasids = {1, 2, 9};
constexpr std::array<std::uint64_t, 3> functions = {CachedWorld::function_a.value(),
                                                    CachedWorld::function_b.value(), 0x104};
// In each of the pages, beside them, and nowhere near.
constexpr std::array<std::uint64_t, 5> addresses = {
    CachedWorld::page_of_size[0], CachedWorld::page_of_size[0] + 0x3000,
    CachedWorld::page_of_size[1] + 0x3000, CachedWorld::page_of_size[2] + 0x123'4000,
    std::uint64_t{1} << 40U};

std::vector<Bits> of_caches() {
  std::vector<Bits> all;
  for (const std::uint64_t domain : domains)
    all.push_back({0x21 | domain << 16U});  // context cache
  all.push_back({0x11});
  for (const std::uint64_t source : functions) {
    for (std::uint64_t mask = 0; mask < 4; ++mask)
      all.push_back({0x31 | source << 32U | mask << 48U});
  }
  all.push_back({0x37});  // PASID cache
  for (const std::uint64_t domain : domains) {
    all.push_back({0x07 | domain << 16U});
    for (const std::uint64_t pasid : pasids) all.push_back({0x17 | domain << 16U | pasid << 32U});
  }
  all.push_back({0x04});              // interrupt entries
  all.push_back({0x05});              // wait
  all.push_back({0x09 | 1U << 16U});  // page group response
  return all;
}

std::vector<Bits> of_translations() {
  std::vector<Bits> all{{0x12}};
  for (const std::uint64_t domain : domains) {
    all.push_back({0x22 | domain << 16U});
    for (const std::uint64_t pasid : pasids) all.push_back({0x26 | domain << 16U | pasid << 32U});
  }
  for (const std::uint64_t address : addresses) {
    for (const std::uint64_t mask : {0U, 2U, 9U, 18U, 36U, 52U, 63U}) {
      for (const std::uint64_t leaf_only : {0U, 1U << 6U}) {
        const std::uint64_t high = address | leaf_only | mask;
        for (const std::uint64_t domain : domains) {
          all.push_back({0x32 | domain << 16U, high});
          for (const std::uint64_t pasid : pasids)
            all.push_back({0x36 | domain << 16U | pasid << 32U, high});
        }
      }
    }
  }
  return all;
}

// Sizes are coded in the address: 2^n pages have n-1 ones below a zero.
std::vector<Bits> of_device_tlbs() {
  std::vector<Bits> all;
  const auto add = [&](std::uint64_t address, std::uint64_t size) {
    for (const std::uint64_t source : {functions[0], functions[1]}) {
      all.push_back({0x03 | source << 32U, address | size});
      for (const std::uint64_t pasid : pasids) {
        for (const std::uint64_t all_pasids : {0U, 1U})
          all.push_back({0x08 | source << 16U | pasid << 32U, address | size << 11U | all_pasids});
      }
    }
  };
  for (const std::uint64_t address : addresses) {
    add(address, 0);
    for (const unsigned pages : {1U, 9U, 18U}) {
      const std::uint64_t zero = std::uint64_t{4096} << (pages - 1);
      add(((address | (zero - 1)) & ~zero) & ~std::uint64_t{0xfff}, 1);
    }
  }
  add(0x7fff'ffff'ffff'f000, 1);  // everything
  return all;
}

constexpr std::array<const char*, 6> names = {"context",    "PASID entry", "page",
                                              "first path", "second path", "page of a function"};

std::string text_of(const CachedThing& thing) {
  return fmt::format("{} {:#x}, domain {}, PASID {}, at {:#x} size {:#x}",
                     names[static_cast<std::size_t>(thing.kind)], thing.source,
                     thing.domain ? static_cast<int>(*thing.domain) : -1,
                     thing.pasid ? static_cast<int>(*thing.pasid) : -1, thing.at, thing.size);
}

void check(vtd::Mode mode, Type type, const std::vector<Bits>& descriptors,
           std::uint8_t levels = 4) {
  std::uint64_t died = 0;
  for (const Bits& bits : descriptors) {
    INFO(fmt::format("{:#x} {:#x}, spaces of type {}, {} levels", bits[0], bits[1],
                     static_cast<int>(type), levels));
    CachedWorld world(mode, type, levels);
    const std::vector<bool> alive = world.after(bits);
    for (std::size_t i = 0; i < world.things().size(); ++i) {
      const CachedThing& thing = world.things()[i];
      const std::optional<bool> dies = should_die(thing, bits);
      if (!dies) continue;
      died += *dies ? 1 : 0;
      if (alive[i] == *dies) FAIL_CHECK(text_of(thing) << (*dies ? " survived" : " died"));
    }
  }
  CHECK(died > 0);
}

}  // namespace

TEST_CASE("descriptors of context and PASID caches remove what they cover, and nothing else",
          "[models][invalidation]") {
  const Type type =
      GENERATE(Type::first_level, Type::second_level, Type::nested, Type::pass_through);
  check(vtd::Mode::scalable, type, of_caches());
}

TEST_CASE("descriptors of the IOTLB remove what they cover, and nothing else",
          "[models][invalidation]") {
  const Type type = GENERATE(Type::first_level, Type::second_level, Type::nested);
  const std::uint8_t levels = GENERATE(as<std::uint8_t>{}, 4, 5);
  check(vtd::Mode::scalable, type, of_translations(), levels);
}

TEST_CASE("descriptors of device TLBs remove what they cover, and nothing else",
          "[models][invalidation]") {
  check(vtd::Mode::scalable, Type::pass_through, of_device_tlbs());
}

TEST_CASE("descriptors of legacy mode remove what they cover, and nothing else",
          "[models][invalidation]") {
  std::vector<Bits> known;
  for (const auto& all : {of_caches(), of_translations(), of_device_tlbs()}) {
    for (const Bits& bits : all) {
      if ((bits[0] & 15U) < 6) known.push_back(bits);
    }
  }
  check(vtd::Mode::legacy, Type::second_level, known);
}
