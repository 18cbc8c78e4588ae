// The walk against a dumb one, over tables filled at random.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/vtd/walk.hpp"

#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"

#include <map>

using namespace viosim;
using namespace viosim::vtd;

namespace {

struct Outcome {
  FaultReason fault = FaultReason::none;
  std::uint64_t address = 0;
  unsigned reads = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome by_walk(const PhysicalMemory& memory, Mode mode, Hpa root, const Request& request) {
  Walk walk(mode, root, request, nullptr, nullptr);
  Outcome outcome;
  while (walk.step() == Step::read) {
    ++outcome.reads;
    walk.advance(memory.line(walk.next_read()));
  }
  if (walk.step() == Step::faulted) {
    outcome.fault = walk.fault();
  } else {
    outcome.address = walk.translation().address(request.iova).value();
  }
  return outcome;
}

// Straight from the layout of the tables, with shifts and nothing else.
class Dumb {
 public:
  Dumb(const PhysicalMemory& memory, const Request& request) : memory_(memory), request_(request) {}

  Outcome legacy(Hpa root) {
    const std::uint64_t r = read(root.value() + request_.source.bus() * 16ULL);
    if ((r & 1) == 0) return fault(0x01);
    const std::uint64_t slot = (r & ~0xfffULL) + request_.source.devfn() * 16ULL;
    const std::uint64_t low = read(slot);
    const std::uint64_t high = memory_.read(Hpa(slot + 8));  // the same line
    if ((low & 1) == 0) return fault(0x02);
    const std::uint64_t type = low >> 2 & 3;
    const std::uint64_t width = high & 7;
    if (type == 3 || width < 1 || width > 3) return fault(0x03);
    if (type == 2) return done(request_.iova.value());
    const auto levels = static_cast<unsigned>(width + 2);
    if (request_.iova.value() >> (12 + 9 * levels) != 0) return fault(0x04);
    const bool write = request_.access == Access::write;
    return table(low & ~0xfffULL, levels, false, write ? 0x05 : 0x06, write ? 0x05 : 0x06);
  }

  Outcome scalable(Hpa root) {
    const unsigned devfn = request_.source.devfn();
    const std::uint64_t r =
        read(root.value() + request_.source.bus() * 16ULL + (devfn >= 128 ? 8 : 0));
    if ((r & 1) == 0) return fault(0x39);
    const std::uint64_t slot = (r & ~0xfffULL) + devfn % 128 * 32ULL;
    const std::uint64_t context = read(slot);
    const std::uint64_t second = memory_.read(Hpa(slot + 8));
    if ((context & 1) == 0) return fault(0x41);
    const bool tagged = request_.pasid != no_pasid;
    if (tagged && (context >> 3 & 1) == 0) return fault(0x45);
    const std::uint64_t pasid = tagged ? request_.pasid.value() : second & 0xfffff;
    if (pasid >= 1ULL << ((context >> 9 & 7) + 13)) return fault(0x46);
    const std::uint64_t directory = read((context & ~0xfffULL) + pasid / 64 * 8);
    if ((directory & 1) == 0) return fault(0x51);
    const std::uint64_t entry = (directory & ~0xfffULL) + pasid % 64 * 64;
    const std::uint64_t e0 = read(entry);
    const std::uint64_t e2 = memory_.read(Hpa(entry + 16));
    if ((e0 & 1) == 0) return fault(0x59);
    const std::uint64_t type = e0 >> 6 & 7;
    const std::uint64_t width = e0 >> 2 & 7;
    const bool write = request_.access == Access::write;
    if (type == 4) return done(request_.iova.value());
    if (type == 1 && (e2 >> 2 & 3) <= 1) {
      const auto levels = static_cast<unsigned>((e2 >> 2 & 3) + 4);
      const unsigned top = 12 + 9 * levels - 1;
      const std::uint64_t above = request_.iova.value() >> top;
      if (above != 0 && above != ~0ULL >> top) return fault(0x80);
      return table(e2 & ~0xfffULL, levels, true, 0x71, write ? 0x85 : 0x86);
    }
    if (type == 2 && width >= 1 && width <= 3) {
      const auto levels = static_cast<unsigned>(width + 2);
      if (request_.iova.value() >> (12 + 9 * levels) != 0) return fault(0x79);
      return table(e0 & ~0xfffULL, levels, false, 0x79, write ? 0x85 : 0x86);
    }
    return fault(0x5b);
  }

 private:
  std::uint64_t read(std::uint64_t at) {
    ++reads_;
    return memory_.read(Hpa(at));
  }
  Outcome fault(unsigned reason) const { return {static_cast<FaultReason>(reason), 0, reads_}; }
  Outcome done(std::uint64_t address) const { return {FaultReason::none, address, reads_}; }

  Outcome table(std::uint64_t base, unsigned levels, bool first_level, unsigned absent,
                unsigned denied) {
    const bool write = request_.access == Access::write;
    for (unsigned level = levels; level >= 1; --level) {
      const unsigned shift = 12 + 9 * (level - 1);
      const std::uint64_t entry = read(base + (request_.iova.value() >> shift & 511) * 8);
      const bool r = first_level || (entry & 1) != 0;
      const bool w = (entry & 2) != 0;
      if (first_level ? (entry & 1) == 0 : (entry & 3) == 0) return fault(absent);
      if (write ? !w : !r) return fault(denied);
      const std::uint64_t target = entry & 0x000f'ffff'ffff'f000ULL;
      if (level == 1 || (entry & 0x80) != 0) {
        const std::uint64_t offset = request_.iova.value() & ((1ULL << shift) - 1);
        return done((target & ~((1ULL << shift) - 1)) | offset);
      }
      base = target;
    }
    return fault(0);
  }

  const PhysicalMemory& memory_;
  const Request& request_;
  unsigned reads_ = 0;
};

// A few frames full of entries that mostly point at each other, so that walks go deep and end everywhere.
struct RandomTables {
  explicit RandomTables(std::uint64_t seed)
      : rng(seed, "walk"), frames(memory.allocate_frames(count)) {
    for (std::uint64_t word = 0; word < count * 512; ++word) {
      if (rng.below(8) == 0) continue;
      std::uint64_t entry = frames.value() + (rng.below(count) << 12U);
      entry |= rng.below(16) == 0 ? rng.below(0x1000) : 0x3 | (rng.next() & 0x5c);
      memory.write(frames + Bytes(word * 8), entry);
    }
  }
  static constexpr std::uint64_t count = 12;
  PhysicalMemory memory;
  Rng rng;
  Hpa frames;
};

}  // namespace

TEST_CASE("the walk finds what a dumb walk finds, with as many reads", "[models][walk]") {
  std::map<FaultReason, int> reached;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    RandomTables tables(seed);
    Rng& rng = tables.rng;
    for (int i = 0; i < 2'000; ++i) {
      Request request;
      request.source = Bdf(static_cast<std::uint16_t>(rng.next()));
      request.access = rng.below(2) == 0 ? Access::read : Access::write;
      if (rng.below(2) == 0)
        request.pasid =
            Pasid(static_cast<std::uint32_t>(rng.below(rng.below(2) == 0 ? 64 : 1U << 20U)));
      std::uint64_t iova = rng.next() >> (rng.below(4) == 0 ? 0 : 16 + rng.below(20));
      if (rng.below(8) == 0) iova |= 0xffff'0000'0000'0000U;
      request.iova = Iova(iova);
      const Outcome legacy = by_walk(tables.memory, Mode::legacy, tables.frames, request);
      REQUIRE(legacy == Dumb(tables.memory, request).legacy(tables.frames));
      const Outcome scalable = by_walk(tables.memory, Mode::scalable, tables.frames, request);
      REQUIRE(scalable == Dumb(tables.memory, request).scalable(tables.frames));
      ++reached[legacy.fault];
      ++reached[scalable.fault];
    }
  }
  // The comparison means something only where it went.
  for (const unsigned reason :
       std::initializer_list<unsigned>{0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x39, 0x41, 0x45,
                                       0x46, 0x51, 0x59, 0x5b, 0x71, 0x79, 0x80, 0x85, 0x86}) {
    INFO("reason " << reason);
    CHECK(reached[static_cast<FaultReason>(reason)] > 0);
  }
}

TEST_CASE("a cold walk reads root, context, directory and PASID entry, then one entry a level",
          "[models][walk]") {
  const unsigned levels = GENERATE(3U, 4U, 5U);
  PhysicalMemory memory;
  PageTable table(memory, TableFormat::second_level, levels);
  table.map(Iova(0x12345000), Hpa(0x777000), 1, {true, false});
  const Bdf source(3, 4, 5);
  const Request request{Iova(0x12345678), no_pasid, source, Access::read};
  LegacyContext context;
  context.present = true;
  context.address_width = static_cast<std::uint8_t>(levels - 2);
  context.table = table.root();
  Tables legacy(memory, Mode::legacy);
  legacy.attach(source, context);
  CHECK(by_walk(memory, Mode::legacy, legacy.root(), request) ==
        Outcome{FaultReason::none, 0x777678, 2 + levels});

  PasidEntry entry;
  entry.present = true;
  entry.type = PasidEntry::Type::second_level;
  entry.address_width = context.address_width;
  entry.second_level = table.root();
  Tables scalable(memory, Mode::scalable);
  scalable.attach(source, 1, Pasid(0));
  scalable.set_entry(source, Pasid(0), entry);
  CHECK(by_walk(memory, Mode::scalable, scalable.root(), request) ==
        Outcome{FaultReason::none, 0x777678, 4 + levels});
}
