// The walk against a dumb one, over tables laid out at random, in all modes and sizes.
// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/walk_of.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <vector>

using namespace viosim;
using namespace viosim::test;
using namespace viosim::vtd;

namespace {

constexpr Hpa root{0x40'0000};

// Words of memory; all others are zero. Small, so that a search is quicker than an index.
struct SparseWords {
  struct Word {
    std::uint64_t at = 0;
    std::uint64_t bits = 0;
  };
  const Word* find(std::uint64_t at) const {
    for (const Word& word : words) {
      if (word.at == at) return &word;
    }
    return nullptr;
  }
  PhysicalMemory::Line line(Hpa at) const {
    PhysicalMemory::Line line{};
    for (const Word& word : words) {
      if (word.at >> 6U == at.value() >> 6U) line[word.at >> 3U & 7U] = word.bits;
    }
    return line;
  }
  std::vector<Word> words;
};

// Tables, and a request that goes through them.
struct Layout {
  Mode mode = Mode::legacy;
  Request request;
  SparseWords memory;
};

struct Layouts {
  std::vector<Layout> all;
};

std::ostream& operator<<(std::ostream& out, const Layout& layout) {
  const Request& r = layout.request;
  out << std::hex << (layout.mode == Mode::legacy ? "legacy" : "scalable") << ", source "
      << r.source.value() << ", PASID " << r.pasid.value() << ", address " << r.iova.value()
      << ", access " << static_cast<int>(r.access) << (r.privileged ? ", supervisor's" : "")
      << ", type " << static_cast<int>(r.type);
  for (const auto& word : layout.memory.words) out << "\n  [" << word.at << "] = " << word.bits;
  return out << std::dec;
}

std::ostream& operator<<(std::ostream& out, const Layouts& layouts) {
  for (const Layout& layout : layouts.all) out << layout << '\n';
  return out;
}

// Lays out tables where a dumb walk looks. Most point at a few frames, so that they meet; the frames
// lie low, so that they are guest physical addresses of any width, too.
class Growing final : public DumbMemory {
 public:
  Growing(Rng& rng, Mode mode, SparseWords& into)
      : rng_(rng), mode_(mode), into_(into), oddity_(rng.below(3)) {}

  std::uint64_t word(std::uint64_t at, Place place, unsigned index) override {
    if (const auto* known = into_.find(at)) return known->bits;
    const std::uint64_t bits = make(place, index);
    into_.words.push_back({at, bits});
    return bits;
  }

 private:
  // A third of the layouts has nothing odd, so that long walks come to their end.
  bool odd() { return oddity_ != 0 && rng_.below(oddity_ == 1 ? 64 : 12) == 0; }
  std::uint64_t frame() { return root.value() + (rng_.below(16) << 12U); }
  std::uint64_t one_bit() { return std::uint64_t{1} << rng_.below(64); }
  std::uint64_t present() { return odd() ? 0 : 1; }
  // The code of 3, 4 or 5 levels, seldom another one.
  std::uint64_t width() { return odd() ? rng_.below(8) : 1 + rng_.below(3); }

  std::uint64_t make(Place place, unsigned index) {
    const std::uint64_t spoiled = odd() ? one_bit() : 0;
    switch (place) {
      case Place::root:
        return spoiled | (index == 0 ? frame() | present() : 0);
      case Place::context:
        return spoiled ^ (mode_ == Mode::legacy ? legacy_context(index) : scalable_context(index));
      case Place::directory:
        return spoiled | frame() | present();
      case Place::pasid_entry:
        return spoiled ^ pasid_entry(index);
      case Place::first_level:
        return first_level();
      case Place::second_level:
        return second_level();
    }
    return 0;
  }
  std::uint64_t legacy_context(unsigned index) {
    if (index == 1) return width() | rng_.below(16) << 3U | rng_.below(0x10000) << 8U;
    const std::uint64_t type = rng_.below(odd() ? 4 : 2);
    return frame() | present() | rng_.below(2) << 1U | type << 2U;
  }
  std::uint64_t scalable_context(unsigned index) {
    if (index > 1) return 0;
    if (index == 1) return rng_.below(odd() ? 1U << 20U : 8192) | rng_.below(2) << 20U;
    const std::uint64_t flags = (rng_.next() & 0b10110U) | (odd() ? 0 : 8);
    return frame() | present() | flags | rng_.below(8) << 9U;
  }
  std::uint64_t pasid_entry(unsigned index) {
    if (index > 2) return 0;
    if (index == 1) return rng_.below(0x10000) | rng_.below(4) << 23U;
    if (index == 2) {
      const std::uint64_t requests = odd() ? rng_.below(4) : 3;
      return frame() | requests | rng_.below(odd() ? 4 : 2) << 2U | rng_.below(16) << 4U;
    }
    const std::uint64_t type = odd() ? rng_.below(8) : std::max<std::uint64_t>(1, rng_.below(4));
    return frame() | present() | rng_.below(2) << 1U | width() << 2U | rng_.below(2) << 5U |
           type << 6U | rng_.below(2) << 9U;
  }
  // A pointer to a table, or a page of any size; aligned for the largest.
  std::uint64_t target(bool large) {
    if (odd()) return (rng_.next() & 0x000f'ffff'ffff'f000U) | (large ? 0x80U : 0U);
    return large ? rng_.below(64) << 30U | 0x80U : frame();
  }
  std::uint64_t flag(unsigned at) { return odd() ? 0 : std::uint64_t{1} << at; }
  std::uint64_t first_level() {
    std::uint64_t bits = target(rng_.below(8) == 0) | present() | flag(1) | flag(2);
    bits |= (rng_.next() & 0x460U) | (odd() ? one_bit() : 0);  // accessed, dirty; any
    return bits;
  }
  std::uint64_t second_level() {
    std::uint64_t bits = target(rng_.below(8) == 0) | flag(0) | flag(1) | flag(2);
    bits |= (rng_.next() & 0x300U) | (odd() ? one_bit() : 0);
    return bits;
  }

  Rng& rng_;
  Mode mode_;
  SparseWords& into_;
  std::uint64_t oddity_;
};

// What is there already.
struct AsItIs final : DumbMemory {
  explicit AsItIs(const SparseWords& all) : memory(all) {}
  std::uint64_t word(std::uint64_t at, Place, unsigned) override {
    const auto* known = memory.find(at);
    return known == nullptr ? 0 : known->bits;
  }
  const SparseWords& memory;
};

Request random_request(Rng& rng) {
  Request request;
  request.source = Bdf(static_cast<std::uint16_t>(rng.next()));
  request.access = static_cast<Access>(rng.below(3));
  if (rng.below(2) == 0) request.type = static_cast<AddressType>(rng.below(4));
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

WalkOutcome dumb(DumbMemory& memory, const Layout& layout) {
  DumbWalk walk(memory, layout.request);
  return layout.mode == Mode::legacy ? walk.legacy(root.value()) : walk.scalable(root.value());
}

Layout random_layout(Rng& rng) {
  Layout layout;
  layout.mode = rng.below(2) == 0 ? Mode::legacy : Mode::scalable;
  layout.request = random_request(rng);
  if (layout.mode == Mode::legacy && rng.below(16) != 0) layout.request.pasid = no_pasid;
  layout.memory.words.reserve(48);
  Growing growing(rng, layout.mode, layout.memory);
  dumb(growing, layout);
  return layout;
}

// A word less, or a bit less in a word or in the request: all smaller, so that shrinking ends.
std::vector<Layout> smaller(const Layout& layout) {
  std::vector<Layout> all;
  const auto add = [&](auto change) {
    Layout less = layout;
    change(less);
    all.push_back(std::move(less));
  };
  const auto bits_of = [](std::uint64_t word, auto with) {
    for (std::uint64_t left = word; left != 0; left &= left - 1) with(word & ~(left & -left));
  };
  auto& words = layout.memory.words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    add([&](Layout& less) {
      less.memory.words.erase(less.memory.words.begin() + std::ptrdiff_t(i));
    });
  }
  const Request& request = layout.request;
  if (request.pasid != no_pasid) add([](Layout& less) { less.request.pasid = no_pasid; });
  if (request.privileged) add([](Layout& less) { less.request.privileged = false; });
  if (request.type != AddressType::untranslated)
    add([](Layout& less) { less.request.type = AddressType::untranslated; });
  if (request.access != Access::read) add([](Layout& less) { less.request.access = Access::read; });
  if (request.pasid != no_pasid) {
    bits_of(request.pasid.value(), [&](std::uint64_t left) {
      add([&](Layout& less) { less.request.pasid = Pasid(static_cast<std::uint32_t>(left)); });
    });
  }
  bits_of(request.iova.value(),
          [&](std::uint64_t left) { add([&](Layout& less) { less.request.iova = Iova(left); }); });
  bits_of(request.source.value(), [&](std::uint64_t left) {
    add([&](Layout& less) { less.request.source = Bdf(static_cast<std::uint16_t>(left)); });
  });
  for (std::size_t i = 0; i < words.size(); ++i) {
    bits_of(words[i].bits, [&](std::uint64_t left) {
      add([&](Layout& less) { less.memory.words[i].bits = left; });
    });
  }
  return all;
}

// Many layouts at once cost little each; of these, the first one that fails is shrunk.
rc::Gen<Layouts> many(std::size_t count) {
  return {[count](const rc::Random& random, int) {
    rc::Random source = random;
    Rng rng(source.next(), "layouts");
    Layouts layouts;
    for (std::size_t i = 0; i < count; ++i) layouts.all.push_back(random_layout(rng));
    return rc::shrinkable::shrinkRecur(std::move(layouts), [](const Layouts& failing) {
      std::vector<Layouts> less;
      if (failing.all.size() == 1) {
        for (Layout& layout : smaller(failing.all.front())) less.push_back({{std::move(layout)}});
      } else {
        for (const Layout& layout : failing.all) less.push_back({{layout}});
      }
      return rc::seq::fromContainer(std::move(less));
    });
  }};
}

}  // namespace

TEST_CASE("the walk finds what a dumb walk finds, with as many reads", "[models][walk]") {
  std::map<unsigned, int> reached;
  std::map<unsigned, int> reads;
  const auto agree = [&] {
    const Layouts layouts = *many(8'000);
    for (const Layout& layout : layouts.all) {
      AsItIs memory(layout.memory);
      const WalkOutcome expected = dumb(memory, layout);
      const WalkOutcome found = walk_of([&](Hpa at) { return layout.memory.line(at); }, layout.mode,
                                        root, layout.request);
      RC_ASSERT(found == expected);
      ++reached[found.fault];
      if (found.fault == 0) ++reads[found.reads];
    }
  };
  REQUIRE(rc::check("the walk finds what a dumb walk finds", agree));
  // The comparison means something only where it went.
  for (const unsigned reason : std::initializer_list<unsigned>{
           0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
           0x31, 0x32, 0x39, 0x3a, 0x41, 0x42, 0x44, 0x45, 0x46, 0x47, 0x48, 0x51,
           0x52, 0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x71, 0x72, 0x74, 0x75, 0x76, 0x77,
           0x79, 0x7a, 0x80, 0x81, 0x82, 0x84, 0x85, 0x86, 0x87}) {
    INFO("reason " << std::hex << reason);
    CHECK(reached[reason] > 0);
  }
  // Pass-through; three to five levels, each in the other, with and without large pages.
  for (const unsigned count : {2U, 4U, 5U, 6U, 7U, 8U, 9U, 19U, 23U, 28U, 33U, 39U}) {
    INFO("reads " << count);
    CHECK(reads[count] > 0);
  }
}
