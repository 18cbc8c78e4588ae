// Reserved bits of the entries that lead to page tables: each of them alone, through a timed IOMMU.
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/lone_iommu.hpp"

#include <fmt/format.h>

#include <vector>

using namespace viosim;
using namespace viosim::test;

namespace {

using Mode = vtd::Mode;
using Reason = vtd::FaultReason;

// An entry of a function's tables, and the bits that are reserved in it, word by word.
struct Entry {
  Hpa at;
  std::vector<std::uint64_t> reserved;
  Reason reason;
};

constexpr std::uint64_t all = ~std::uint64_t{0};
constexpr std::uint64_t above = 0xfff0'0000'0000'0000;  // 52 bits of address

std::vector<Entry> legacy_entries(LoneIommu& lone) {
  const Hpa root = vtd::root_entry::address(lone.unit().tables().root(), lone.port().source);
  const Hpa context = vtd::root_entry::context_table(lone.memory().read(root)) +
                      Bytes(lone.port().source.devfn() * 16);
  return {{root, {above | 0xffe, all}, Reason::root_reserved},
          {context, {above | 0xff0, 0xffff'ffff'ff00'0080}, Reason::context_reserved}};
}

std::vector<Entry> scalable_entries(LoneIommu& lone) {
  vtd::Tables& tables = lone.unit().tables();
  const Bdf source = lone.port().source;
  const Hpa directory = tables.context(source)->directory;
  return {{vtd::root_entry::address(tables.root(), source),
           {above | 0xffe, 0},
           Reason::sm_root_reserved},
          {*tables.context_at(source),
           {above | 0x1e0, 0xffff'ffff'ffe0'0000, all, all},
           Reason::sm_context_reserved},
          {vtd::directory_entry_address(directory, LoneIommu::pasid),
           {above | 0xffc},
           Reason::sm_directory_reserved},
          {*tables.entry(source, LoneIommu::pasid),
           {above | 0xc00, 0xffff'ffff'fe7f'0000, above | 0xf00, all, all, all, all, all},
           Reason::sm_pasid_entry_reserved}};
}

}  // namespace

TEST_CASE("a reserved bit set in an entry is a fault of its own, and other bits are not",
          "[models][iommu]") {
  const Mode mode = GENERATE(Mode::legacy, Mode::scalable);
  vtd::UnitParams params;
  params.mode = mode;
  LoneIommu lone(params, {.type = mode == Mode::legacy ? SpaceShape::Type::second_level
                                                       : SpaceShape::Type::nested});
  lone.space().map(0, Hpa(0x5000'0000));
  REQUIRE_FALSE(lone.answer(0).faulted());
  for (const Entry& entry : mode == Mode::legacy ? legacy_entries(lone) : scalable_entries(lone)) {
    for (unsigned bit = 0; bit < 64 * entry.reserved.size(); ++bit) {
      const Hpa word = entry.at + Bytes(bit / 64 * 8);
      const std::uint64_t before = lone.memory().read(word);
      lone.memory().write(word, before ^ std::uint64_t{1} << bit % 64);
      lone.iommu().drop_all();
      INFO(fmt::format("reason {:#x}, bit {}", static_cast<unsigned>(entry.reason), bit));
      const bool reserved = (entry.reserved[bit / 64] >> bit % 64 & 1U) != 0;
      CHECK((lone.answer(0).fault == vtd::code_of(entry.reason)) == reserved);
      lone.memory().write(word, before);
    }
  }
}

TEST_CASE("what lies above the address of a table that is not used is not looked at",
          "[models][iommu]") {
  using Type = SpaceShape::Type;
  struct Row {
    Type type;
    unsigned word;
    bool used;
  };
  const Row row = GENERATE(Row{Type::first_level, 0, false}, Row{Type::first_level, 2, true},
                           Row{Type::second_level, 0, true}, Row{Type::second_level, 2, false},
                           Row{Type::pass_through, 0, false}, Row{Type::pass_through, 2, false});
  LoneIommu lone({}, {.type = row.type});
  if (row.type != Type::pass_through) lone.space().map(0, Hpa(0x5000'0000));
  const Hpa word =
      *lone.unit().tables().entry(lone.port().source, LoneIommu::pasid) + Bytes(row.word * 8);
  lone.memory().write(word, lone.memory().read(word) | std::uint64_t{1} << 52U);
  CHECK(lone.answer(0).faulted() == row.used);
}

TEST_CASE("SNP and TM are reserved in second-level pointers to tables, not in pages",
          "[models][iommu]") {
  const unsigned level = GENERATE(1U, 2U, 3U, 4U);
  const unsigned bit = GENERATE(11U, 62U);
  vtd::UnitParams params;
  params.mode = GENERATE(Mode::legacy, Mode::scalable);
  LoneIommu lone(params, {.type = SpaceShape::Type::second_level});
  lone.space().map(0, Hpa(0x5000'0000));
  const Hpa at = lone.space().second_entry(lone.space().iova(0), level);
  lone.memory().write(at, lone.memory().read(at) | std::uint64_t{1} << bit);
  const Reason reserved =
      params.mode == Mode::legacy ? Reason::reserved_in_table : Reason::sm_second_level_reserved;
  CHECK(lone.answer(0).fault == vtd::code_of(level == 1 ? Reason::none : reserved));
}

TEST_CASE("a translation request that meets reserved bits of page tables is refused, and reported",
          "[models][iommu][ats]") {
  using Type = SpaceShape::Type;
  struct Row {
    Type type;
    unsigned level;
    unsigned bit;
    Reason reason;
  };
  const Row row = GENERATE(Row{Type::first_level, 1, 63, Reason::sm_first_level_reserved},
                           Row{Type::second_level, 2, 11, Reason::sm_second_level_reserved},
                           Row{Type::nested, 2, 62, Reason::sm_second_level_reserved});
  LoneIommu lone({}, {.type = row.type});
  const Hpa context = *lone.unit().tables().context_at(lone.port().source);
  lone.memory().write(context, lone.memory().read(context) | 4U);  // DTE
  lone.space().map(0, Hpa(0x5000'0000));
  REQUIRE_FALSE(lone.answer(0, Access::read, AddressType::translation).translation.rights.empty());
  lone.iommu().drop_all();
  // Nested, the second level's entry of the page itself.
  const Hpa at =
      row.type == Type::first_level
          ? lone.space().first_entry(0, row.level)
          : lone.space().second_entry(
                row.type == Type::nested ? lone.space().guest(0) : lone.space().iova(0), row.level);
  lone.memory().write(at, lone.memory().read(at) | std::uint64_t{1} << row.bit);
  for (const AddressType type : {AddressType::untranslated, AddressType::translation}) {
    const std::uint64_t reported = lone.iommu().stats.faults_reported;
    CHECK(lone.answer(0, Access::read, type).fault == vtd::code_of(row.reason));
    CHECK(lone.iommu().stats.faults_reported == reported + 1);
  }
}

TEST_CASE("a translation request beyond what can be mapped is answered, without rights",
          "[models][iommu][ats]") {
  const auto type = GENERATE(SpaceShape::Type::first_level, SpaceShape::Type::second_level);
  LoneIommu lone({}, {.type = type});
  const Hpa context = *lone.unit().tables().context_at(lone.port().source);
  lone.memory().write(context, lone.memory().read(context) | 4U);  // DTE
  const Iova beyond(0x0001'0000'0000'0000);
  const WalkResult answer =
      lone.ask_alone_at(beyond, Access::read, AddressType::translation).result;
  CHECK_FALSE(answer.faulted());
  CHECK(answer.translation.rights.empty());
  CHECK(lone.iommu().stats.faults_reported == 0);
  CHECK(lone.ask_alone_at(beyond, Access::read).result.faulted());
}
