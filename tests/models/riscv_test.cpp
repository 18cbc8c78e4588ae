// The reads and the causes of a cold walk through RISC-V's tables.
// SPDX-License-Identifier: Apache-2.0
#include "models/host/guest_memory.hpp"
#include "models/iommu/riscv/tables.hpp"
#include "models/iommu/walk.hpp"
#include "tests/support/catch.hpp"

#include <ostream>

using namespace viosim;
using namespace viosim::riscv;

namespace {

const Bdf source(1, 0, 3);
const Iova iova(0x12'3456'7000);
const Hpa host_page(0x80'0000'0000);
constexpr Permissions all{true, true, true};

DeviceContext context_of(const PageTable& table) {
  DeviceContext context;
  context.valid = true;
  (table.format() == TableFormat::sv ? context.first : context.second) =
      Root::of(table.root(), table.levels());
  return context;
}

// Reads and cause of a request whose walk knows nothing before.
struct Cold {
  unsigned cause = 0;
  unsigned reads = 0;
  std::uint64_t address = 0;
  bool operator==(const Cold&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Cold& cold) {
  return out << "cause " << cold.cause << " reads " << cold.reads << " address " << std::hex
             << cold.address << std::dec;
}

Cold cold(const PhysicalMemory& memory, const Tables& tables, const Request& request) {
  const RiscvArchitecture architecture(tables.format(), tables.pointer());
  Walk walk;
  walk.begin(architecture, request, nullptr, nullptr, false);
  Cold outcome;
  while (walk.step() == WalkStep::read) {
    ++outcome.reads;
    walk.advance(memory.line(walk.next_read()));
  }
  if (walk.step() == WalkStep::faulted) {
    outcome.cause = static_cast<unsigned>(walk.fault());
  } else {
    outcome.address = walk.translation().address(request.iova).value();
  }
  return outcome;
}

}  // namespace

TEST_CASE("a cold RISC-V walk reads the device directory, then one entry a level",
          "[models][riscv]") {
  const auto mode = GENERATE(DirectoryMode::two_level, DirectoryMode::three_level);
  const auto format = GENERATE(ContextFormat::base, ContextFormat::extended);
  const unsigned depth = GENERATE(3U, 4U, 5U);
  const auto stage = GENERATE(TableFormat::sv, TableFormat::sv_guest);
  PhysicalMemory memory;
  PageTable table(memory, stage, depth);
  table.map(iova, host_page, 1, all);
  Tables tables(memory, format, mode);
  tables.attach(source, context_of(table));
  CHECK(cold(memory, tables, {iova + Bytes(5), no_pasid, source, Access::execute}) ==
        Cold{0, levels(mode) + depth, host_page.value() + 5});
  CHECK(cold(memory, tables, {iova + page_4k, no_pasid, source, Access::write}) ==
        Cold{stage == TableFormat::sv ? 15U : 23U, levels(mode) + depth, 0});
  tables.detach(source);
  CHECK(cold(memory, tables, {iova, no_pasid, source, Access::read}) == Cold{258, levels(mode), 0});
}

TEST_CASE("a guest's process directory is read through the second stage", "[models][riscv]") {
  const auto mode = GENERATE(ProcessMode::pd8, ProcessMode::pd17, ProcessMode::pd20);
  const Pasid process(limit(mode) - 1);
  PhysicalMemory memory;
  PageTable second(memory, TableFormat::sv_guest, 4);
  GuestMemory guest(memory, second, Hpa(0x4000'0000), page_2m, 1);
  PageTable first(guest, TableFormat::sv, 3);
  const Hpa guest_page(0x9000'0000);
  first.map(iova.page_base(page_4k), guest_page, 1, all);
  second.map(Iova(guest_page.value()), host_page, 1, all);
  ProcessTable processes(guest, mode);
  ProcessContext entry;
  entry.valid = true;
  entry.first = Root::of(first.root(), 3);
  processes.set(process, entry);
  DeviceContext context = context_of(second);
  context.process_table = true;
  context.first = processes.root();
  Tables tables(memory, ContextFormat::base, DirectoryMode::three_level);
  tables.attach(source, context);
  // Three of the device directory; five for each level of the process directory; nested (3+1)(4+1)-1.
  const unsigned before = 3 + 5 * levels(mode);
  CHECK(cold(memory, tables, {iova, process, source, Access::read}) ==
        Cold{0, before + 19, host_page.value()});
  // ENS is clear; the process id is too wide; there is no default process; it is the guest's address.
  CHECK(cold(memory, tables, {iova, process, source, Access::read, {}, true}).cause == 260);
  if (mode != ProcessMode::pd20)
    CHECK(cold(memory, tables, {iova, Pasid(limit(mode)), source, Access::read}).cause == 260);
  CHECK(cold(memory, tables, {Iova(guest_page.value()), no_pasid, source, Access::read}) ==
        Cold{0, 3 + 4, host_page.value()});
  processes.clear_valid(process);
  CHECK(cold(memory, tables, {iova, process, source, Access::read}) == Cold{266, before, 0});
  second.unmap(Iova(processes.root().table.value()), 1);
  CHECK(cold(memory, tables, {iova, process, source, Access::write}) == Cold{23, 3 + 4, 0});
}

TEST_CASE("without SADE a page that is not marked is a fault, with it hardware marks it",
          "[models][riscv]") {
  const bool updates = GENERATE(false, true);
  PhysicalMemory memory;
  PageTable table(memory, TableFormat::sv, 3);
  table.map(iova, host_page, 1, {true, false});
  const Hpa entry = [&] {
    Hpa at = table.root();
    for (unsigned level = 3; level > 1; --level)
      at = TableEntry{memory.read(entry_address(at, iova, level))}.address(TableFormat::sv);
    return entry_address(at, iova, 1);
  }();
  constexpr std::uint64_t writable = 1U << 2U;
  constexpr std::uint64_t accessed = 1U << 6U;
  constexpr std::uint64_t dirty = 1U << 7U;
  const std::uint64_t unmarked = (memory.read(entry) | writable) & ~(accessed | dirty);
  memory.write(entry, unmarked);
  DeviceContext context = context_of(table);
  context.first_updates = updates;
  Tables tables(memory, ContextFormat::base, DirectoryMode::two_level);
  tables.attach(source, context);
  const RiscvArchitecture architecture(tables.format(), tables.pointer());
  Walk walk;
  walk.begin(architecture, {iova, no_pasid, source, Access::write}, nullptr, nullptr, false);
  while (walk.step() == WalkStep::read) walk.advance(memory.line(walk.next_read()));
  if (updates) {
    REQUIRE(walk.step() == WalkStep::update);
    CHECK(walk.pages().next_read() == entry);
    CHECK(walk.pages().replacement() == (unmarked | accessed | dirty));
  } else {
    REQUIRE(walk.step() == WalkStep::faulted);
    CHECK(cause_of(walk.fault()) == Cause::write_page_fault);
  }
}
