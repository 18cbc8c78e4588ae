// The walk against a dumb one, over tables filled at random.
// SPDX-License-Identifier: Apache-2.0
#include "models/iommu/walk.hpp"

#include "core/base/rng.hpp"
#include "models/host/guest_memory.hpp"
#include "models/iommu/vtd/architecture.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <ostream>

using namespace viosim;
using namespace viosim::vtd;

namespace {

struct Outcome {
  unsigned fault = 0;
  std::uint64_t address = 0;
  unsigned reads = 0;
  unsigned updates = 0;
  bool writable = false;  // the answer may be kept for writes, too
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& o) {
  return out << std::hex << "fault " << o.fault << " address " << o.address << std::dec << " reads "
             << o.reads << " updates " << o.updates << " writable " << o.writable;
}

// Memory stays as it is: updates are counted, and taken for done.
void drive(Walk& walk, const PhysicalMemory& memory, Outcome& outcome) {
  while (walk.step() == WalkStep::read || walk.step() == WalkStep::update) {
    if (walk.step() == WalkStep::update) {
      ++outcome.updates;
      walk.pages().updated(true);
      walk.moved();
    } else {
      ++outcome.reads;
      walk.advance(memory.line(walk.next_read()));
    }
  }
}

Outcome by_walk(const PhysicalMemory& memory, Mode mode, Hpa root, const Request& request) {
  const VtdArchitecture architecture(mode, root);
  Walk walk;
  walk.begin(architecture, request, nullptr, nullptr, false);
  Outcome outcome;
  drive(walk, memory, outcome);
  if (walk.step() == WalkStep::faulted) {
    outcome.fault = static_cast<unsigned>(walk.fault());
  } else {
    outcome.address = walk.translation().address(request.iova).value();
    outcome.writable = walk.translation().rights.can_write(walk.request().privileged);
  }
  return outcome;
}

// Straight from the layout of the tables, with shifts and nothing else.
class Dumb {
 public:
  Dumb(const PhysicalMemory& memory, const Request& request)
      : memory_(memory),
        request_(request),
        iova_(request.iova.value()),
        write_(request.access == Access::write),
        privileged_(request.privileged) {}

  Outcome legacy(Hpa root) {
    legacy_ = true;
    if (request_.pasid != no_pasid) return fault(0x31);
    const std::uint64_t r = read(root.value() + request_.source.bus() * 16ULL);
    if ((r & 1) == 0) return fault(0x01);
    const std::uint64_t slot = (r & ~0xfffULL) + request_.source.devfn() * 16ULL;
    const std::uint64_t low = read(slot);
    const std::uint64_t high = memory_.read(Hpa(slot + 8));  // the same line
    if ((low & 1) == 0) return fault(0x02);
    const std::uint64_t type = low >> 2 & 3;
    const std::uint64_t width = high & 7;
    if (type == 3 || width < 1 || width > 3) return fault(0x03);
    if (in_window(iova_)) return write_ ? done(iova_, true) : fault(0x0e);
    if (type == 2) return done(iova_, true);
    second_ = {low & ~0xfffULL, static_cast<unsigned>(width + 2)};
    const Stage to = second(iova_, false);
    return to.fault != 0 ? fault(to.fault) : done(to.address, to.writable);
  }

  Outcome scalable(Hpa root) {
    const unsigned devfn = request_.source.devfn();
    const std::uint64_t r =
        read(root.value() + request_.source.bus() * 16ULL + (devfn >= 128 ? 8 : 0));
    if ((r & 1) == 0) return fault(0x39);
    const std::uint64_t slot = (r & ~0xfffULL) + devfn % 128 * 32ULL;
    const std::uint64_t context = read(slot);
    const std::uint64_t beside = memory_.read(Hpa(slot + 8));
    if ((context & 1) == 0) return fault(0x41);
    const bool tagged = request_.pasid != no_pasid;
    const std::uint64_t limit = 1ULL << ((context >> 9 & 7) + 13);
    const std::uint64_t pasid = tagged ? request_.pasid.value() : beside & 0xfffff;
    if (!tagged && pasid >= limit) return fault(0x48);
    if (!tagged) privileged_ = (beside >> 20 & 1) != 0;
    if (tagged && (context >> 3 & 1) == 0) return fault(0x45);
    if (pasid >= limit) return fault(0x46);
    const std::uint64_t directory = read((context & ~0xfffULL) + pasid / 64 * 8);
    if ((directory & 1) == 0) return fault(0x51);
    const std::uint64_t entry = (directory & ~0xfffULL) + pasid % 64 * 64;
    const std::uint64_t e0 = read(entry);
    const std::uint64_t e2 = memory_.read(Hpa(entry + 16));
    if ((e0 & 1) == 0) return fault(0x59);
    const std::uint64_t type = e0 >> 6 & 7;
    const bool uses_first = type == 1 || type == 3;
    const bool uses_second = type == 2 || type == 3;
    const std::uint64_t width = e0 >> 2 & 7;
    if (type < 1 || type > 4) return fault(0x5b);
    if (uses_first && (e2 >> 2 & 3) > 1) return fault(0x5b);
    if (uses_second && (width < 1 || width > 3)) return fault(0x5b);
    if (!tagged && in_window(iova_)) return write_ ? done(iova_, true) : fault(0x87);
    if (type == 4) return tagged && in_window(iova_) ? fault(0x87) : done(iova_, true);
    if (privileged_ && (e2 & 1) == 0) return fault(0x5d);
    if (request_.access == Access::execute && (e2 & 2) == 0) return fault(0x5c);
    if (uses_second) second_ = {e0 & ~0xfffULL, static_cast<unsigned>(width + 2)};
    if (uses_first) first_ = {e2 & ~0xfffULL, static_cast<unsigned>((e2 >> 2 & 3) + 4)};
    protect_ = (e2 >> 4 & 1) != 0;
    no_execute_ = (e2 >> 5 & 1) != 0;
    extended_ = (e2 >> 7 & 1) != 0;
    second_executes_ = (e0 >> 5 & 1) != 0;
    second_updates_ = (e0 >> 9 & 1) != 0;
    const Stage to = uses_first ? first() : second(iova_, false);
    if (to.fault != 0) return fault(to.fault);
    if (tagged && in_window(to.address)) return fault(0x87);
    return done(to.address, to.writable);
  }

 private:
  struct Table {
    std::uint64_t root = 0;
    unsigned levels = 0;
  };
  struct Stage {
    unsigned fault = 0;
    std::uint64_t address = 0;
    bool writable = true;
  };

  static bool in_window(std::uint64_t address) { return address >> 20 == 0xfee; }
  std::uint64_t read(std::uint64_t at) {
    ++reads_;
    return memory_.read(Hpa(at));
  }
  Outcome fault(unsigned reason) const { return {reason, 0, reads_, updates_, false}; }
  Outcome done(std::uint64_t address, bool writable) const {
    return {0, address, reads_, updates_, writable};
  }
  static bool misaligned(std::uint64_t target, unsigned shift, std::uint64_t spared) {
    return (target & ((1ULL << shift) - 1) & ~0xfffULL & ~spared) != 0;
  }

  Stage first() {
    const unsigned top = 12 + 9 * first_.levels - 1;
    const std::uint64_t above = iova_ >> top;
    if (above != 0 && above != ~0ULL >> top) return {0x80};
    std::uint64_t base = first_.root;
    bool user = true;
    bool writable = true;
    bool executable = true;
    for (unsigned level = first_.levels;; --level) {
      const unsigned shift = 12 + 9 * (level - 1);
      std::uint64_t at = base + (iova_ >> shift & 511) * 8;
      bool may_update = true;
      if (second_.levels != 0) {
        const Stage place = second(at, true);
        if (place.fault != 0) return place;
        at = place.address;
        may_update = place.writable;
      }
      const std::uint64_t entry = read(at);
      if ((entry & 1) == 0) return {0x71};
      const std::uint64_t target = entry & 0x000f'ffff'ffff'f000ULL;
      const bool leaf = level == 1 || (entry & 0x80) != 0;
      if (leaf && (level > 3 || misaligned(target, shift, 0x1000))) return {0x72};
      if (entry >> 63 != 0 && !no_execute_) return {0x72};
      user = user && (entry & 4) != 0;
      writable = writable && ((entry & 2) != 0 || (privileged_ && !protect_));
      executable = executable && entry >> 63 == 0;
      if (!privileged_ && !user) return {0x81};
      if (write_ && !writable) return {0x85};
      if (request_.access == Access::execute && !executable) return {0x82};
      const bool dirties = leaf && write_;
      const bool stale = (entry & 0x20) == 0 || (dirties && (entry & 0x40) == 0) ||
                         (extended_ && (entry & 0x400) == 0);
      if (stale && !may_update) return {0x77};
      if (stale) ++updates_;
      if (!leaf) {
        base = target;
        continue;
      }
      if ((entry & 0x40) == 0 && !dirties) writable = false;
      const std::uint64_t size = 1ULL << shift;
      const std::uint64_t address = (target & ~(size - 1)) | (iova_ & (size - 1));
      if (second_.levels == 0) return {0, address, writable};
      Stage end = second(address, false);
      end.writable = end.writable && writable;
      return end;
    }
  }

  Stage second(std::uint64_t input, bool for_table) {
    if (input >> (12 + 9 * second_.levels) != 0)
      return {legacy_ ? 0x04U : for_table ? 0x74U : 0x83U};
    const bool writes = write_ && !for_table;
    const bool executes = request_.access == Access::execute && !for_table;
    std::uint64_t base = second_.root;
    bool readable = true;
    bool writable = true;
    bool executable = true;
    for (unsigned level = second_.levels;; --level) {
      const unsigned shift = 12 + 9 * (level - 1);
      const std::uint64_t entry = read(base + (input >> shift & 511) * 8);
      if ((entry & 3) == 0) return {legacy_ ? (writes ? 0x05U : 0x06U) : 0x79U};
      const std::uint64_t target = entry & 0x000f'ffff'ffff'f000ULL;
      const bool leaf = level == 1 || (entry & 0x80) != 0;
      if (leaf && (level > 3 || misaligned(target, shift, 0))) return {legacy_ ? 0x0cU : 0x7aU};
      readable = readable && (entry & 1) != 0;
      writable = writable && (entry & 2) != 0;
      executable = executable && (entry & (second_executes_ ? 4U : 1U)) != 0;
      if (for_table && !readable) return {0x76};
      if (writes && !writable) return {legacy_ ? 0x05U : 0x85U};
      if (!writes && !readable) return {legacy_ ? 0x06U : 0x86U};
      if (executes && !executable) return {legacy_ ? 0x06U : 0x82U};
      const bool dirties = leaf && (writes || (for_table && writable));
      if (second_updates_ && ((entry & 0x100) == 0 || (dirties && (entry & 0x200) == 0)))
        ++updates_;
      if (!leaf) {
        base = target;
        continue;
      }
      // Of a table, whether accessed and dirty may be set in it; of a page, whether the answer may
      // be kept for writes.
      if (second_updates_ && (entry & 0x200) == 0 && !dirties && !for_table) writable = false;
      const std::uint64_t size = 1ULL << shift;
      return {0, (target & ~(size - 1)) | (input & (size - 1)), writable};
    }
  }

  const PhysicalMemory& memory_;
  const Request& request_;
  std::uint64_t iova_;
  bool write_;
  bool privileged_;
  bool legacy_ = false;
  Table first_;
  Table second_;
  bool protect_ = false;
  bool no_execute_ = false;
  bool extended_ = false;
  bool second_executes_ = false;
  bool second_updates_ = false;
  unsigned reads_ = 0;
  unsigned updates_ = 0;
};

// A few frames full of entries that mostly point at each other, so that walks go deep and end
// everywhere. The frames lie low, so that they are guest physical addresses of any width, too.
struct RandomTables {
  explicit RandomTables(std::uint64_t seed) : rng(seed, "walk") {
    for (std::uint64_t word = 0; word < count * 512; ++word) {
      if (rng.below(16) == 0) continue;
      std::uint64_t bits = entry();
      const bool begins_pasid_entry = word % 8 == 0;
      if (begins_pasid_entry && rng.below(2) == 0) bits = (bits & ~0x1c0ULL) | 0xc0;  // nested
      memory.write(frames + Bytes(word * 8), bits);
    }
  }
  std::uint64_t entry() {
    const std::uint64_t target = frames.value() + (rng.below(count) << 12U);
    if (rng.below(16) == 0) return target | rng.below(0x1000);
    // Mostly present, readable, writable, accessed; seldom a leaf above the last level, or XD.
    std::uint64_t bits = 0x3 | (rng.next() & 0x67c);
    if (rng.below(4) != 0) bits |= 0x124;
    if (rng.below(6) == 0) bits |= 0x80;
    if (rng.below(12) == 0) bits |= 1ULL << 63U;
    if (rng.below(24) == 0) bits &= ~1ULL;  // of the second level: not readable
    if (rng.below(12) == 0) bits &= ~2ULL;
    if (rng.below(6) == 0) return (rng.below(1ULL << 20U) << 30U) | bits;  // aligned for all
    return target | bits;
  }
  static constexpr std::uint64_t count = 12;
  PhysicalMemory memory;
  Rng rng;
  Hpa frames{0x40'0000};
};

Request random_request(Rng& rng) {
  Request request;
  request.source = Bdf(static_cast<std::uint16_t>(rng.next()));
  request.access = static_cast<Access>(rng.below(3));
  if (rng.below(2) == 0) {
    request.pasid =
        Pasid(static_cast<std::uint32_t>(rng.below(rng.below(2) == 0 ? 64 : 1U << 20U)));
    request.privileged = rng.below(4) == 0;
  }
  std::uint64_t iova = rng.next() >> (rng.below(4) == 0 ? 0 : 16 + rng.below(20));
  if (rng.below(8) == 0) iova |= 0xffff'0000'0000'0000U;
  if (rng.below(32) == 0) iova = 0xfee0'0000 | rng.below(1U << 20U);
  request.iova = Iova(iova);
  return request;
}

}  // namespace

TEST_CASE("the walk finds what a dumb walk finds, with as many reads", "[models][walk]") {
  std::map<unsigned, int> reached;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    RandomTables tables(seed);
    Rng& rng = tables.rng;
    for (int i = 0; i < 2'000; ++i) {
      const Request request = random_request(rng);
      const Outcome legacy = by_walk(tables.memory, Mode::legacy, tables.frames, request);
      REQUIRE(legacy == Dumb(tables.memory, request).legacy(tables.frames));
      const Outcome scalable = by_walk(tables.memory, Mode::scalable, tables.frames, request);
      REQUIRE(scalable == Dumb(tables.memory, request).scalable(tables.frames));
      ++reached[legacy.fault];
      ++reached[scalable.fault];
    }
  }
  // The comparison means something only where it went.
  for (const unsigned reason : std::initializer_list<unsigned>{
           0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x0e, 0x31, 0x39, 0x41,
           0x45, 0x46, 0x48, 0x51, 0x59, 0x5b, 0x5c, 0x5d, 0x71, 0x72, 0x74, 0x76,
           0x77, 0x79, 0x7a, 0x80, 0x81, 0x82, 0x83, 0x85, 0x86, 0x87}) {
    INFO("reason " << std::hex << reason);
    CHECK(reached[reason] > 0);
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
        Outcome{0, 0x777678, 2 + levels, 0, false});

  PasidEntry entry;
  entry.present = true;
  entry.type = PasidEntry::Type::second_level;
  entry.address_width = context.address_width;
  entry.second_level = table.root();
  Tables scalable(memory, Mode::scalable);
  scalable.attach(source, 1, Pasid(0));
  scalable.set_entry(source, Pasid(0), entry);
  CHECK(by_walk(memory, Mode::scalable, scalable.root(), request) ==
        Outcome{0, 0x777678, 4 + levels, 0, false});
}

TEST_CASE("a nested walk reads (n1+1)(n2+1)-1 entries, fewer with large pages", "[models][walk]") {
  struct Shape {
    unsigned first_levels, second_levels, first_leaf, second_leaf, reads;
  };
  const Shape shape = GENERATE(Shape{4, 4, 1, 1, 24}, Shape{4, 5, 1, 1, 29}, Shape{5, 4, 1, 1, 29},
                               Shape{5, 5, 1, 1, 35}, Shape{4, 3, 1, 1, 19}, Shape{4, 4, 2, 1, 19},
                               Shape{4, 4, 2, 2, 15}, Shape{4, 4, 3, 3, 8}, Shape{5, 3, 1, 2, 17});
  PhysicalMemory memory;
  PageTable second(memory, TableFormat::second_level, shape.second_levels);
  GuestMemory guest(memory, second, Hpa(0x4000'0000), page_1g, shape.second_leaf);
  PageTable first(guest, TableFormat::first_level, shape.first_levels);
  const Iova iova(0x7f00'4000'0000);
  const Hpa guest_page(0x40'0000'0000);
  const Hpa host_page(0x80'0000'0000);
  const auto pages = [](unsigned leaf) { return leaf_size(leaf).count() >> 12U; };
  first.map(iova, guest_page, pages(shape.first_leaf), {true, true, true}, shape.first_leaf);
  second.map(Iova(guest_page.value()), host_page, pages(shape.second_leaf), {true, true, true},
             shape.second_leaf);
  PasidEntry entry;
  entry.present = true;
  entry.type = PasidEntry::Type::nested;
  entry.address_width = static_cast<std::uint8_t>(shape.second_levels - 2);
  entry.first_level_mode = static_cast<std::uint8_t>(shape.first_levels - 4);
  entry.first_level = first.root();
  entry.second_level = second.root();
  const Bdf source(3, 4, 5);
  Tables tables(memory, Mode::scalable);
  tables.attach(source, 1, Pasid(0));
  tables.set_entry(source, Pasid(0), entry);
  const Request request{iova + Bytes(0x678), no_pasid, source, Access::read};
  CHECK(by_walk(memory, Mode::scalable, tables.root(), request) ==
        Outcome{0, host_page.value() + 0x678, 4 + shape.reads, 0, true});
}
